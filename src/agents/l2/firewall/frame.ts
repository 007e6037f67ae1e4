/**
 * The chains that are the same on every host, whatever ports and groups it has.
 *
 * The kernel has no connection tracking for bridges here, so a frame goes two ways (br_netfilter): the bridge family sees it
 * with the links by which it comes and goes, the inet family sees it with its connection, as if the bridge routed it. A mark
 * carries what the first knows to the second.
 *
 *   bridge prerouting   mark of the link it came by; nobody sends under another's address
 *   inet prerouting     zone of its network (before fragments are put together), tracking, egress rules
 *   bridge forward      mark of the link it goes by; nothing to or from a link that is not known
 *   inet forward        ingress rules; passed
 *   bridge forward      what did not pass there goes no further: a bridge that does not ask is closed, not open
 */
import type { Chain, Rule } from './form.ts';
import { CLOSED, hex, OURS, PASSED, UNTRACKED } from './marks.ts';

export const BRIDGE_TABLE = 'bridge deuteron_firewall';
export const INET_TABLE = 'inet deuteron_firewall';

export const isFirewallTable = (table: string): boolean => table === BRIDGE_TABLE || table === INET_TABLE;

const rules = (...texts: readonly string[]): Rule[] => texts.map((text) => ({ text }));
const chain = (...texts: readonly string[]): Chain => ({ hook: '', rules: rules(...texts) });
const base = (hook: string, texts: readonly string[]): Chain => ({ hook, rules: rules(...texts) });

/** Our bridges, by their names. */
const INSIDE = 'iifname "brq*"';
const IS_OURS = `meta mark & ${hex(OURS)} != 0`;
const IS_NOT_OURS = `meta mark & ${hex(OURS)} == 0`;
const UNICAST = 'ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00';
const UNTRACK = `meta mark set meta mark | ${hex(UNTRACKED)}`;
/** RARP: by this a hypervisor tells switches that a machine has moved to it. */
const RARP = '0x8035';

/** RFC 4861: neighbour advertisement. RFC 6980: no message of neighbour discovery comes in fragments. */
const IS_ICMPV6_FRAGMENT = 'exthdr frag exists meta l4proto ipv6-icmp frag frag-off 0';

/** `isMixed`: there are ports whose connections are not tracked. */
export function bridgeFrame(isMixed: boolean): Map<string, Chain> {
  // Between two of which one tracks, both directions are tracked, or an answer would be no answer to it.
  const untracking = [
    `iifname @untracking ${UNICAST} ether daddr != @tracked_macs ${UNTRACK}`,
    `ether daddr @untracked_macs iifname != @tracking ether daddr != @tracked_macs ${IS_OURS} ${UNTRACK}`,
  ];
  return new Map([
    [
      'prerouting',
      base('prerouting -300 accept', [
        'meta mark set iifname map @links',
        `meta mark ${hex(CLOSED)} counter drop`,
        ...(isMixed ? untracking : []),
        'iifname @filtered jump source',
      ]),
    ],
    [
      'source',
      chain(
        'iifname . ether saddr != @macs counter drop',
        'ether type ip goto source-ip',
        'ether type ip6 goto source-ip6',
        'ether type arp goto source-arp',
        `ether type ${RARP} accept`,
        'counter drop',
      ),
    ],
    [
      'source-arp',
      chain(
        'arp htype != 1 counter drop',
        'iifname . arp saddr ether . arp saddr ip @sources4 accept',
        // RFC 5227: a probe.
        'iifname . arp saddr ether @macs arp saddr ip 0.0.0.0 accept',
        'iifname vmap @wide',
        'counter drop',
      ),
    ],
    [
      'source-ip',
      chain(
        'iifname . ether saddr . ip saddr @sources4 accept',
        'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
        'iifname vmap @wide',
        'counter drop',
      ),
    ],
    [
      'source-ip6',
      chain(
        `${IS_ICMPV6_FRAGMENT} icmpv6 type != 133-137 goto source-address6`,
        `${IS_ICMPV6_FRAGMENT} counter drop`,
        'icmpv6 type nd-neighbor-advert goto neighbour',
        'goto source-address6',
      ),
    ],
    [
      'neighbour',
      chain(
        'iifname . @th,64,128 @targets goto source-address6',
        'iifname vmap @wide_targets',
        'counter drop',
      ),
    ],
    [
      'source-address6',
      chain(
        'iifname . ether saddr . ip6 saddr @sources6 accept',
        'ip6 saddr :: ip6 daddr ff02::/16 icmpv6 type { 131, 133, 135, 143 } accept',
        'iifname vmap @wide',
        'counter drop',
      ),
    ],
    [
      'forward',
      base('forward -200 accept', [
        `${IS_NOT_OURS} meta mark set oifname map @links counter drop`,
        `${IS_NOT_OURS} return`,
        'meta mark set oifname map @links goto leaving',
        'counter drop',
      ]),
    ],
    ['leaving', chain(`meta mark ${hex(CLOSED)} counter drop`)],
    [
      'passed',
      base('forward 10 accept', [
        `ether type { arp, ${RARP} } return`,
        `meta mark & ${hex(PASSED)} != 0 return`,
        'iifname @filtered counter drop',
        'oifname @filtered counter drop',
      ]),
    ],
    // A bridge is a wire: the host itself is not reached by it.
    ['input', base('input 0 accept', [`${IS_OURS} counter drop`])],
    ['postrouting', base('postrouting 0 accept', [`${IS_OURS} meta mark set 0`])],
  ]);
}

export function inetFrame(isMixed: boolean): Map<string, Chain> {
  const untracking = `${INSIDE} meta mark & ${hex(UNTRACKED)} != 0 goto untracked`;
  return new Map([
    [
      'track',
      base('prerouting -450 accept', [
        ...(isMixed ? [untracking] : []),
        `${INSIDE} ct zone set iifname map @zones`,
      ]),
    ],
    ...(isMixed
      ? [['untracked', chain(`meta mark set meta mark & ${hex(~UNTRACKED >>> 0)}`, 'notrack')] as const]
      : []),
    ['prerouting', base('prerouting -150 accept', [`${INSIDE} meta mark vmap @egress`])],
    [
      'forward',
      base('forward 0 accept', [
        `${INSIDE} meta mark set meta mark | ${hex(PASSED)}`,
        `${INSIDE} meta mark vmap @ingress`,
      ]),
    ],
    [
      'egress-always',
      chain(
        'meta nfproto ipv4 udp sport 67 udp dport 68 counter drop',
        'meta nfproto ipv6 udp sport 547 udp dport 546 counter drop',
        'icmpv6 type { 134, 137 } counter drop',
        'meta nfproto ipv4 udp sport 68 udp dport 67 accept',
        'meta nfproto ipv6 udp sport 546 udp dport 547 accept',
        'icmpv6 type { 130, 131, 132, 133, 135, 136, 143 } accept',
      ),
    ],
    [
      'ingress-always',
      chain(
        'meta nfproto ipv4 udp sport 67 udp dport 68 accept',
        'meta nfproto ipv6 udp sport 547 udp dport 546 accept',
        'icmpv6 type { 130, 131, 132, 134, 135, 136 } accept',
      ),
    ],
  ]);
}
