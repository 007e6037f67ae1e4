/** From the mirror to what this host should have of one router. Pure. */
import { isIP } from 'node:net';
import { compareHops, type Hop, type Link } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import {
  type Body,
  type FloatingIpBody,
  type ForwardingBody,
  type InterfaceBody,
  type InterfaceSubnet,
  type ReplicaBody,
  type RouterBody,
  routerGroup,
  splitKey,
  tapName,
} from '../../resources/agent-view.ts';
import type { World } from '../role.ts';
import { type DesiredHa, haOf, isSameNetwork, reaches } from './ha.ts';
import { ownAddress } from './keepalived.ts';
import { natOf } from './nat.ts';
import type { Elements } from './nftables.ts';
import { renderRa } from './ra.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

export interface DesiredLink {
  /** `port/<id>` */
  readonly object: string;
  readonly kind: 'internal' | 'gateway' | 'ha';
  readonly name: string;
  readonly tap: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  /** With prefix length, to the object that wants it there. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Where router advertisements may be asked for. */
  readonly subnets: readonly InterfaceSubnet[];
  /** CIDRs of neighbours, of whose subnets it has no address. */
  readonly onLink: readonly string[];
}

export interface DesiredRoute {
  readonly destination: string;
  readonly nexthop: string | null;
  /** null: whichever reaches the next hop. */
  readonly link: string | null;
  /** As of the host's routes. */
  readonly others?: readonly Hop[];
}

export interface DesiredRouter {
  readonly id: string;
  readonly namespace: string;
  readonly links: readonly DesiredLink[];
  readonly routes: readonly DesiredRoute[];
  readonly elements: Elements;
  /** radvd's configuration; '' for none. */
  readonly ra: string;
  /** What keepalived decides over; null: not a replica of several, or not wired to the others. */
  readonly ha: DesiredHa | null;
  /** false: keepalived is moving addresses and routes. They are left alone, and `ra` with them. */
  readonly settled: boolean;
  /** What no step here can mend. */
  readonly shortfalls: readonly Shortfall[];
}

const PREFIX = 'qrouter-';
export const namespaceOf = (routerId: string): string => PREFIX + routerId;
/** null: not a router's. */
export function routerOf(namespace: string): string | null {
  const id = namespace.startsWith(PREFIX) ? namespace.slice(PREFIX.length) : '';
  return UUID.test(id) ? id : null;
}
export const isRouterId = (text: string): boolean => UUID.test(text);
/** Links that this role makes in its namespaces; others there are not its own. */
export const isOurLink = (name: string): boolean => /^(qr|qg|ha)-[0-9a-f]{8}-[0-9a-f]{2}$/.test(name);

const OWNERS: Readonly<Record<string, DesiredLink['kind']>> = {
  'network:router_interface': 'internal',
  'network:ha_router_replicated_interface': 'internal',
  'network:router_gateway': 'gateway',
  'network:router_ha_interface': 'ha',
};
const LINK_PREFIXES: Readonly<Record<DesiredLink['kind'], string>> = {
  internal: 'qr',
  gateway: 'qg',
  ha: 'ha',
};

interface Parts {
  readonly router: RouterBody;
  readonly interfaces: readonly InterfaceBody[];
  readonly floatingIps: readonly FloatingIpBody[];
  readonly forwardings: readonly ForwardingBody[];
  readonly replicas: readonly ReplicaBody[];
}

function partsOf(group: ReadonlyMap<string, Body>, routerId: string): Parts | null {
  const router = group.get(`router/${routerId}`) as RouterBody | undefined;
  if (router === undefined) return null;
  const ofKind = (kind: string) =>
    [...group].filter(([key]) => splitKey(key).kind === kind).sort(([a], [b]) => (a < b ? -1 : 1));
  const bodies = <T extends Body>(kind: string) => ofKind(kind).map(([, body]) => body as T);
  return {
    router,
    interfaces: bodies<InterfaceBody>('interface'),
    floatingIps: bodies<FloatingIpBody>('floating-ip'),
    forwardings: bodies<ForwardingBody>('forwarding'),
    replicas: bodies<ReplicaBody>('replica'),
  };
}

/**
 * null: this host should have nothing of it: not in scope, or administratively down (as Neutron's agent does it). `holds`:
 * whether this replica of an HA router has the addresses, by what keepalived decided; null: it is deciding.
 */
