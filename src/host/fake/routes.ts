/** Routes of namespaces, as far as agents can tell them from the kernel's. */
import { isIP } from 'node:net';
import { addressWithPrefix, ipAddress } from '../grammar.ts';
import type { Hop, Link, Route, RouteStep, StepResult } from '../host.ts';

function bitsOf(address: string): bigint {
  if (isIP(address) === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  const [head = '', tail] = address.split('::');
  const words = (text: string) => text.split(':').filter((word) => word !== '');
  const right = words(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - words(head).length - right.length;
  const all = [...words(head), ...new Array<string>(zeros).fill('0'), ...right];
  return all.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

/** Whether an address is in the subnet of another with its prefix length. */
function reaches(addressAndPrefix: string, other: string): boolean {
  const [address = '', prefix = ''] = addressAndPrefix.split('/');
  if (isIP(address) !== isIP(other)) return false;
  const shift = BigInt((isIP(address) === 4 ? 32 : 128) - Number(prefix));
  return bitsOf(address) >> shift === bitsOf(other) >> shift;
}

export class FakeRoutes {
  readonly #spaces = new Map<string, Map<string, Route>>();

  list(namespace: string): Route[] {
    return [...(this.#spaces.get(namespace)?.values() ?? [])];
  }

  /** `links`: those of the namespace. */
  change(namespace: string, step: RouteStep, links: readonly Link[]): StepResult {
    const { op, nexthop } = step;
    const destination = addressWithPrefix(step.destination);
    const routes = this.#spaces.get(namespace) ?? new Map<string, Route>();
    this.#spaces.set(namespace, routes);
    if (op === 'delete') {
      routes.delete(destination);
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
    const [first = { nexthop, link: null }, ...others] = hops;
    routes.set(destination, {
      destination,
      ...first,
      ...(others.length > 0 ? { others: others as Hop[] } : {}),
    });
    return null;
  }

  /** The link is down, or gone: no route leads over it any more. */
  linkLost(namespace: string, link: string): void {
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
  }
}

const isNear = (link: Link, address: string) => link.addresses.some((own) => reaches(own, address));
