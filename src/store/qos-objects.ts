/** What the QoS policies of ports, floating IPs and routers come to for hosts: part of agent-objects.ts. */
import { type QosBody, qosBody } from '../resources/qos-body.ts';
import type { PortRow } from '../resources/port.ts';
import { isOfNetwork } from '../resources/qos-rule.ts';
import type { View } from './store.ts';

/** What each of these policies says; null is none. */
export async function qosOfPolicies(
  view: View,
  policyIds: readonly (string | null)[],
): Promise<(policyId: string | null) => { readonly qos?: QosBody }> {
  const ids = [...new Set(policyIds.filter((id) => id !== null))];
  const rules = ids.length === 0 ? [] : await view.qosRules.find({ qos_policy_id: ids });
  const byPolicy = Map.groupBy(rules, (rule) => rule.qos_policy_id);
  const bodies = new Map([...byPolicy].map(([id, own]) => [id, qosBody(own)]));
  return (policyId) => {
    const qos = bodies.get(policyId ?? '');
    return qos ? { qos } : {};
  };
}

/** What holds for each port: its own policy, else (if it is no port of the network's own) its network's. */
export async function qosOfPorts(
  view: View,
  ports: readonly PortRow[],
): Promise<(port: PortRow) => { readonly qos?: QosBody }> {
  const heirs = ports.filter((port) => port.qos_policy_id === null && !isOfNetwork(port.device_owner));
  const networkIds = [...new Set(heirs.map((port) => port.network_id))];
  const networks = networkIds.length === 0 ? [] : await view.networks.find({ id: networkIds });
  const ofNetwork = new Map(networks.map((network) => [network.id, network.qos_policy_id]));
  const policyOf = ({ qos_policy_id, network_id, device_owner }: PortRow) =>
    qos_policy_id ?? (isOfNetwork(device_owner) ? null : (ofNetwork.get(network_id) ?? null));
  const qosOf = await qosOfPolicies(view, ports.map(policyOf));
  return (port) => qosOf(policyOf(port));
}
