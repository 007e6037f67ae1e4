import { BlockList, isIPv4 } from 'node:net';
import { ipAddress, wholeNumber } from '../grammar.ts';
import type { ConnectionFilter } from '../host.ts';
import { complaint, type Spawner } from './spawner.ts';

const TIMEOUT_MS = 30_000;
/** More are worth a look at which of them there is anything to end for: each takes a program, which reads all. */
const FEW = 2;
const AT_ONCE = 100;
/** By its exit code: what is missing. */
const LOOK = 'command -v conntrack >/dev/null || exit 3; [ -d /proc/sys/net/bridge ] || exit 4';

const FAULTS: ReadonlyMap<number, string> = new Map([
  [3, 'the program conntrack is not there (package conntrack)'],
  [4, 'the kernel does not have br_netfilter (modprobe br_netfilter)'],
]);

export interface Connection {
  readonly source: string;
  readonly destination: string;
  readonly mark: number;
  readonly zone: number;
}

/** What `conntrack -L` prints: of both directions, the first is that of the first packet. */
export function parseConnections(listing: string): Connection[] {
  return listing.split('\n').flatMap((line) => {
    const [, source, destination] = /\bsrc=(\S+) dst=(\S+)/.exec(line) ?? [];
    if (source === undefined || destination === undefined) return [];
    const number = (name: string) => Number(new RegExp(`\\b${name}=(\\d+)`).exec(line)?.[1] ?? 0);
    return [{ source, destination, mark: number('mark'), zone: number('zone') }];
  });
}

type Filter = ConnectionFilter;
type Side = 'source' | 'destination';

/** Those that mean any of the connections. */
export function filtersThatMatch(filters: readonly Filter[], connections: readonly Connection[]): Filter[] {
  const exact: Record<Side, Map<string, Filter[]>> = { source: new Map(), destination: new Map() };
  const others: [Filter, (one: Connection) => boolean][] = [];
  for (const filter of filters) {
    const side = (['source', 'destination'] as const).find((one) => filter[one]?.includes('/') === false);
    if (side === undefined) others.push([filter, covers(filter)]);
    else {
      const address = filter[side] ?? '';
      exact[side].set(address, [...(exact[side].get(address) ?? []), filter]);
    }
  }
  const found = new Set<Filter>();
  for (const one of connections) {
    for (const side of ['source', 'destination'] as const)
      for (const filter of exact[side].get(one[side]) ?? [])
        if (!found.has(filter) && covers(filter)(one)) found.add(filter);
    for (const [filter, isCovered] of others) if (!found.has(filter) && isCovered(one)) found.add(filter);
  }
  return filters.filter((filter) => found.has(filter));
}

const familyOf = (address: string) => (isIPv4(address) ? 'ipv4' : 'ipv6');

function covers({ version, zone, source, destination, mark }: Filter): (one: Connection) => boolean {
  const isIn = (range: string | undefined) => {
    if (range === undefined) return () => true;
    const [address = '', length] = range.split('/');
    if (length === undefined) return (other: string) => other === address;
    const list = new BlockList();
    list.addSubnet(address, Number(length), familyOf(address));
    return (other: string) => list.check(other, familyOf(other));
  };
  const [from, to] = [isIn(source), isIn(destination)];
  return (one) =>
    familyOf(one.source) === `ipv${version}` &&
    (zone === undefined || one.zone === zone) &&
    (mark === undefined || (one.mark & mark.mask) >>> 0 === mark.value) &&
    from(one.source) &&
    to(one.destination);
}

/** conntrack(8)'s words. */
function argumentsOf({ version, zone, source, destination, mark }: Filter): string {
  const words = ['-f', version === 4 ? 'ipv4' : 'ipv6'];
  if (zone !== undefined) words.push('-w', String(wholeNumber(zone, 0, 65_535)));
  if (source !== undefined) words.push('-s', addressOrPrefix(source));
  if (destination !== undefined) words.push('-d', addressOrPrefix(destination));
  if (mark !== undefined)
    words.push('-m', [mark.value, mark.mask].map((part) => wholeNumber(part, 0, 0xffff_ffff)).join('/'));
  return words.join(' ');
}

function addressOrPrefix(text: string): string {
  const [address = '', length] = text.split('/');
  return length === undefined
    ? ipAddress(address)
    : `${ipAddress(address)}/${wholeNumber(Number(length), 0, 128)}`;
}

export function createConnections(spawner: Spawner) {
  async function listAll(): Promise<Connection[]> {
    const finished = await spawner.run(['conntrack', '-L'], { timeoutMs: TIMEOUT_MS });
    if (finished.code !== 0) throw new Error(`cannot list connections: ${complaint(finished)}`);
    return parseConnections(finished.stdout);
  }

  /** `conntrack` knows no batch of deletions, and says 1 where there was none to delete: xargs then says 123. */
  async function end(filters: readonly Filter[]): Promise<void> {
    const input = filters.map((filter) => `${argumentsOf(filter)}\n`).join('');
    const argv = ['xargs', '-r', '-L', '1', 'conntrack', '-D'];
    const finished = await spawner.run(argv, { input, timeoutMs: TIMEOUT_MS });
    const failed = finished.stderr.split('\n').find((line) => /failed|error/i.test(line));
    if ((finished.code !== 0 && finished.code !== 123) || failed !== undefined)
      throw new Error(`connections could not be ended: ${failed ?? complaint(finished)}`);
  }

  return {
    async filteringFault(): Promise<string | null> {
      const { code } = await spawner.run(['sh', '-c', LOOK]);
      return code === 0 ? null : (FAULTS.get(code) ?? 'it cannot be found out what this host has');
    },

    async endConnections(filters: readonly Filter[]): Promise<void> {
      const wanted = filters.length > FEW ? filtersThatMatch(filters, await listAll()) : filters;
      for (let at = 0; at < wanted.length; at += AT_ONCE) await end(wanted.slice(at, at + AT_ONCE));
    },
  };
}
