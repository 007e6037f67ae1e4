/** What a port asks of Placement, from the rules of its QoS policy (Neutron's extension port-resource-request-groups). */
import type { QosRuleRow } from './qos-rule.ts';

export interface RequestGroup {
  readonly id: string;
  readonly required: readonly string[];
  readonly resources: Readonly<Record<string, number>>;
}

export interface ResourceRequest {
  readonly request_groups: readonly RequestGroup[];
  readonly same_subtree: readonly string[];
}

const SHORT = { egress: 'EGR_', ingress: 'IGR_', any: '' } as const;

const trait = (kind: string, name: string): string =>
  `CUSTOM_${kind}_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`;

/** The port's own id with another version: stable, and no other port's. */
const groupId = (portId: string, version: 5 | 8): string =>
  `${portId.slice(0, 14)}${version}${portId.slice(15)}`;

/** Of the rules of one kind: what they ask for, by Placement's resource classes. */
function resourcesOf(rules: readonly QosRuleRow[], type: 'minimum_bandwidth' | 'minimum_packet_rate') {
  const [before, after] =
    type === 'minimum_bandwidth'
      ? (['NET_BW_', 'KILOBIT_PER_SEC'] as const)
      : (['NET_PACKET_RATE_', 'KILOPACKET_PER_SEC'] as const);
  const own = rules.filter((rule) => rule.type === type);
  return Object.fromEntries(
    own.map(({ direction, parameters: { min_kbps, min_kpps = 0 } }) => [
      `${before}${SHORT[direction ?? 'any']}${after}`,
      min_kbps ?? min_kpps,
    ]),
  );
}

/** null: nothing is asked for. Bandwidth is of a physical network, packets are of the host. */
export function resourceRequest(
  port: { readonly id: string; readonly vnic_type: string },
  physicalNetwork: string | null,
  rules: readonly QosRuleRow[],
): ResourceRequest | null {
  const vnic = trait('VNIC_TYPE', port.vnic_type);
  const bandwidth = physicalNetwork === null ? {} : resourcesOf(rules, 'minimum_bandwidth');
  const packets = resourcesOf(rules, 'minimum_packet_rate');
  const groups = [
    {
      id: groupId(port.id, 5),
      required: [trait('PHYSNET', physicalNetwork ?? ''), vnic],
      resources: bandwidth,
    },
    { id: groupId(port.id, 8), required: [vnic], resources: packets },
  ].filter(({ resources }) => Object.keys(resources).length > 0);
  if (groups.length === 0) return null;
  return { request_groups: groups, same_subtree: groups.map(({ id }) => id) };
}
