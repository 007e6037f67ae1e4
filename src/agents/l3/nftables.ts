/**
 * The one table of a router's namespace. Its form is the same for every router: what differs are elements of its maps, so
 * that one floating IP more costs the same beside ten as beside a thousand.
 */
import { createHash } from 'node:crypto';

export const TABLE = 'inet deuteron_l3';

/**
 * floating: floating IP to fixed address. fixed: the other way. forwarding: address, protocol and port outside to address
 * and port inside. gateway: gateway link to the address that others leave under.
 */
export const MAPS = ['floating', 'fixed', 'forwarding', 'gateway'] as const;
export type MapName = (typeof MAPS)[number];
/** By map, key to value, as nft prints them. */
export type Elements = Readonly<Record<MapName, ReadonlyMap<string, string>>>;

/** Who sent adverts lately. */
export const HEARD = 'heard';

/** Elements in one statement: a line for nft's parser. */
const AT_ONCE = 500;

/*
 * The HA network carries VRRP (RFC 5798: protocol 112, TTL 255), what conntrackd says and nothing else, and nobody gets there
 * through a router: not to the replicas' addresses there, nor to the one that only the active has.
 * A connection that is not known here is not answered with a reset: it may be in a moment.
 * All replicas of a router have the same MAC addresses. One that holds no address must not be heard, or switches send it the
 * others' traffic: not even what a kernel says unasked (MLD, router solicitations, duplicate address detection).
 * What comes from outside for an address that floats no more must not be sent out again under the gateway's.
 * A machine that reaches another by its floating IP through the same router must get the answers from the router too: it
 * is seen by its own floating IP, or else by the router's address there.
 */
const BODY = `
  map floating { type ipv4_addr : ipv4_addr; }
  map fixed { type ipv4_addr : ipv4_addr; }
  map forwarding { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map gateway { type ifname : ipv4_addr; }
  set ${HEARD} { type ipv4_addr; size 64; flags dynamic,timeout; timeout 350ms; }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    dnat ip to ip daddr map @floating
    dnat ip to ip daddr . meta l4proto . th dport map @forwarding
  }
  chain output {
    type nat hook output priority -100; policy accept;
    dnat ip to ip daddr map @floating
    dnat ip to ip daddr . meta l4proto . th dport map @forwarding
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    iifname "qr-*" oifname "qr-*" ct status dnat snat ip to ip saddr map @fixed
    iifname "qr-*" oifname "qr-*" ct status dnat meta nfproto ipv4 masquerade
    oifname "qg-*" snat ip to ip saddr map @fixed
    oifname "qg-*" snat ip to oifname map @gateway
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "ha-*" ip protocol 112 ip ttl 255 update @${HEARD} { ip saddr } accept
    iifname "ha-*" ip saddr 169.254.192.0/18 ip daddr 225.0.1.0/24 udp dport 3781-4035 accept
    iifname "ha-*" counter drop
    iifname != "lo" tcp flags & (syn | rst) == 0 ct state invalid,new counter drop
    iifname != "lo" ip daddr { 169.254.0.0/24, 169.254.192.0/18 } counter drop
    iifname != "lo" ip saddr { 169.254.0.0/24, 169.254.192.0/18 } counter drop
  }
  chain mute {
    type filter hook output priority 0; policy accept;
    oifname "qr-*" fib saddr type != local counter drop
    oifname "qg-*" fib saddr type != local counter drop
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "ha-*" counter drop
    oifname "ha-*" counter drop
    iifname "qg-*" oifname "qg-*" ct status dnat accept
    iifname "qg-*" oifname "qg-*" counter drop
  }
`;

/** The table's comment: says which form it has. */
export const MARK = `deuteron:${createHash('sha256').update(BODY).digest('hex').slice(0, 16)}`;

/** Replaces the table, with these elements, in one transaction: no packet sees it without them. */
export function renderTable(elements: Elements): string {
  const form = `table ${TABLE}\ndelete table ${TABLE}\ntable ${TABLE} {\n  comment "${MARK}"${BODY}}\n`;
  return form + MAPS.flatMap((map) => statements('add', map, pairsOf(elements[map]))).join('');
}

/** What turns the one into the other, in one transaction; '' if nothing differs. */
export function renderChanges(from: ReadonlyMap<string, ReadonlyMap<string, string>>, to: Elements): string {
  const lines: string[] = [];
  for (const map of MAPS) {
    const old = from.get(map) ?? new Map<string, string>();
    const gone = [...old].filter(([key, value]) => to[map].get(key) !== value).map(([key]) => key);
    lines.push(...statements('delete', map, gone));
    const come = [...to[map]].filter(([key, value]) => old.get(key) !== value);
    lines.push(...statements('add', map, pairsOf(come)));
  }
  return lines.join('');
}

const pairsOf = (elements: Iterable<readonly [string, string]>) =>
  [...elements].map(([key, value]) => `${key} : ${value}`);

function statements(verb: 'add' | 'delete', map: MapName, all: readonly string[]): string[] {
  const lines: string[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE)
    lines.push(`${verb} element ${TABLE} ${map} { ${all.slice(at, at + AT_ONCE).join(', ')} }\n`);
  return lines;
}
