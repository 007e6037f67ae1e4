/** IP protocols by the names that rules of security groups may use (those of Neutron; numbers are IANA's). */
import { display, type ValueType } from './values.ts';

const NUMBERS: Readonly<Record<string, number>> = {
  ...{ ah: 51, dccp: 33, egp: 8, esp: 50, gre: 47, hopopt: 0, icmp: 1, igmp: 2, ip: 0, ipip: 4 },
  ...{ 'ipv6-encap': 41, 'ipv6-frag': 44, 'ipv6-icmp': 58, icmpv6: 58 },
  ...{ 'ipv6-nonxt': 59, 'ipv6-opts': 60, 'ipv6-route': 43 },
  ...{ ospf: 89, pgm: 113, rsvp: 46, sctp: 132, tcp: 6, udp: 17, udplite: 136, vrrp: 112 },
};

export const ICMP = 1;
export const ICMPV6 = 58;

/** Protocols that there are in IPv6 alone. */
export const IPV6_PROTOCOLS: ReadonlySet<number> = new Set([41, 43, 44, ICMPV6, 59, 60]);

/** Protocols that have ports, in the order in which refusals name them. */
export const PROTOCOLS_WITH_PORTS = ['dccp', 'sctp', 'tcp', 'udp', 'udplite'] as const;

/** The number of a protocol as a rule has it stored: a name, or digits. */
export const protocolNumber = (protocol: string): number => NUMBERS[protocol] ?? Number(protocol);

const NAMES = Object.keys(NUMBERS);

function readProtocol(value: unknown): string | null | undefined {
  if (value === null || value === 'any') return null;
  if (typeof value === 'number')
    return Number.isInteger(value) && value >= 0 && value <= 255 ? `${value}` : undefined;
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,3}$/.test(value)) return Number(value) <= 255 ? `${Number(value)}` : undefined;
  const name = value.toLowerCase();
  return Object.hasOwn(NUMBERS, name) ? name : undefined;
}

/** A protocol's name or number, stored as text; null and `any` are all of them. */
export const protocol: ValueType = {
  schema: {
    anyOf: [
      { type: 'string', examples: ['tcp', 'icmp', '89'] },
      { type: 'integer', minimum: 0, maximum: 255 },
      { type: 'null' },
    ],
  },
  read(value) {
    const found = readProtocol(value);
    if (found !== undefined) return { value: found };
    const names = [null, 'any', ...NAMES].map((name) => (name === null ? 'None' : `'${name}'`)).join(', ');
    return {
      fault: 'SecurityGroupRuleInvalidProtocol',
      reason: `Security group rule protocol ${display(value)} not supported. Only protocol values (${names}) and integer representations [0 to 255] are supported.`,
    };
  },
  filter: (given) => protocol.read(given),
};