export function desiredRouter(
  world: World,
  routerId: string,
  holds: boolean | null = false,
): DesiredRouter | null {
  const group = world.group(routerGroup(routerId));
  const parts = group === undefined || !UUID.test(routerId) ? null : partsOf(group, routerId);
  if (parts === null || !parts.router.admin_state_up) return null;
  const { router, floatingIps, forwardings } = parts;
  const shortfalls: Shortfall[] = [];
  const links = linksOf(parts, world.host, shortfalls);
  const gateway = links.find((link) => link.kind === 'gateway');
  const address = [...(gateway?.addresses.keys() ?? [])].map(withoutPrefix).find((ip) => isIP(ip) === 4);
  const nat = natOf({
    gateway: gateway !== undefined && address !== undefined ? { link: gateway.name, address } : null,
    enableSnat: router.enable_snat,
    floatingIps,
    forwardings,
  });
  const extra = [...nat.addresses].map(([ip, object]) => [`${ip}/32`, object] as const);
  const whole = links.map((link) =>
    link === gateway ? { ...link, addresses: new Map([...extra, ...link.addresses]) } : link,
  );
  const vrId = vrIdOf(router);
  const isServed = vrId !== null || isFirst(parts, world.host);
  const routes = isServed ? routesOf(router, { links, vrId }, shortfalls) : [];
  const at = { replicas: parts.replicas, host: world.host, shortfalls };
  const ha = vrId === null ? null : haOf(vrId, { links: whole, routes }, at);
  const own = vrId === null ? isFirst(parts, world.host) : ha !== null && holds === true;
  return {
    id: routerId,
    namespace: namespaceOf(routerId),
    links: whole.map((link) => standing(link, { own, vrId })),
    routes: own ? (ha?.routes ?? routes) : [],
    elements: nat.elements,
    ra: own ? renderRa(links) : '',
    ha,
    settled: vrId === null || holds !== null,
    shortfalls: [...shortfalls, ...nat.shortfalls],
  };
}

/** The same while another host may still serve it, and why: as a stand-by of a router that is not HA, rules and links that are down. */
export function standBack(router: DesiredRouter, reason: string): DesiredRouter {
  const links = router.links.map((link) => ({ ...link, up: false, addresses: new Map<string, string>() }));
  const shortfalls: Shortfall[] = [...router.shortfalls, { object: '', state: 'waiting', reason }];
  return { ...router, links, routes: [], ra: '', shortfalls };
}

/** Whether this host is to have any of the addresses. */
export const isToServe = ({ links }: DesiredRouter): boolean =>
  links.some(({ addresses }) => addresses.size > 0);

/** Whether it has any of them, by a look at its links. */
export const holdsAny = (desired: DesiredRouter, links: readonly Link[]): boolean =>
  links.some(({ name, up, addresses }) => {
    const wanted = desired.links.find((link) => link.name === name)?.addresses;
    return up && addresses.some((address) => wanted?.has(address));
  });

/** null: keepalived has nothing to decide. */
const vrIdOf = ({ ha, ha_vr_id }: RouterBody): number | null => (ha ? ha_vr_id : null);

/** Whether this host has, or is to have, a replica of which keepalived decides. */
export function isHaHere(world: World, routerId: string): boolean {
  const router = world.group(routerGroup(routerId))?.get(`router/${routerId}`) as RouterBody | undefined;
  return router?.admin_state_up === true && vrIdOf(router) !== null;
}

/**
 * All replicas have the same MAC addresses: one frame of a stand-by, and switches send it the others' traffic. Where keepalived
 * decides, links are up on all, so that an address is all that has to move; the table lets nothing out without one.
 */
function standing(link: DesiredLink, { own, vrId }: { own: boolean; vrId: number | null }): DesiredLink {
  const none = new Map<string, string>();
  if (vrId === null)
    return link.kind === 'ha'
      ? link
      : { ...link, up: link.up && own, addresses: own ? link.addresses : none };
  if (link.kind !== 'ha') return { ...link, addresses: own ? link.addresses : none };
  const addresses = own ? [...link.addresses, [ownAddress(vrId), link.object] as const] : link.addresses;
  return { ...link, addresses: new Map(addresses) };
}

/** Without keepalived the replica of the lowest rank has the addresses; the others stand by with links that are down, and rules. */
function isFirst({ replicas }: Parts, host: string): boolean {
  const own = replicas.find((replica) => replica.host === host);
  return own === undefined || replicas.every((replica) => own.rank <= replica.rank);
}

