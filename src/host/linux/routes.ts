import { isIP } from 'node:net';
import { assert } from '../../lib/assert.ts';
import { addressWithPrefix, ipAddress, linkName, namespaceName } from '../grammar.ts';
import { networkOf } from '../networks.ts';
import {
  compareHops,
  type Hop,
  ROUTE_PROTOCOL,
  type Route,
  type RouteStep,
  type StepResult,
} from '../host.ts';
import { runBatch } from './batch.ts';
import { complaint, type Spawner } from './spawner.ts';

/** The part of `ip -j route` that we read. */
interface RawRoute extends RawHop {
  readonly dst?: string;
  readonly protocol?: string;
  readonly nexthops?: readonly RawHop[];
}

interface RawHop {
  readonly gateway?: string;
  readonly dev?: string;
  readonly flags?: readonly string[];
}

/** Of all routes ours, and the kernel's own to networks of links. `family`: of the listing, for what "default" is. A next hop whose link is gone or down is left out: nothing goes by it. */
export function parseRoutes(json: string, family: 4 | 6): Route[] {
  if (json.trim() === '') return [];
  return (JSON.parse(json) as RawRoute[]).flatMap(({ dst, protocol, gateway, dev, nexthops }) => {
    if (dst === undefined) return [];
    if (protocol === 'kernel') return connectedOf(dst, dev);
    if (protocol !== String(ROUTE_PROTOCOL)) return [];
    const whole = dst === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : dst;
    const destination = whole.includes('/') ? whole : `${whole}/${family === 4 ? 32 : 128}`;
    if (!nexthops) return [{ destination, nexthop: gateway ?? null, link: dev ?? null }];
    const [first, ...others] = hopsOf(nexthops);
    if (!first) return [{ destination, nexthop: null, link: null }];
    return [{ destination, ...first, ...(others.length > 0 ? { others } : {}) }];
  });
}

const connectedOf = (destination: string, link: string | undefined): Route[] =>
  link === undefined || !destination.includes('/') || destination.startsWith('fe80:')
    ? []
    : [{ destination, nexthop: null, link, isConnected: true }];

const hopsOf = (raw: readonly RawHop[]): Hop[] =>
  raw
    .filter(({ flags }) => !flags?.includes('dead'))
    .flatMap(({ gateway, dev }) => (gateway === undefined ? [] : [{ nexthop: gateway, link: dev ?? null }]))
    .sort(compareHops);

/** A line of an `ip` batch. */
function lineOf(step: RouteStep): string {
  if (step.op === 'connect') return connectLine(step);
  const { op, destination, nexthop, link, others = [] } = step;
  const words = [`route ${op === 'set' ? 'replace' : 'delete'} ${addressWithPrefix(destination)}`];
  if (others.length > 0) {
    assert(nexthop !== null, 'packets are spread over next hops');
    words.push(`proto ${ROUTE_PROTOCOL}`);
    // Without next hops all of them go.
    if (op === 'set')
      for (const hop of [{ nexthop, link }, ...others]) words.push(`nexthop ${hopWords(hop)}`);
    return words.join(' ');
  }
  assert(op === 'delete' || nexthop !== null || link !== null, 'a route leads somewhere');
  if (nexthop !== null) words.push(`via ${ipAddress(nexthop)}`);
  if (link !== null) words.push(`dev ${linkName(link)}`);
  if (op === 'set' && nexthop !== null && link !== null) words.push('onlink');
  if (nexthop === null && link !== null && isIP(destination.split('/')[0] ?? '') === 4)
    words.push('scope link');
  return `${words.join(' ')} proto ${ROUTE_PROTOCOL}`;
}

/** As the kernel has it, which takes it away again with the address. */
function connectLine({ link, address }: RouteStep & { op: 'connect' }): string {
  const network = networkOf(addressWithPrefix(address));
  assert(network !== null, 'an address that is not alone in its network');
  const words = `route replace ${network} dev ${linkName(link)} proto kernel`;
  const [own = ''] = address.split('/');
  return isIP(own) === 4 ? `${words} scope link src ${own}` : `${words} metric 256`;
}

const hopWords = ({ nexthop, link }: Hop): string =>
  `via ${ipAddress(nexthop)}${link === null ? '' : ` dev ${linkName(link)} onlink`}`;

/** The script is fixed; names go in as its arguments. Two lines each: name, family and the JSON of its routes. */
const DUMP = `for n in "$@"; do for f in 4 6; do
 j=$(ip -n "$n" -"$f" -j route show 2>/dev/null) && printf '%s %s %s\\n' "$n" "$f" "$j"; done; done; true`;

export function createRoutes(spawner: Spawner) {
  async function routes(namespaces: readonly string[]): Promise<Map<string, Route[]>> {
    const found = new Map<string, Route[]>();
    if (namespaces.length === 0) return found;
    const names = namespaces.map(namespaceName);
    const finished = await spawner.run(['sh', '-c', DUMP, 'sh', ...names]);
    if (finished.code !== 0) throw new Error(`cannot list routes: ${complaint(finished)}`);
    for (const line of finished.stdout.split('\n')) {
      const [, name = '', family = '', json = ''] = /^(\S+) ([46]) (.*)$/.exec(line) ?? [];
      if (name === '') continue;
      found.set(name, [...(found.get(name) ?? []), ...parseRoutes(json, family === '4' ? 4 : 6)]);
    }
    return found;
  }

  return {
    routes,

    async changeRoutes(namespace: string, steps: readonly RouteStep[]): Promise<StepResult[]> {
      const results = await runBatch(spawner, ['ip', '-n', namespaceName(namespace)], steps.map(lineOf));
      if (results.every((result) => result === null)) return results;
      const now = (await routes([namespace])).get(namespace) ?? [];
      const ours = new Set(now.filter((route) => !route.isConnected).map((route) => route.destination));
      return results.map((result, index) => {
        const step = steps[index];
        return step?.op === 'delete' && !ours.has(step.destination) ? null : result;
      });
    },
  };
}
