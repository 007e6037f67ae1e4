/**
 * Connections outlive a change of the active replica: conntrackd(8) tells the other replicas of what the active tracks, and
 * they put it into their kernels at once (NOTRACK mode over multicast: it has no notion of pairs, a router has two, three or
 * more replicas). Where it is not installed, connections that pass NAT end with the role.
 */
import { createHash } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { assert } from '../../lib/assert.ts';
import type { Host, ProcessSpec } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import { namespaceOf } from './desired.ts';
import type { DesiredHa } from './ha.ts';
import { paths } from './observe.ts';

export const CONNTRACKD_PREFIX = 'conntrackd-';
export const conntrackdName = (routerId: string): string => CONNTRACKD_PREFIX + routerId;

/** Ports of the HA segment's many routers: this, and the VRRP id. */
const PORT = 3780;
const GROUP = '225.0.1';
const STOP_MS = 500;
/** One that ends sooner is not started again before that. */
const QUICK_MS = 10_000;

export interface ConntrackdInput {
  readonly vrId: number;
  readonly link: string;
  /** The link's own. */
  readonly address: string;
  /** Absolute. */
  readonly lock: string;
  readonly control: string;
}

/** conntrackd.conf(5). */
export function renderConntrackd({ vrId, link, address, lock, control }: ConntrackdInput): string {
  assert(Number.isInteger(vrId) && vrId >= 1 && vrId <= 255, 'a VRRP id');
  assert(/^[A-Za-z0-9_.-]{1,15}$/.test(link) && isIPv4(address), 'a link and its address');
  assert(
    [lock, control].every((path) => /^\/[A-Za-z0-9_./-]+$/.test(path)),
    'absolute paths of plain characters',
  );
  return `Sync {
  Mode NOTRACK {
    DisableExternalCache on
    StartupResync on
  }
  Multicast {
    IPv4_address ${GROUP}.${vrId}
    Group ${PORT + vrId}
    IPv4_interface ${address}
    Interface ${link}
    SndSocketBuffer 1249280
    RcvSocketBuffer 1249280
    Checksum on
  }
}
General {
  HashSize 8192
  HashLimit 65536
  LogFile off
  Syslog off
  LockFile ${lock}
  UNIX {
    Path ${control}
  }
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  Filter From Kernelspace {
    Protocol Accept {
      TCP
      UDP
      SCTP
    }
    Address Ignore {
      IPv4_address 127.0.0.1
    }
  }
}
`;
}

/** Whether this host has the program; asked once. */
export class ConntrackdFinder {
  readonly #host: Host;
  #found: Promise<boolean> | undefined;

  constructor(host: Host) {
    this.#host = host;
  }

  isThere(): Promise<boolean> {
    this.#found ??= this.#host
      .runProgram(null, ['sh', '-c', 'command -v conntrackd && command -v conntrack'])
      .then(({ code }) => code === 0);
    return this.#found;
  }
}

export async function stopConntrackd(host: Host, routerId: string): Promise<void> {
  if ((await host.findProcess(conntrackdName(routerId))) !== null)
    await host.stopProcess(conntrackdName(routerId), STOP_MS);
}

/** Of one router. */
export class Connections {
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #id: string;
  #startedAt = Number.NEGATIVE_INFINITY;
  #failure: string | null = null;

  constructor(routerId: string, { host, clock }: { host: Host; clock: Clock }) {
    this.#id = routerId;
    this.#host = host;
    this.#clock = clock;
  }

  /** Why connections end with the role, a sentence; null: they do not. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Makes conntrackd be as it should. `rose`: the replica became active. Nothing else waits for it where it cannot run. */
  async ensure(desired: DesiredHa, rose: boolean): Promise<void> {
    try {
      await this.#ensure(desired, rose);
      this.#failure = null;
    } catch (error) {
      this.#failure = `connections end with the role: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  async #ensure({ vrId, link }: DesiredHa, rose: boolean): Promise<void> {
    const host = this.#host;
    const at = paths(this.#id);
    const [own] = [...link.addresses.keys()].map((address) => address.split('/')[0] ?? '').filter(isIPv4);
    if (own === undefined) return;
    const [lock, control] = [host.absolute(at.conntrackdLock), host.absolute(at.conntrackdControl)];
    const text = renderConntrackd({ vrId, link: link.name, address: own, lock, control });
    const spec = this.#spec(text);
    const found = await host.findProcess(spec.name);
    const isHere = found !== null && !(await host.isAstray(spec.name, namespaceOf(this.#id)));
    if (isHere && found.stuck === null && found.configHash === spec.configHash)
      return rose ? this.#takeOver() : undefined;
    if (this.#clock.now() - this.#startedAt < QUICK_MS)
      throw new Error('conntrackd ends soon after its start');
    this.#startedAt = this.#clock.now();
    await stopConntrackd(host, this.#id);
    // One that was killed leaves it, and the next would not begin.
    await host.removeFile(at.conntrackdLock);
    await host.writeFile(at.conntrackd, text);
    await host.startProcess(spec);
  }

  #spec(text: string): ProcessSpec {
    const argv = ['conntrackd', '-C', this.#host.absolute(paths(this.#id).conntrackd)];
    const configHash = createHash('sha256').update(text).digest('hex').slice(0, 16);
    return { name: conntrackdName(this.#id), namespace: namespaceOf(this.#id), argv, configHash };
  }

  /** What it got from others is its own now, to be told to replicas that come later. */
  async #takeOver(): Promise<void> {
    for (const what of ['-R', '-B']) {
      const argv = ['conntrackd', '-C', this.#host.absolute(paths(this.#id).conntrackd), what];
      await this.#host.runProgram(namespaceOf(this.#id), argv);
    }
  }
}
