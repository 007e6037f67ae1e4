/** Small bodies of security groups as agents see them, for tests of roles. */
import {
  addressGroupGroup,
  membersGroup,
  type PortBody,
  type SecurityGroupBody,
  securityGroupGroup,
  type SecurityRuleBody,
} from '../../src/resources/agent-view.ts';
import { id, portBody, type TestWorld } from './network-objects.ts';

export const mac = (number: number): string => `fa:16:3e:00:00:${number.toString(16).padStart(2, '0')}`;

/** Of ingress, IPv4, anything, unless told otherwise. */
export function rule(number: number, fields: Partial<SecurityRuleBody> = {}): SecurityRuleBody {
  return {
    id: id(0xf0_0000 + number),
    direction: 'ingress',
    ethertype: 'IPv4',
    protocol: null,
    port_range_min: null,
    port_range_max: null,
    remote_ip_prefix: null,
    remote_group_id: null,
    remote_address_group_id: null,
    ...fields,
  };
}

/** What a new group has: everything may go out. */
export const outward = (number: number): SecurityRuleBody[] => [
  rule(number, { direction: 'egress' }),
  rule(number + 1, { direction: 'egress', ethertype: 'IPv6' }),
];

type Fields = Omit<Partial<PortBody>, 'port_security_enabled'> & {
  readonly port_security_enabled?: undefined;
};

/** A port with port security, unless told that it has none. */
export function guardedPort(number: number, networkId: string, fields: Fields = {}): PortBody {
  const { port_security_enabled: _, ...others } = fields;
  const isOpen = 'port_security_enabled' in fields;
  return portBody(id(number), networkId, {
    mac_address: mac(number),
    fixed_ips: [`10.0.0.${number}`, `fd00::${number.toString(16)}`].map((ip_address) => ({
      subnet_id: id(0xbb),
      ip_address,
    })),
    ...(isOpen ? {} : { port_security_enabled: true, security_groups: [], allowed_address_pairs: [] }),
    ...others,
  });
}

export function putGroup(
  world: TestWorld,
  groupId: string,
  rules: readonly SecurityRuleBody[],
  fields: Partial<SecurityGroupBody> = {},
): void {
  const group = securityGroupGroup(groupId);
  world.put(group, group, { id: groupId, stateful: true, rules, ...fields });
}

/** The ports of a group, each with its addresses. */
export function putMembers(
  world: TestWorld,
  groupId: string,
  members: Readonly<Record<string, readonly string[]>>,
): void {
  const group = membersGroup(groupId);
  world.remove(group);
  // A group without members is there all the same.
  world.put(group, 'member/none', { port_id: 'none', addresses: [] });
  world.remove(group, 'member/none');
  for (const [port_id, addresses] of Object.entries(members))
    world.put(group, `member/${port_id}`, { port_id, addresses });
}

export function putAddressGroup(world: TestWorld, groupId: string, addresses: readonly string[]): void {
  const group = addressGroupGroup(groupId);
  world.put(group, group, { id: groupId, addresses });
}
