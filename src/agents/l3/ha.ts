/** What keepalived is to know of an HA router on this host. Pure. */
import { BlockList, isIP } from 'node:net';
import type { Hop } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import type { ReplicaBody } from '../../resources/agent-view.ts';
import type { ReplicaOrder } from '../../resources/router.ts';
import type { DesiredLink, DesiredRoute } from './desired.ts';
import type { VirtualAddress, VirtualRoute } from './keepalived.ts';

export interface DesiredHa {
  readonly vrId: number;
  /** To the other replicas. */
  readonly link: DesiredLink;
  /** Its place among the replicas by rank, from 0. */
  readonly place: number;
  readonly addresses: readonly VirtualAddress[];
  readonly routes: readonly VirtualRoute[];
  readonly order: ReplicaOrder | null;
}

/** A router's links and routes as its one active replica has them. */
export interface ActiveForm {
  readonly links: readonly DesiredLink[];
  readonly routes: readonly DesiredRoute[];
}

/** null: this host has no way to the other replicas yet. */
export function haOf(
  vrId: number,
  { links, routes }: ActiveForm,
  at: { replicas: readonly ReplicaBody[]; host: string; shortfalls: Shortfall[] },
): DesiredHa | null {
  const { replicas, host, shortfalls } = at;
  const link = links.find(({ kind }) => kind === 'ha');
  const own = replicas.find((replica) => replica.host === host);
  if (link === undefined || own === undefined) {
    const reason = 'there is no port to the other replicas yet';
    shortfalls.push({ object: '', state: 'waiting', reason });
    return null;
  }
  const served = links.filter(({ kind }) => kind !== 'ha');
  return {
    vrId,
    link,
    place: replicas.filter(({ rank }) => rank < own.rank).length,
    addresses: served.flatMap(addressesOf),
    routes: routes.flatMap((route) => routeOf(route, served, shortfalls)),
    order: own.order,
  };
}

/** No link has an address of its own making: a stand-by would speak by it. So the link-local one is held like the others. */
function addressesOf({ name, mac, addresses }: DesiredLink): VirtualAddress[] {
  const all = [...addresses.keys()];
  const isSix = all.some((address) => address.includes(':'));
  return [...(isSix ? [`${linkLocalOf(mac)}/64`] : []), ...all].map((address) => ({ address, link: name }));
}

/** RFC 4291, appendix A: the same that a kernel gives itself. */
export function linkLocalOf(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  const words = [((a ^ 2) << 8) | b, (c << 8) | 0xff, 0xfe00 | d, (e << 8) | f];
  return `fe80::${words.map((word) => word.toString(16)).join(':')}`;
}

/** By which link is decided here: keepalived sets routes and addresses in an order of its own. */
function routeOf(
  { destination, nexthop, link, others = [] }: DesiredRoute,
  links: readonly DesiredLink[],
  shortfalls: Shortfall[],
): VirtualRoute[] {
  if (nexthop === null) return link === null ? [] : [{ destination, nexthop, link }];
  const hops = [{ nexthop, link }, ...others].flatMap((hop): Hop[] => {
    const isBy = ({ addresses, onLink }: DesiredLink) =>
      reaches([...addresses.keys(), ...onLink], hop.nexthop);
    const by = hop.link ?? links.find(isBy)?.name;
    if (by !== undefined) return [{ nexthop: hop.nexthop, link: by }];
    const reason = `no route to ${destination}: no subnet of the router has ${hop.nexthop}`;
    shortfalls.push({ object: '', state: 'waiting', reason });
    return [];
  });
  const [first, ...rest] = hops;
  return first ? [{ destination, ...first, ...(rest.length > 0 ? { others: rest } : {}) }] : [];
}

/** Whether an address is in the subnet of one of these, which have prefix lengths. */
export function reaches(addresses: readonly string[], nexthop: string): boolean {
  const family = isIP(nexthop) === 6 ? 'ipv6' : 'ipv4';
  const subnets = new BlockList();
  for (const address of addresses) {
    const [ip = '', prefix = ''] = address.split('/');
    if (isIP(ip) === isIP(nexthop)) subnets.addSubnet(ip, Number(prefix), family);
  }
  return subnets.check(nexthop, family);
}

/** Whether two networks, or addresses with their prefix lengths, are or are in the same. */
export function isSameNetwork(one: string, other: string): boolean {
  const [[address = '', prefix], [, length]] = [one.split('/'), other.split('/')];
  return prefix === length && reaches([other], address);
}
