/** What of a packet a security group's rule asks for beside addresses. Pure. */
import type { SecurityRuleBody } from '../../../resources/agent-view.ts';

/** As Neutron names them; numbers of IANA's "Protocol Numbers". */
const NUMBERS: Readonly<Record<string, number>> = {
  ...{ icmp: 1, igmp: 2, ipip: 4, tcp: 6, egp: 8, udp: 17, dccp: 33, 'ipv6-encap': 41, 'ipv6-route': 43 },
  ...{ 'ipv6-frag': 44, rsvp: 46, gre: 47, esp: 50, ah: 51, 'ipv6-icmp': 58, icmpv6: 58, 'ipv6-nonxt': 59 },
  ...{ 'ipv6-opts': 60, ospf: 89, vrrp: 112, pgm: 113, sctp: 132, udplite: 136, hopopt: 0 },
};
/** Those that have ports: their names in nft are not needed, `th` reads them. */
const WITH_PORTS: ReadonlySet<number> = new Set([6, 17, 33, 132, 136]);
/** Headers of IPv6 that nft looks behind. */
const IPV6_HEADERS: ReadonlySet<number> = new Set([0, 43, 44, 59, 60]);
const ICMP = 1;
const ICMPV6 = 58;

/** nft's words; '' for any packet; null: no packet is like that. */
export function protocolMatch(rule: SecurityRuleBody): string | null {
  const { protocol, ethertype } = rule;
  if (protocol === null || protocol === 'any') return '';
  const given = NUMBERS[protocol] ?? (/^\d{1,3}$/.test(protocol) ? Number(protocol) : null);
  if (given === null || given > 255) return null;
  // Neutron takes "icmp" in rules for IPv6 too.
  const number = ethertype === 'IPv6' && given === ICMP ? ICMPV6 : given;
  if (number === ICMP || (number === ICMPV6 && ethertype === 'IPv6')) return icmpMatch(rule, number);
  if (ethertype === 'IPv6' && IPV6_HEADERS.has(number)) return `ip6 nexthdr ${number}`;
  const match = `meta l4proto ${number}`;
  return WITH_PORTS.has(number) ? match + portMatch(rule) : match;
}

function portMatch({ port_range_min: min, port_range_max: max }: SecurityRuleBody): string {
  if (min === null && max === null) return '';
  const [first, last] = [min ?? max ?? 0, max ?? min ?? 65_535];
  if (first <= 0 && last >= 65_535) return '';
  return first === last ? ` th dport ${first}` : ` th dport ${first}-${last}`;
}

/** Type and code stand where ports do. */
function icmpMatch({ port_range_min: type, port_range_max: code }: SecurityRuleBody, number: number): string {
  const name = number === ICMP ? 'icmp' : 'icmpv6';
  if (type === null) return `meta l4proto ${number}`;
  return `${name} type ${type}${code === null ? '' : ` ${name} code ${code}`}`;
}
