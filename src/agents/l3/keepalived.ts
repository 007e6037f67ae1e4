/**
 * keepalived's configuration for one replica of an HA router (keepalived.conf(5)), what it reads while it runs, and what it
 * says of itself. Pure.
 *
 * Who is primary is decided by priorities that follow the replicas' health: every replica begins with the same base, and
 * takes off what stands in its tracked file. Stand-bys stand 20 below the primary and apart by their rank, so that never two rise at once (with equal
 * priorities two did in half of all hard failures); who is primary takes off nothing for its rank, so that a healed
 * replica moves nothing.
 */
import { isIP } from 'node:net';
import { type Hop, ROUTE_PROTOCOL } from '../../host/host.ts';
import { assert } from '../../lib/assert.ts';

export interface VirtualAddress {
  /** With prefix length. */
  readonly address: string;
  readonly link: string;
}

export interface VirtualRoute {
  readonly destination: string;
  /** null: what it leads to is on the link itself. */
  readonly nexthop: string | null;
  /** null: whichever reaches the next hop. */
  readonly link: string | null;
  /** Further next hops, among which packets are spread. */
  readonly others?: readonly Hop[];
}

export interface KeepalivedInput {
  /** Seen in logs. */
  readonly name: string;
  /** 1 to 255, of no other router on the HA network. */
  readonly vrId: number;
  /** The link on the HA network, which is there and up. */
  readonly link: string;
  readonly advertMs: number;
  readonly addresses: readonly VirtualAddress[];
  readonly routes: readonly VirtualRoute[];
  /** Absolute: what it takes off its priority. */
  readonly tracked: string;
  /** Absolute: while this file says other than 0, it takes no part. */
  readonly lease: string;
}

export const BASE_PRIORITY = 250;
/** All that can ail a replica; what a wired one takes off, its rank included, is never more. */
export const MOST_OFF = 200;
const RANK_STEP = 20;
/** Also replicas that ail as much as can be stand apart: four stand-bys. */
const MOST_FOR_RANK = 80;
/**
 * What one takes off that is not wired: more than any that is. Stand-bys stand apart above it, up to 245: with more than 249 off
 * nothing is left of the base, and with more than 253 keepalived has failed (keepalived.conf(5), track_file).
 */
const UNWIRED_OFF = 205;
const UNWIRED_STEP = 10;
/** Above the one that is primary, and within what VRRP allows. */
const PREFERRED = -3;
/** Neutron's range for the address that VRRP itself speaks of. */
const OWN_RANGE = '169.254.0';

/** Grows when what an older agent has started must be started anew to mean the same. */
export const SCHEMA = 1;

/** The address that VRRP itself speaks of: who holds it is primary. */
export const ownAddress = (vrId: number): string => `${OWN_RANGE}.${vrId}/24`;

const isLink = (name: string) => /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name);
const isPath = (path: string) => /^\/[A-Za-z0-9_./-]*$/.test(path);

function isAddress(text: string): boolean {
  const [address = '', prefix = '', more] = text.split('/');
  return isIP(address) !== 0 && !address.includes('%') && /^\d{1,3}$/.test(prefix) && more === undefined;
}

const linksOf = ({ link, others = [] }: VirtualRoute): string[] =>
  [link, ...others.map((hop) => hop.link)].flatMap((name) => name ?? []);

/** Throws where a word does not pass the grammar: whatever comes from outside was validated where it entered. */
function check(input: KeepalivedInput): void {
  const { name, vrId, link, advertMs, tracked, lease, addresses, routes } = input;
  assert(/^[A-Za-z0-9_.-]{1,64}$/.test(name), 'a name of one word');
  assert(Number.isInteger(vrId) && vrId >= 1 && vrId <= 255, 'a VRRP id (RFC 5798, 5.2.3)');
  assert(advertMs >= 10 && advertMs <= 40_950 && advertMs % 10 === 0, 'centiseconds (RFC 5798, 5.2.7)');
  assert([tracked, lease].every(isPath), 'absolute paths of plain characters');
  const links = [link, ...addresses.map((one) => one.link), ...routes.flatMap(linksOf)];
  assert(links.every(isLink), 'names of links');
  assert(
    addresses.every(({ address }) => isAddress(address)),
    'addresses with prefix',
  );
  for (const { destination, nexthop, link: by, others = [] } of routes) {
    const hops = [...(nexthop === null ? [] : [nexthop]), ...others.map((hop) => hop.nexthop)];
    const isWhole = hops.length > others.length || (by !== null && others.length === 0);
    assert(isAddress(destination) && isWhole && hops.every((hop) => isAddress(`${hop}/0`)), 'routes');
  }
}