function linksOf({ interfaces }: Parts, host: string, shortfalls: Shortfall[]): DesiredLink[] {
  return interfaces.flatMap((body): DesiredLink[] => {
    const object = `port/${body.port_id}`;
    const kind = OWNERS[body.owner];
    if (kind === undefined || (body.host !== '' && body.host !== host)) return [];
    if (!UUID.test(body.port_id) || !MAC.test(body.mac_address)) {
      shortfalls.push({ object, state: 'waiting', reason: 'its id or MAC address is none' });
      return [];
    }
    const addresses = new Map<string, string>();
    for (const { ip_address: ip, prefix } of body.fixed_ips) {
      const longest = isIP(ip) === 4 ? 32 : 128;
      if (isIP(ip) !== 0 && Number.isInteger(prefix) && prefix > 0 && prefix <= longest)
        addresses.set(`${ip}/${prefix}`, object);
      else shortfalls.push({ object, state: 'waiting', reason: `"${ip}/${prefix}" is no address` });
    }
    return [
      {
        object,
        kind,
        name: `${LINK_PREFIXES[kind]}-${body.port_id.slice(0, 11)}`,
        tap: tapName(body.port_id),
        mac: body.mac_address.toLowerCase(),
        mtu: Math.min(Math.max(Math.trunc(body.mtu) || 1500, 68), 65535),
        up: body.admin_state_up,
        addresses,
        subnets: body.subnets,
        onLink: (body.on_link ?? []).filter(isCidr),
      },
    ];
  });
}

const withoutPrefix = (address: string): string => address.split('/')[0] ?? '';

function isCidr(text: string): boolean {
  const [network = '', prefix = ''] = text.split('/');
  return (
    isIP(network) !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIP(network) === 4 ? 32 : 128)
  );
}

function routesOf(
  router: RouterBody,
  { links, vrId }: { links: readonly DesiredLink[]; vrId: number | null },
  shortfalls: Shortfall[],
): DesiredRoute[] {
  const gateway = links.find((link) => link.kind === 'gateway');
  const routes = new Map<string, DesiredRoute>();
  for (const { gateway_ip: nexthop, ip_version } of gateway?.subnets ?? []) {
    if (gateway === undefined || nexthop === null || isIP(nexthop) !== ip_version || !gateway.up) continue;
    const destination = ip_version === 4 ? '0.0.0.0/0' : '::/0';
    // The first of each version, as Neutron's agent has it.
    if (!routes.has(destination)) routes.set(destination, { destination, nexthop, link: gateway.name });
  }
  for (const destination of gateway?.up ? gateway.onLink : []) {
    // A network of the router's own goes before what it only looks out to.
    const isOwn = links.some(({ addresses }) =>
      [...addresses.keys()].some((own) => overlap(own, destination)),
    );
    if (!isOwn) routes.set(destination, { destination, nexthop: null, link: gateway?.name ?? null });
  }
  const extra = new Map<string, Map<string, Hop>>();
  const refuse = (reason: string) => shortfalls.push({ object: '', state: 'waiting', reason });
  for (const { destination, nexthop } of router.routes) {
    const isSound = isCidr(destination) && isIP(nexthop) === isIP(withoutPrefix(destination));
    if (!isSound) {
      refuse(`no route: ${destination} by ${nexthop}`);
      continue;
    }
    // Set, it would take the place of the kernel's own route, which nothing brings back.
    if (isConnected(destination, links, vrId)) {
      refuse(`no route to ${destination} by ${nexthop}: it is a network that the router has a link to`);
      continue;
    }
    // Equal destinations are spread over their next hops, and one to everywhere goes before the gateway's.
    extra.set(destination, (extra.get(destination) ?? new Map()).set(nexthop, { nexthop, link: null }));
  }
  for (const [destination, hops] of extra) {
    const [first, ...others] = [...hops.values()].sort(compareHops);
    if (first) routes.set(destination, { destination, ...first, ...(others.length > 0 ? { others } : {}) });
  }
  return [...routes.values()];
}

/** Whether it is the network of one of the router's addresses, or, of the one between the replicas, a part of it. */
function isConnected(destination: string, links: readonly DesiredLink[], vrId: number | null): boolean {
  const prefixOf = (address: string) => Number(address.split('/')[1]);
  const isPartOf = (address: string) =>
    prefixOf(destination) >= prefixOf(address) && reaches([address], withoutPrefix(destination));
  if (vrId !== null && isPartOf(ownAddress(vrId))) return true;
  return links.some(({ kind, addresses }) =>
    [...addresses.keys()].some((own) => (kind === 'ha' ? isPartOf(own) : isSameNetwork(destination, own))),
  );
}

/** Whether a network, or an address with its prefix, overlaps with another. */
function overlap(one: string, other: string): boolean {
  return reaches([one], withoutPrefix(other)) || reaches([other], withoutPrefix(one));
}
