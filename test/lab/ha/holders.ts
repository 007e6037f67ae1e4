/**
 * Who holds a router's addresses on which host, by the kernel's own events in all router namespaces (`ip monitor ...
 * all-nsid`): whoever holds an address answers for it, whatever anybody believes of its role.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Lab } from '../../../src/lab/lab.ts';
import { enterNode } from '../../../src/lab/ground.ts';
import { hostsOf } from '../../../src/lab/layout.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import type { Span } from './spans.ts';

/**
 * A line of `ip -ts -o -4 monitor address all-nsid` with TZ=UTC; null for any other. The name of the link is not to be trusted
 * there: it is looked up in the wrong namespace.
 */
export function parseAddressEvent(
  line: string,
): { readonly at: number; readonly address: string; readonly isHeld: boolean } | null {
  const found = /^\[([\d-]+T[\d:.]+)\] (?:\[[^\]]*\])?(Deleted )?.* inet ([\d.]+)\/\d+ /.exec(line);
  if (!found) return null;
  // Date knows milliseconds; the digits after those are added again.
  const stamp = found[1]!;
  const [whole = '', fraction = '0'] = stamp.split('.');
  const at = Date.parse(`${whole}Z`) + Number(`0.${fraction}`) * 1000;
  return { at, address: found[3]!, isHeld: found[2] === undefined };
}

export class Holders {
  readonly #lab: Lab;
  readonly #addresses: ReadonlySet<string>;
  readonly #monitors = new Map<string, ChildProcess>();
  /** By address, then by host: when it was held. The last may be open. */
  readonly #spans = new Map<string, Map<string, { from: number; to: number }[]>>();

  constructor(lab: Lab, addresses: readonly string[]) {
    this.#lab = lab;
    this.#addresses = new Set(addresses);
  }

  async start(): Promise<void> {
    await Promise.all(hostsOf(this.#lab.layout).map(({ name }) => this.follow(name)));
  }

  /** Follows a host from now on; what is held there already counts from now. */
  async follow(host: string): Promise<void> {
    const { ground, layout } = this.#lab.place;
    const enter = enterNode(ground, layout, this.#lab.node(host));
    const argv = [...enter, 'stdbuf', '-oL', 'ip', '-ts', '-o', '-4', 'monitor', 'address', 'all-nsid'];
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, TZ: 'UTC' },
    });
    this.#monitors.get(host)?.kill('SIGKILL');
    this.#monitors.set(host, child);
    const ready = Promise.withResolvers<void>();
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const event = parseAddressEvent(line);
      if (event === null) return;
      if (event.address === PROBE) return ready.resolve();
      if (this.#addresses.has(event.address)) this.#note(host, event);
    });
    child.once('close', () => ready.reject(new Error(`ip monitor of ${host} ended`)));
    ready.promise.catch(() => undefined);
    await this.#provoke(host, ready.promise);
    for (const address of await this.#heldNow(host))
      this.#note(host, { at: epochMs(), address, isHeld: true });
  }

  /** The monitor says nothing until something happens: an address comes and goes until it is heard of. */
  async #provoke(host: string, ready: Promise<void>): Promise<void> {
    const script = `for n in $(ip netns list | cut -d' ' -f1); do ip netns set $n auto; done 2> /dev/null
      ip address add ${PROBE}/32 dev lo && ip address delete ${PROBE}/32 dev lo`;
    const isHeard = ready.then(() => true);
    for (let tries = 0; tries < 50; tries++) {
      await this.#lab.run(host, ['sh', '-c', script]);
      const pause = new Promise<false>((resolve) => setTimeout(() => resolve(false), 20));
      if (await Promise.race([isHeard, pause])) return;
    }
    throw new Error(`ip monitor on ${host} is silent`);
  }

  async #heldNow(host: string): Promise<string[]> {
    const script = `for n in $(ip netns list | cut -d' ' -f1 | grep ^qrouter-); do ip -n $n -4 -o address; done; :`;
    const { stdout } = await this.#lab.run(host, ['sh', '-c', script]);
    const found = [...stdout.matchAll(/ inet ([\d.]+)\//g)].map(([, address]) => address!);
    return found.filter((address) => this.#addresses.has(address));
  }

  #note(host: string, { at, address, isHeld }: { at: number; address: string; isHeld: boolean }): void {
    const byHost = this.#spans.get(address) ?? new Map<string, { from: number; to: number }[]>();
    this.#spans.set(address, byHost);
    const spans = byHost.get(host) ?? [];
    byHost.set(host, spans);
    const last = spans.at(-1);
    const isOpen = last?.to === Number.POSITIVE_INFINITY;
    if (isHeld && !isOpen) spans.push({ from: at, to: Number.POSITIVE_INFINITY });
    if (!isHeld && isOpen) last.to = at;
  }

  /** The host has lost its power: whatever it held it holds no more. */
  off(host: string, at: number): void {
    this.#monitors.get(host)?.kill('SIGKILL');
    this.#monitors.delete(host);
    for (const [address] of this.#spans) this.#note(host, { at, address, isHeld: false });
  }

  /** Hosts that hold it now. */
  holding(address: string): string[] {
    const byHost = this.#spans.get(address) ?? new Map<string, Span[]>();
    return [...byHost]
      .filter(([, spans]) => spans.at(-1)?.to === Number.POSITIVE_INFINITY)
      .map(([host]) => host);
  }

  spans(address: string): ReadonlyMap<string, readonly Span[]> {
    return this.#spans.get(address) ?? new Map();
  }

  stop(): void {
    for (const child of this.#monitors.values()) child.kill('SIGKILL');
    this.#monitors.clear();
  }
}

/** Of no network of the lab. */
const PROBE = '192.0.2.99';