const hopWords = ({ nexthop, link }: Hop): string =>
  `via ${nexthop}${link === null ? '' : ` dev ${link} onlink`}`;

/** Several next hops come last: what follows one of them is said of it. */
function routeLine({ destination, nexthop, link, others = [] }: VirtualRoute): string {
  const end = `protocol ${ROUTE_PROTOCOL} no_track`;
  if (nexthop === null)
    return `${destination} dev ${link}${destination.includes(':') ? '' : ' scope link'} ${end}`;
  const hop = { nexthop, link };
  if (others.length === 0) return `${destination} ${hopWords(hop)} ${end}`;
  return `${destination} ${end} ${[hop, ...others].map((one) => `nexthop ${hopWords(one)}`).join(' ')}`;
}

/**
 * `no_track`: a link of a tenant that is down must not make the replica fail, for it is down on all of them. keepalived takes
 * up links that are made anew (`dynamic_interfaces`).
 */
export function renderKeepalived(input: KeepalivedInput): string {
  check(input);
  const { name, vrId, link, advertMs, addresses, routes, tracked, lease } = input;
  const addressLine = (one: VirtualAddress) => `${one.address} dev ${one.link} no_track`;
  const block = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? '' : `  ${title} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
  return `global_defs {
  router_id ${name}
  script_user nobody
  enable_script_security
  dynamic_interfaces
  vrrp_garp_master_repeat 5
  vrrp_garp_master_refresh 10
}
track_file health {
  file "${tracked}"
}
track_file lease {
  file "${lease}"
}
vrrp_instance VR_${vrId} {
  state BACKUP
  interface ${link}
  version 3
  virtual_router_id ${vrId}
  priority ${BASE_PRIORITY}
  advert_int ${advertMs / 1000}
  garp_master_delay 1
${block('track_file', ['health weight -1', 'lease weight 0'])}${block('virtual_ipaddress', [`${ownAddress(vrId)} dev ${link}`])}${block(
  'virtual_ipaddress_excluded',
  addresses.map(addressLine),
)}${block('virtual_routes', routes.map(routeLine))}}
`;
}

export interface Standing {
  /** Its place among the replicas, from 0. */
  readonly rank: number;
  readonly isPrimary: boolean;
  /** For what ails it; 0 for nothing. */
  readonly penalty: number;
  /** Its links lead nowhere: whatever ails the others, they serve better. */
  readonly isUnwired?: boolean;
  /** It is to become primary, where nothing ails it more than the one that is. */
  readonly isPreferred?: boolean;
}

/** What the tracked file says: how much this replica takes off. */
export function renderTracked(standing: Standing): string {
  const { rank, isPrimary, penalty, isPreferred = false, isUnwired = false } = standing;
  const forRank = isPrimary ? 0 : Math.min(MOST_FOR_RANK, RANK_STEP * (rank + 1));
  if (isUnwired) return `${UNWIRED_OFF + (forRank / RANK_STEP) * UNWIRED_STEP}\n`;
  const forHealth = Math.max(0, Math.min(MOST_OFF - MOST_FOR_RANK, Math.round(penalty)));
  return `${(isPreferred ? PREFERRED : forRank) + forHealth}\n`;
}

/** Whether a tracked file says that the replica is not wired. */
export const isUnwired = (tracked: string): boolean => Number(tracked) >= UNWIRED_OFF;
