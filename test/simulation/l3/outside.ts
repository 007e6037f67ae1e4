/**
 * What is heard on the wire to the outside: who answers an ARP probe, and who says by itself that an address is there
 * (gratuitous ARP). Hosts take it down in a table that they make for it.
 */
import type { FakeHost, Finished } from '../../../src/host/fake/fake-host.ts';
import { delay } from '../weather.ts';
import { type L3Machine, OUTSIDE } from './machine.ts';
import type { L3World } from './world.ts';

/** The tables that hosts take it down in, and for how many seconds each keeps it: while they ask, and while they have a router. */
const TABLES = { 'netdev deuteron_evidence': 5, 'netdev deuteron_rivals': 25 };
const FRAME_MS = 1;
/** keepalived repeats what it said when it rose, and says it again now and then. */
const REPEATED_MS = [0, 1_000] as const;
const REFRESH_MS = 10_000;

type Heard = Map<string, number>;

export class Outside {
  readonly #world: L3World;
  /** By the table as it was applied: another one has heard nothing yet. */
  readonly #heard = new WeakMap<object, Heard>();

  constructor(world: L3World) {
    this.#world = world;
  }

  /** The programs by which a host asks, and reads what it heard; undefined: it is none of these. */
  run(machine: L3Machine, argv: readonly string[]): Finished | undefined {
    if (argv[0] === 'sh' && argv[2]?.includes('arping -q -D')) {
      const words = argv.slice(4);
      for (let at = 0; at + 1 < words.length; at += 2)
        if (words[at] === OUTSIDE.link) this.#ask(machine, words[at + 1] ?? '');
      return { code: 0, stdout: '', stderr: '' };
    }
    const [name, keptS] = Object.entries(TABLES).find(([one]) => argv.join(' ').includes(one)) ?? [];
    if (argv[0] !== 'nft' || name === undefined || keptS === undefined) return undefined;
    const vals = [...(this.#heardBy(machine.host, name) ?? [])].flatMap(([address, at]) => {
      const leftS = keptS - (this.#now - at) / 1_000;
      return leftS <= 0 ? [] : [`{"elem": {"val": "${address}", "expires": ${Math.floor(leftS)}}}`];
    });
    return { code: 0, stdout: `{"nftables": [{"set": {"elem": [${vals.join(', ')}]}}]}`, stderr: '' };
  }

  /** Who has a router tells so when it got it, and again and again. */
  rose(machine: L3Machine, routerId: string): void {
    const tell = () => this.#world.scheduler.follow(this.#tell(machine, routerId));
    for (const afterMs of REPEATED_MS) this.#later(afterMs, tell);
  }

  /** Begins what is repeated for ever. */
  begin(): void {
    const { truth, machines, scheduler } = this.#world;
    for (const id of truth.routers())
      for (const machine of machines)
        if (machine.keepalivedOf(id)?.state === 'primary') scheduler.follow(this.#tell(machine, id));
    scheduler.after(REFRESH_MS, '', () => this.begin());
  }

  get #now(): number {
    return this.#world.scheduler.now;
  }

  #later(afterMs: number, act: () => void): void {
    const { scheduler, network } = this.#world;
    scheduler.after(afterMs + delay(network.random, FRAME_MS), '', act);
  }

  #heardBy(host: FakeHost, name: string): Heard | undefined {
    const table = host.table(null, name);
    if (!table) return undefined;
    const heard = this.#heard.get(table) ?? new Map<string, number>();
    this.#heard.set(table, heard);
    return heard;
  }

  #hears(host: FakeHost, address: string): void {
    for (const name of Object.keys(TABLES)) this.#heardBy(host, name)?.set(address, this.#now);
  }

  #ask(machine: L3Machine, address: string): void {
    const { machines, underlay, truth, network } = this.#world;
    for (const other of machines) {
      if (other === machine) continue;
      const answer = async () => {
        if (!underlay.joins('external', machine.name, other.name) || network.isLost()) return;
        if (await truth.answersFor(other, address)) this.#hears(machine.host, address);
      };
      this.#later(0, () => this.#world.scheduler.follow(answer()));
    }
  }

  async #tell(machine: L3Machine, routerId: string): Promise<void> {
    const { machines, underlay, truth, network } = this.#world;
    for (const address of truth.signs(routerId)) {
      if (machine.isOff || !(await truth.answersFor(machine, address))) continue;
      for (const other of machines)
        if (other !== machine && underlay.passes('external', machine.name, other.name) && !network.isLost())
          this.#hears(other.host, address);
    }
  }
}
