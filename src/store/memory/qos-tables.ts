/** The tables of QoS policies, and what a change of a policy means for what has it. */
import { hostGroup, type Ref, routerGroup } from '../../resources/agent-view.ts';
import { isOfNetwork } from '../../resources/qos-rule.ts';
import { define, type Look, ref } from './table-schema.ts';

/** Of the bound ports to which the QoS policy of their network applies. */
export const qosRefsOfNetwork = (networkId: unknown, look: Look): Ref[] =>
  look('ports', { network_id: networkId, qos_policy_id: null })
    .filter((port) => port.host !== '' && !isOfNetwork(port.device_owner as string))
    .map((port) => ref(hostGroup(port.host as string), 'port', port.id));

export const qosPolicies = define('qosPolicies', 'qos_policies', ['id'], {
  uniques: [{ constraint: 'qos_policies_default', columns: ['default_of'] }],
});

export const qosRules = define('qosRules', 'qos_rules', ['id'], {
  uniques: [
    { constraint: 'qos_rules_once', columns: ['qos_policy_id', 'type', 'direction'], nullsEqual: true },
  ],
  foreignKeys: [
    { constraint: 'qos_rules_policy', column: 'qos_policy_id', parent: 'qosPolicies', cascade: true },
  ],
  seen: ['direction', 'parameters'],
  hint({ qos_policy_id }, look) {
    const ports = look('ports', { qos_policy_id }).filter(({ host }) => host !== '');
    const floatingIps = look('floatingIps', { qos_policy_id }).filter(({ router_id }) => router_id !== null);
    return {
      refs: [
        ...ports.map(({ id, host }) => ref(hostGroup(host as string), 'port', id)),
        ...look('networks', { qos_policy_id }).flatMap(({ id }) => qosRefsOfNetwork(id, look)),
        ...floatingIps.map(({ id, router_id }) => ref(routerGroup(router_id as string), 'floating-ip', id)),
        ...look('routers', { qos_policy_id }).map(({ id }) => ref(routerGroup(id as string), 'router', id)),
      ],
      hosts: [],
    };
  },
});
