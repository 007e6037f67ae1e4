/**
 * radvd's configuration (radvd.conf(5)), for the links whose subnets ask for router advertisements. Pure. The flags are
 * those of Neutron's agent: M with dhcpv6-stateful, O with dhcpv6-stateless, addresses by themselves with all but the first.
 */
import { isIPv6 } from 'node:net';
import type { InterfaceSubnet } from '../../resources/agent-view.ts';

/** What of a link it depends on. */
export interface Advertised {
  readonly kind: 'internal' | 'gateway' | 'ha';
  readonly name: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly subnets: readonly InterfaceSubnet[];
}

/** RFC 4861 6.2.1: a third of the largest interval is the smallest. Neutron's figures. */
const MIN_INTERVAL_S = 30;
const MAX_INTERVAL_S = 100;
/** RFC 8200: no IPv6 link has less. */
const LEAST_MTU = 1280;

const isPrefix = (cidr: string): boolean =>
  /^[0-9a-f:.]+\/\d{1,3}$/i.test(cidr) && isIPv6(cidr.split('/')[0] ?? '');

/** '' where nothing is to be advertised. */
export function renderRa(links: readonly Advertised[]): string {
  const blocks = links.flatMap((link) => {
    const asking = link.subnets.filter(
      (subnet) => subnet.ip_version === 6 && subnet.ipv6_ra_mode !== null && isPrefix(subnet.cidr),
    );
    return link.kind === 'internal' && link.up && asking.length > 0 ? [block(link, asking)] : [];
  });
  return blocks.join('');
}

function block({ name, mtu }: Advertised, subnets: readonly InterfaceSubnet[]): string {
  const onOff = (mode: InterfaceSubnet['ipv6_ra_mode']) =>
    subnets.some((subnet) => subnet.ipv6_ra_mode === mode) ? 'on' : 'off';
  const lines = [
    'AdvSendAdvert on;',
    `MinRtrAdvInterval ${MIN_INTERVAL_S};`,
    `MaxRtrAdvInterval ${MAX_INTERVAL_S};`,
    `AdvLinkMTU ${Math.max(mtu, LEAST_MTU)};`,
    `AdvManagedFlag ${onOff('dhcpv6-stateful')};`,
    `AdvOtherConfigFlag ${onOff('dhcpv6-stateless')};`,
    ...subnets.map(({ cidr, ipv6_ra_mode }) => {
      const autonomous = ipv6_ra_mode === 'dhcpv6-stateful' ? 'off' : 'on';
      return `prefix ${cidr} { AdvOnLink on; AdvAutonomous ${autonomous}; };`;
    }),
    ...rdnss(subnets),
  ];
  return `interface ${name} {\n${lines.map((line) => `  ${line}\n`).join('')}};\n`;
}

/** radvd takes three servers in a block (RFC 8106 sets no limit): more go into further blocks. */
function rdnss(subnets: readonly InterfaceSubnet[]): string[] {
  const all = subnets.filter((subnet) => subnet.ipv6_ra_mode !== 'dhcpv6-stateful');
  const servers = [...new Set(all.flatMap((subnet) => subnet.dns_nameservers))].filter(
    (ip) => isIPv6(ip) && !ip.includes('%'),
  );
  const lines: string[] = [];
  for (let at = 0; at < servers.length; at += 3)
    lines.push(`RDNSS ${servers.slice(at, at + 3).join(' ')} { };`);
  return lines;
}
