/**
 * Who answers ARP requests for an address, seen where the external segment meets the outside: requests are sent all the time, and
 * the switch tells by which port each answer comes (`nft monitor trace`), so that answers with the same MAC are told apart.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Lab } from '../../../src/lab/lab.ts';
import { hostsOf, linkOn, OUTSIDE, outsideNamespace } from '../../../src/lab/layout.ts';
import { mustRun } from '../../../src/lab/program.ts';
import { epochMs } from '../../support/dhcp-prober.ts';

export const ASK_MS = 50;
const TABLE = 'bridge deuteron-answers';
const OUTSIDE_PORT = 'out-ext';

/** What came in which order; `port` null: a request. */
interface Seen {
  readonly at: number;
  readonly host: string | null;
}

/** One request and who answered it. */
export interface Answered {
  readonly at: number;
  readonly hosts: readonly string[];
}

/** Each request with the answers until the next. Pure. */
export function pairAnswers(seen: readonly Seen[]): Answered[] {
  const found: { at: number; hosts: string[] }[] = [];
  for (const { at, host } of seen) {
    if (host === null) found.push({ at, hosts: [] });
    else found.at(-1)?.hosts.push(host);
  }
  return found;
}

/** Requests that more than one host answered. */
export const doubles = (answers: readonly Answered[], from: number, to: number): Answered[] =>
  answers.filter(({ at, hosts }) => at >= from && at < to && new Set(hosts).size > 1);

export class Answerers {
  readonly #lab: Lab;
  readonly #address: string;
  readonly #children: ChildProcess[] = [];
  readonly #seen: Seen[] = [];

  constructor(lab: Lab, address: string) {
    this.#lab = lab;
    this.#address = address;
  }

  get #inSwitch(): string[] {
    const { ground, layout } = this.#lab.place;
    return [...ground.enter, 'nsenter', `--net=/run/netns/${layout.switchNamespace}`, '--'];
  }

  async start(): Promise<void> {
    const { ground, layout } = this.#lab.place;
    const hostOf = new Map(hostsOf(layout).map((node) => [linkOn(node, 'external').switchPort, node.name]));
    await mustRun([...this.#inSwitch, 'sh', '-c', 'cat | nft -f -'], { input: this.#rules() });
    const lines = this.#spawn([...this.#inSwitch, 'nft', 'monitor', 'trace']);
    lines.on('line', (line) => {
      // Requests are flooded, and so are in the other chain too.
      const [, chain, port] = / bridge deuteron-answers (\w+) packet: iif "([^"]+)"/.exec(line) ?? [];
      if (chain === 'asked') this.#seen.push({ at: epochMs(), host: null });
      else if (port !== undefined && port !== OUTSIDE_PORT)
        this.#seen.push({ at: epochMs(), host: hostOf.get(port) ?? port });
    });
    const outside = [...ground.enter, 'nsenter', `--net=/run/netns/${outsideNamespace(layout.id)}`, '--'];
    const ask = `while :; do arping -q -c 1 -w 1 -I ${OUTSIDE.device} "$0" & sleep ${ASK_MS / 1000}; done > /dev/null 2>&1`;
    this.#spawn([...outside, 'sh', '-c', ask, this.#address]);
  }

  /** A broadcast answer is a gratuitous one (RFC 5227): nobody had asked. Those that are cut are not seen. */
  #rules(): string {
    const what = (side: 'saddr' | 'daddr') => `arp ${side} ip ${this.#address} meta nftrace set 1`;
    return `table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  chain asked {
    type filter hook prerouting priority 0;
    iifname "${OUTSIDE_PORT}" arp operation request ${what('daddr')}
  }
  chain answered {
    type filter hook forward priority 10;
    oifname "${OUTSIDE_PORT}" arp operation reply ether daddr != ff:ff:ff:ff:ff:ff ${what('saddr')}
  }
}
`;
  }

  #spawn(argv: readonly string[]) {
    const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    this.#children.push(child);
    return createInterface({ input: child.stdout! });
  }

  get answers(): Answered[] {
    return pairAnswers(this.#seen);
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      // The group: what the shell has started goes with it.
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
    await mustRun([...this.#inSwitch, 'nft', 'delete', 'table', ...TABLE.split(' ')]);
  }
}
