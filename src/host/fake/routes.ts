/** Routes of namespaces, as far as agents can tell them from the kernel's. */
import { addressWithPrefix, ipAddress } from '../grammar.ts';
import { isIn, networkOf } from '../networks.ts';
import type { Hop, Link, Route, RouteStep, StepResult } from '../host.ts';

export class FakeRoutes {
  readonly #spaces = new Map<string, Map<string, Route>>();

  /** The kernel's own that went while their addresses are there: namespace, link and destination. */
  readonly #lost = new Set<string>();

  /** `links`: those of the namespace. */
  list(namespace: string, links: readonly Link[]): Route[] {
    const own = connectedOf(links).filter((route) => !this.#lost.has(keyOf(namespace, route)));
    return [...own, ...(this.#spaces.get(namespace)?.values() ?? [])];
  }

  /** `links`: those of the namespace. */
  change(namespace: string, step: RouteStep, links: readonly Link[]): StepResult {
    if (step.op === 'connect') return this.#connect(namespace, step, links);
    const { op, nexthop } = step;
    const destination = addressWithPrefix(step.destination);
    const routes = this.#spaces.get(namespace) ?? new Map<string, Route>();
    this.#spaces.set(namespace, routes);
    if (op === 'delete') {
      // Without a next hop it is whichever is there.
      if (!routes.delete(destination) && nexthop === null) this.#loseConnected(namespace, destination, links);
      return null;
    }
    const up = links.filter((link) => link.up);
    const hops: Omit<Route, 'destination'>[] = [];
    for (const hop of [{ nexthop, link: step.link }, ...(step.others ?? [])]) {
      const by = hop.link ?? up.find((link) => isNear(link, ipAddress(hop.nexthop ?? '')))?.name;
      if (by === undefined) return 'Nexthop has invalid gateway.';
      if (!up.some((link) => link.name === by)) return `no link ${by} that is up`;
      hops.push({ nexthop: hop.nexthop, link: by });
    }
    // An IPv6 route of the kernel's own has another metric, and stays.
    if (!destination.includes(':')) this.#loseConnected(namespace, destination, links);
    const [first = { nexthop, link: null }, ...others] = hops;
    routes.set(destination, {
      destination,
      ...first,
      ...(others.length > 0 ? { others: others as Hop[] } : {}),
    });
    return null;
  }

  #connect(namespace: string, step: RouteStep & { op: 'connect' }, links: readonly Link[]): StepResult {
    const link = links.find(({ name, up }) => name === step.link && up);
    const destination = networkOf(addressWithPrefix(step.address));
    if (!link?.addresses.includes(step.address) || destination === null) return 'Invalid prefsrc address.';
    this.#lost.delete(keyOf(namespace, { destination, link: step.link }));
    if (!destination.includes(':')) this.#spaces.get(namespace)?.delete(destination);
    return null;
  }

  #loseConnected(namespace: string, destination: string, links: readonly Link[]): void {
    for (const route of connectedOf(links))
      if (route.destination === destination) this.#lost.add(keyOf(namespace, route));
  }

  /** With an address the kernel's own route to its network comes and goes. */
  addressChanged(namespace: string, address: string): void {
    const network = networkOf(address);
    for (const key of this.#lost)
      if (key.startsWith(`${namespace} `) && key.endsWith(` ${network}`)) this.#lost.delete(key);
  }

  /** The link is down, or gone: no route leads over it any more. */
  linkLost(namespace: string, link: string): void {
    for (const key of this.#lost) if (key.startsWith(`${namespace} ${link} `)) this.#lost.delete(key);
    const routes = this.#spaces.get(namespace);
    for (const { destination, nexthop, link: by, others = [] } of routes?.values() ?? []) {
      const hops = nexthop === null ? [] : [{ nexthop, link: by }, ...others];
      if (by !== link && hops.every((hop) => hop.link !== link)) continue;
      const [first, ...rest] = hops.filter((hop) => hop.link !== link);
      if (!first) routes?.delete(destination);
      else routes?.set(destination, { destination, ...first, ...(rest.length > 0 ? { others: rest } : {}) });
    }
  }

  namespaceLost(namespace: string): void {
    this.#spaces.delete(namespace);
    for (const key of this.#lost) if (key.startsWith(`${namespace} `)) this.#lost.delete(key);
  }
}

const keyOf = (namespace: string, { link, destination }: Pick<Route, 'link' | 'destination'>) =>
  `${namespace} ${link} ${destination}`;

/** The kernel's own of links that are up: one for each network and link. */
function connectedOf(links: readonly Link[]): Route[] {
  return links.flatMap(({ name, up, addresses }) => {
    const networks = up ? new Set(addresses.flatMap((address) => networkOf(address) ?? [])) : [];
    return [...networks].map(
      (destination): Route => ({ destination, nexthop: null, link: name, isConnected: true }),
    );
  });
}

const isNear = (link: Link, address: string) => link.addresses.some((own) => isIn(own, address));
