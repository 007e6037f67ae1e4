/** The difference between what a router should have on this host and what it has, as ordered steps. Pure. */
import type { Link, LinkStep, Route, RouteStep, TableState } from '../../host/host.ts';
import { type DesiredLink, type DesiredRoute, type DesiredRouter, isOurLink } from './desired.ts';
import { cutsOf } from './nat.ts';
import { isSameNetwork } from './ha.ts';
import { MARK, renderChanges, renderTable } from './nftables.ts';
import type { ObservedWiring } from './observe.ts';

/** A step, and the object (`port/<id>`, or '' for the router) that falls short if it fails. */
export interface Planned<Step> {
  readonly step: Step;
  readonly object: string;
}

/** Neighbours that must learn where an address is now. */
export interface News {
  readonly link: string;
  /** null: all of the link's, which is new. */
  readonly addresses: readonly string[] | null;
}

export interface Plan {
  readonly makeNamespace: boolean;
  /** The table is to be made, and with it everything that a fresh namespace needs. */
  readonly prepare: boolean;
  /** nftables text; '' for none. */
  readonly ruleset: string;
  readonly cuts: readonly string[];
  /** Gone before anything is made. */
  readonly leavings: readonly Planned<LinkStep>[];
  /** On the host. */
  readonly outer: readonly Planned<LinkStep>[];
  /** In the namespace. */
  readonly inner: readonly Planned<LinkStep>[];
  readonly routes: readonly Planned<RouteStep>[];
  readonly news: readonly News[];
}

export function planRouter(
  desired: DesiredRouter,
  wiring: ObservedWiring,
  table: TableState | undefined,
): Plan {
  const leavings: Planned<LinkStep>[] = [];
  const outer: Planned<LinkStep>[] = [];
  const inner: Planned<LinkStep>[] = [];
  const news: News[] = [];
  const names = new Set(desired.links.map((link) => link.name));
  for (const { name } of wiring.links ?? [])
    if (isOurLink(name) && !names.has(name)) leavings.push({ object: '', step: { op: 'delete-link', name } });
  if (wiring.links !== null && !wiring.links.some((link) => link.name === 'lo' && link.up))
    inner.push({ object: '', step: { op: 'set-link', name: 'lo', up: true } });
  for (const link of desired.links) {
    const found = wiring.links?.find(({ name }) => name === link.name);
    const tap = wiring.taps.get(link.tap);
    const isWhole = found !== undefined && tap !== undefined;
    // The two ends of a pair go together: what is left of it, wherever the other is, goes before it is made anew.
    if (found !== undefined && tap === undefined)
      leavings.push({ object: link.object, step: { op: 'delete-link', name: link.name } });
    if (!isWhole) outer.push(...makeLink(desired, link, tap));
    inner.push(...insideSteps(link, isWhole ? found : null, desired.settled));
    const have = new Set(found?.addresses);
    const come = [...link.addresses.keys()].filter((address) => !have.has(address));
    if (!isWhole || (!found.up && link.up)) news.push({ link: link.name, addresses: null });
    else if (come.length > 0 && desired.settled) news.push({ link: link.name, addresses: come });
  }
  const prepare = wiring.links === null || table?.mark !== MARK;
  const maps = table?.maps ?? new Map<string, ReadonlyMap<string, string>>();
  return {
    makeNamespace: wiring.links === null,
    prepare,
    ruleset: prepare ? renderTable(desired.elements) : renderChanges(maps, desired.elements),
    cuts: cutsOf(maps, desired.elements),
    leavings,
    outer,
    inner,
    routes: desired.settled ? [...routeSteps(desired, wiring.routes), ...connectSteps(desired, wiring)] : [],
    news,
  };
}

function makeLink(
  { namespace }: DesiredRouter,
  link: DesiredLink,
  tap: Link | undefined,
): Planned<LinkStep>[] {
  const { object, name, mac, mtu } = link;
  const steps: LinkStep[] = tap === undefined ? [] : [{ op: 'delete-link', name: link.tap }];
  steps.push({ op: 'add-veth', name: link.tap, mtu, peer: { name, namespace, mac } });
  steps.push({ op: 'set-link', name: link.tap, up: true });
  return steps.map((step) => ({ object, step }));
}

/** `found` null: the link is made by the steps before. Addresses come before it is up: the kernel announces them then. */
function insideSteps(link: DesiredLink, found: Link | null, settled: boolean): Planned<LinkStep>[] {
  const { name, mac, mtu, up, addresses, object } = link;
  const steps: Planned<LinkStep>[] = [];
  const have = new Set(found?.addresses);
  if (found && found.mac !== mac) steps.push({ object, step: { op: 'set-link', name, mac } });
  if (found && found.mtu !== mtu) steps.push({ object, step: { op: 'set-link', name, mtu } });
  for (const [address, wants] of settled ? addresses : [])
    if (!have.has(address)) steps.push({ object: wants, step: { op: 'add-address', link: name, address } });
  for (const address of settled ? have : [])
    if (!addresses.has(address)) steps.push({ object, step: { op: 'delete-address', link: name, address } });
  if ((found?.up ?? false) !== up) steps.push({ object, step: { op: 'set-link', name, up } });
  return steps;
}

function routeSteps({ routes }: DesiredRouter, all: readonly Route[]): Planned<RouteStep>[] {
  const have = all.filter((route) => !route.isConnected);
  const steps: RouteStep[] = [];
  for (const route of have)
    if (!routes.some(({ destination }) => destination === route.destination))
      steps.push({ op: 'delete', ...route });
  for (const route of routes) {
    const there = have.find(({ destination }) => destination === route.destination);
    if (!there || !areSame(there, route)) steps.push({ op: 'set', ...route });
  }
  return steps.map((step) => ({ object: '', step }));
}

/**
 * The kernel makes its own routes with addresses, and never again: those that another hand took away, or put another in the
 * place of.
 */
function connectSteps({ links }: DesiredRouter, wiring: ObservedWiring): Planned<RouteStep>[] {
  const connected = wiring.routes.filter((route) => route.isConnected).map(({ destination }) => destination);
  return links.flatMap((link) => {
    const found = wiring.links?.find(({ name }) => name === link.name);
    if (!found?.up || !link.up || !wiring.taps.has(link.tap)) return [];
    return [...link.addresses].flatMap(([address, object]): Planned<RouteStep>[] => {
      const isAlone = /:.*\/128$|\..*\/32$/.test(address);
      // By whichever link: where two have addresses of one network, each would take the other's place.
      const isThere = connected.some((network) => isSameNetwork(network, address));
      if (isAlone || isThere || !found.addresses.includes(address)) return [];
      connected.push(address);
      return [{ object, step: { op: 'connect', link: link.name, address } }];
    });
  });
}

function areSame(have: Route, wanted: DesiredRoute): boolean {
  const [has, wants] = [hopsOf(have), hopsOf(wanted)];
  return (
    has.length === wants.length &&
    wants.every(
      ({ nexthop, link }, at) => nexthop === has[at]?.nexthop && (link === null || link === has[at].link),
    )
  );
}

const hopsOf = ({ nexthop, link, others = [] }: Route) => [{ nexthop, link }, ...others];
