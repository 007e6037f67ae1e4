/** What this host has of a router. */
import type { Host, Link, Route, TableState } from '../../host/host.ts';
import { type DesiredLink, namespaceOf } from './desired.ts';
import { TABLE } from './nftables.ts';

/** Files of a router, below the state directory. */
export function paths(routerId: string) {
  const directory = `l3/${routerId}`;
  return {
    directory,
    /** That it is there says that the namespace is ours. */
    mark: `${directory}/ours`,
    /** What conntrack has still to forget, a line each. */
    cuts: `${directory}/cuts`,
    ra: `${directory}/ra.conf`,
    raPid: `${directory}/ra.pid`,
    keepalived: `${directory}/keepalived.conf`,
    /** What of it keepalived was told. */
    keepalivedTold: `${directory}/keepalived.told`,
    keepalivedPid: `${directory}/keepalived.pid`,
    vrrpPid: `${directory}/vrrp.pid`,
    conntrackd: `${directory}/conntrackd.conf`,
    conntrackdLock: `${directory}/conntrackd.lock`,
    conntrackdControl: `${directory}/conntrackd.ctl`,
    /** What the replica takes off its priority. */
    tracked: `${directory}/health`,
    /** Not 0: it takes no part. */
    lease: `${directory}/lease`,
    /** The role, and since when. */
    role: `${directory}/role`,
    /** The order that is in force. */
    order: `${directory}/order`,
  };
}

export interface ObservedWiring {
  /** In the namespace; null: there is none. */
  readonly links: readonly Link[] | null;
  /** Ends on the host, by name. */
  readonly taps: ReadonlyMap<string, Link>;
  readonly routes: readonly Route[];
}

export async function observeWiring(
  host: Host,
  routerId: string,
  links: readonly DesiredLink[],
): Promise<ObservedWiring> {
  const namespace = namespaceOf(routerId);
  const [inner, routes, taps] = await Promise.all([
    host.linksIn([namespace]),
    host.routes([namespace]),
    host.links(links.map((link) => link.tap)),
  ]);
  return {
    links: inner.get(namespace) ?? null,
    taps: new Map(taps.map((link) => [link.name, link])),
    routes: routes.get(namespace) ?? [],
  };
}

/** undefined: there is no such table. */
export async function observeTable(host: Host, routerId: string): Promise<TableState | undefined> {
  const namespace = namespaceOf(routerId);
  return (await host.tables([namespace], TABLE)).get(namespace);
}

export interface ObservedAll {
  readonly wiring: ReadonlyMap<string, ObservedWiring>;
  readonly tables: ReadonlyMap<string, TableState>;
}

/** The same for many routers, by id, in a handful of programs. */
export async function observeMany(host: Host, routerIds: readonly string[]): Promise<ObservedAll> {
  const names = routerIds.map(namespaceOf);
  const [inner, routes, tables, own] = await Promise.all([
    host.linksIn(names),
    host.routes(names),
    host.tables(names, TABLE),
    host.links(),
  ]);
  const taps = new Map(own.map((link) => [link.name, link]));
  const wiring = new Map(
    routerIds.map((id) => {
      const namespace = namespaceOf(id);
      const links = inner.get(namespace) ?? null;
      return [id, { links, taps, routes: routes.get(namespace) ?? [] }];
    }),
  );
  const byId = routerIds.flatMap((id) => {
    const table = tables.get(namespaceOf(id));
    return table === undefined ? [] : [[id, table] as const];
  });
  return { wiring, tables: new Map(byId) };
}
