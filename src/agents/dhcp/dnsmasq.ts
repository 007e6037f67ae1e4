/**
 * What dnsmasq 2.90 is given, as text. Pure; golden files in dnsmasq.test.ts.
 *
 *   conf         what only a restart changes
 *   opts, fence  options by tag; read again on SIGHUP. `fence` is empty and is read after `opts` (dnsmasq goes through its
 *                list of files backwards): the log line that names it says that a start or reload has read everything
 *   base, names-base   every port as of the last start or reload
 *   hosts/<port>, names/<port>   each port added since: read by inotify, the names after the entry
 */
import { createHash } from 'node:crypto';
import { assert } from '../../lib/assert.ts';
import type { PortEntry } from './entry.ts';
import { isPlainPath } from './grammar.ts';
import type { DesiredNetwork, DhcpSettings, ServedSubnet } from './desired.ts';

/** Grows when a dnsmasq that an older agent started must be started anew to be served by this one. */
export const SCHEMA = 1;

export const LEASE_LIMIT = 65_536;

export interface ConfInput {
  readonly network: DesiredNetwork;
  readonly settings: DhcpSettings;
  /** Absolute path of the network's directory. */
  readonly directory: string;
  /** Whether added files are watched; false where the kernel gives us no inotify instance. */
  readonly watched: boolean;
}

function netmask(prefix: number): string {
  const bits = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

function rangeOf(subnet: ServedSubnet, leaseSeconds: number): string {
  const size = subnet.version === 4 ? netmask(subnet.prefix) : String(subnet.prefix);
  return `dhcp-range=set:${subnet.tag},${subnet.base},static,${size},${leaseSeconds}s`;
}

/** Text of the main configuration. */
export function renderConf({ network, settings, directory, watched }: ConfInput): string {
  assert(isPlainPath(directory), `a path that dnsmasq can read plainly: ${directory}`);
  const lines = [
    'port=53',
    'no-hosts',
    'no-resolv',
    ...settings.upstreamDns.map((server) => `server=${server}`),
    // An empty group keeps dnsmasq from changing its group too: where only one user is mapped it may not.
    ...(settings.user === '' ? ['user=root', 'group='] : [`user=${settings.user}`]),
    'pid-file',
    'bind-dynamic',
    `interface=${network.link}`,
    'except-interface=lo',
    'no-ping',
    'quiet-dhcp',
    'quiet-dhcp6',
    'quiet-ra',
    `log-facility=${directory}/log`,
    `dhcp-leasefile=${directory}/leases`,
    `dhcp-lease-max=${LEASE_LIMIT}`,
    `domain=${network.domain}`,
    `local=/${network.domain}/`,
    'dhcp-match=set:ipxe,175',
    ...network.subnets.map((subnet) => rangeOf(subnet, settings.leaseSeconds)),
    // Only where addresses are leased: who merely asks for options (DHCPv6 stateless) has no host line to be known by.
    ...network.subnets.filter((s) => s.stateful).map((s) => `dhcp-ignore=tag:!known,tag:${s.tag}`),
    ...network.tagged.map((port) => `dhcp-mac=set:${port.tag},${port.mac}`),
    `dhcp-hostsfile=${directory}/base`,
    ...(watched ? [`dhcp-hostsdir=${directory}/hosts`] : []),
    `dhcp-optsfile=${directory}/fence`,
    `dhcp-optsfile=${directory}/opts`,
    `addn-hosts=${directory}/names-base`,
    ...(watched ? [`hostsdir=${directory}/names`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * Names the behaviour that only a restart changes, not its text: an upgrade that writes the same in other words must
 * not restart what runs (R24).
 */
export function configHash({ network, settings, watched }: Omit<ConfInput, 'directory'>): string {
  const meaning = {
    schema: SCHEMA,
    link: network.link,
    domain: network.domain,
    duid: network.dhcpPortId,
    subnets: network.subnets.map((s) => [s.tag, s.version, s.base, s.prefix, s.stateful]),
    tagged: network.tagged.map((port) => [port.tag, port.mac]),
    settings: [settings.leaseSeconds, settings.user, settings.upstreamDns],
    watched,
  };
  return createHash('sha256').update(JSON.stringify(meaning)).digest('hex').slice(0, 32);
}

function v4Options(subnet: ServedSubnet, network: DesiredNetwork): string[] {
  const routes = subnet.routes.flat().join(',');
  return [
    // Without a value the option is not sent; with no line at all dnsmasq would send itself.
    ['option:router', ...(subnet.gateway === null ? [] : [subnet.gateway])].join(','),
    ['option:dns-server', ...subnet.dnsServers].join(','),
    `option:mtu,${network.mtu}`,
    ...(routes === '' ? [] : [`option:classless-static-route,${routes}`, `249,${routes}`]),
  ];
}

function v6Options(subnet: ServedSubnet, network: DesiredNetwork): string[] {
  const servers = subnet.dnsServers.map((ip) => `[${ip}]`);
  return [['option6:dns-server', ...servers].join(','), `option6:domain-search,${network.domain}`];
}

/** Text of the options file. */
export function renderOptions(network: DesiredNetwork): string {
  const lines = network.subnets.flatMap((subnet) => {
    const options = subnet.version === 4 ? v4Options(subnet, network) : v6Options(subnet, network);
    return options.map((option) => `tag:${subnet.tag},${option}`);
  });
  lines.push(...network.portOptions.map((option) => option.line));
  return lines.map((line) => `${line}\n`).join('');
}

/** Text of `base` or `names-base`: each port's lines below a comment with its id. */
export function renderBase(entries: ReadonlyMap<string, PortEntry>, part: 'hosts' | 'names'): string {
  let text = '';
  for (const [portId, entry] of entries) if (entry[part] !== '') text += `# ${portId}\n${entry[part]}`;
  return text;
}

/** Takes such a file apart again: port id to its lines. What stands before the first comment belongs to ''. */
export function parseBase(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let portId = '';
  for (const line of text.split('\n')) {
    if (line.startsWith('# ')) portId = line.slice(2);
    else if (line !== '') found.set(portId, `${found.get(portId) ?? ''}${line}\n`);
  }
  return found;
}

/** MAC and addresses in the lines of a hosts file: what dnsmasq may have in memory from them. */
export function claimsIn(lines: string): string[] {
  return lines
    .split(/[\n,]/)
    .map((word) => word.replace(/^\[(.*)\]$/, '$1'))
    .filter((word) => /^[0-9a-f.:]+$/i.test(word) && /[.:]/.test(word));
}

/**
 * The namespace's own table: DHCP replies get no UDP checksum, since clients that read raw packets see it before the
 * link has filled it in. The comment is what `rulesetMark` reads.
 */
export const TABLE = 'ip deuteron_dhcp';
export const TABLE_MARK = 'deuteron:dhcp-1';
export const TABLE_TEXT = `add table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  comment "${TABLE_MARK}"
  chain out {
    type filter hook postrouting priority filter; policy accept;
    udp dport 68 udp checksum set 0
  }
}
`;

/** No router advertisement sent or heard, nothing forwarded between subnets, no wait for duplicate address detection. */
export const NAMESPACE_SYSCTLS: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '0',
  'net.ipv6.conf.all.forwarding': '0',
  'net.ipv6.conf.all.accept_ra': '0',
  'net.ipv6.conf.default.accept_ra': '0',
  'net.ipv6.conf.default.autoconf': '0',
  'net.ipv6.conf.default.accept_dad': '0',
};
