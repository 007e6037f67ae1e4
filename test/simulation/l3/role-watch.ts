/** What must hold of roles at every moment (design: never two for long, never none while one could, no restlessness, static stability). */
import { Violation } from '../violation.ts';
import type { L3Machine } from './machine.ts';
import { ServiceWatch } from './service-watch.ts';
import { Since } from './since.ts';
import { EVIDENCE, type Evidence, type Readiness } from './truth.ts';
import type { L3World } from './world.ts';

/** How long two may be primary while it could be known in this way: in good weather, and where messages and steps get lost. */
export const TWO_MS: Readonly<Record<Evidence, readonly [number, number]>> = {
  heartbeat: [1_500, 1_500],
  agent: [2_500, 12_000],
  server: [5_000, 25_000],
  outside: [5_000, 20_000],
};
/** How long there may be none while a replica takes part all that time; who was told to stand back does so for 10 s. */
export const NONE_MS: Readonly<Record<Readiness, number>> = { free: 1_500, leased: 13_000 };
/**
 * So long an agent may go without being heard by a server that could, for each server that there is: until it gives up one that does not
 * answer it (6 s), or says nothing any more (three bookmarks, of 2.5 s each), and has come to another. Meanwhile no server knows of two.
 */
const UNHEARD_MS = 8_000;
/** After the last fault the wires may still settle. */
const SETTLE_MS = 3_000;

export class RoleWatch {
  readonly #world: L3World;
  readonly #two = new Since();
  readonly #unheard = new Since();
  readonly #none = new Since();
  /** Routers that only an agent puts right, which the weather holds up. */
  readonly #heldUp = new Set<string>();
  readonly service: ServiceWatch;
  /** By router, who held it when it was last looked at. */
  readonly #held = new Map<string, string>();
  readonly #stood = new Map<string, string>();
  /** By router and host, when its replica last took no part. */
  readonly #stoodBackAt = new Map<string, number>();
  /** By router, when another had it. */
  readonly moves = new Map<string, number[]>();
  /** When a fault last began or ended. */
  #disturbedAt = 0;
  /** Longest that was seen, for figures. */
  longestTwoMs = 0;
  longestNoneMs = 0;
  #isOn = false;
  /** Nothing was lost on its way at any time. */
  #isFair = false;
  /** Where nothing but scripts goes wrong: so often a router may move at most. */
  #mostMoves = Number.POSITIVE_INFINITY;

  constructor(world: L3World) {
    this.#world = world;
    this.service = new ServiceWatch(world);
  }

  /** From now on all must hold. */
  begin(): void {
    this.#isOn = true;
    this.#isFair = Object.values(this.#world.network.weather).every((chance) => chance === 0);
    this.disturb();
  }

  limitMoves(most: number): void {
    this.#mostMoves = most;
  }

  /** A fault begins or ends that is felt on the wires. */
  disturb(): void {
    this.#disturbedAt = this.#world.scheduler.now;
  }

  /** Hosts that had a router when it was last looked at. */
  holderNames(): string[] {
    return [...this.#held.values()].flatMap((names) => (names === '' ? [] : names.split(' and ')));
  }

  async look(): Promise<void> {
    if (!this.#isOn) return;
    const { scheduler, truth, machines, servers } = this.#world;
    const pairs: string[] = [];
    const lacking: string[] = [];
    const all = new Map<string, readonly L3Machine[]>();
    this.#heldUp.clear();
    for (const id of truth.routers()) {
      if (!truth.hasSign(id)) continue;
      const holders = await truth.holders(id);
      all.set(id, holders);
      pairs.push(...(await this.#pairs(id, holders)));
      if (holders.length === 0) lacking.push(...(await this.#able(id)));
      for (const machine of machines)
        if (machine.keepalivedOf(id)?.state === 'fault')
          this.#stoodBackAt.set(`${id} ${machine.name}`, scheduler.now);
      this.#follow(id, holders);
    }
    await this.service.look(all, this.#isFair);
    const { now } = scheduler;
    const names = machines.map(({ name }) => name);
    const unheard = this.#unheard.look(
      names.filter((name) => truth.isUnheard(name)),
      now,
    );
    const finds = (name: string) =>
      (unheard.get(name) ?? Number.POSITIVE_INFINITY) <= servers.length * UNHEARD_MS;
    const isUnknown = (name: string) => {
      const [how, , ...both] = name.split(' ');
      return how === 'server' && both.some(finds);
    };
    const isHeldUp = (name: string) => this.#heldUp.has(name.split(' ')[1] ?? '');
    for (const [name, forMs] of this.#two.look(pairs, now, isUnknown)) this.#judgeTwo(name, forMs);
    for (const [name, forMs] of this.#none.look(lacking, now, isHeldUp)) this.#judgeNone(name, forMs);
  }

  async #pairs(id: string, holders: readonly L3Machine[]): Promise<string[]> {
    const { truth } = this.#world;
    const names: string[] = [];
    for (const [i, one] of holders.entries())
      for (const other of holders.slice(i + 1))
        for (const how of truth.evidence(id, one, other))
          if (how !== 'heartbeat' || (await truth.canHear(id, one, other)))
            names.push(`${how} ${id} ${one.name} ${other.name}`);
    return names;
  }

  #judgeTwo(name: string, forMs: number): void {
    const [how = '', id = '', one = '', other = ''] = name.split(' ');
    const bound = EVIDENCE.find((evidence) => evidence === how);
    this.longestTwoMs = Math.max(this.longestTwoMs, forMs);
    if (bound === undefined || forMs <= TWO_MS[bound][this.#isFair ? 0 : 1]) return;
    throw new Violation('never two', `${one} and ${other} both have ${id} for ${forMs} ms, joined by ${how}`);
  }

  #judgeNone(name: string, forMs: number): void {
    const [how = '', id, host] = name.split(' ');
    this.longestNoneMs = Math.max(this.longestNoneMs, forMs);
    if (forMs > NONE_MS[how === 'leased' ? 'leased' : 'free'])
      throw new Violation(
        'never none',
        `nobody has ${id}, for which ${host} is ready (${how}), for ${forMs} ms`,
      );
  }

  /** Names `readiness router host` of those who could serve; who is free counts as leased, too. */
  async #able(id: string): Promise<string[]> {
    const { truth, machines } = this.#world;
    // what another hand took from the primary only its agent puts back
    const robbed = machines.filter(
      (machine) => machine.isTakingPart(id) && machine.keepalivedOf(id)?.state === 'primary',
    );
    if (robbed.some(({ name }) => !truth.isAgentWell(name))) return [];
    // a call that takes seconds is the weather's doing, not the agent's
    if (robbed.some(({ name }) => this.#world.agent(name).isHeldUp)) this.#heldUp.add(id);
    const names: string[] = [];
    for (const machine of machines) {
      const how = await truth.readiness(machine, id);
      if (how !== undefined) names.push(`leased ${id} ${machine.name}`);
      if (how === 'free') names.push(`free ${id} ${machine.name}`);
    }
    return names;
  }

  #follow(id: string, holders: readonly L3Machine[]): void {
    const { scheduler, truth } = this.#world;
    const now = holders.map(({ name }) => name).join(' and ');
    const before = this.#held.get(id);
    if (now !== before) {
      scheduler.note(`${id} is held by ${now || 'nobody'}`);
      if (before !== undefined && holders.length === 1 && now !== this.#stood.get(id)) this.#moved(id);
      // one that nobody had, and that one has now, was taken from nobody: a replica that had begun just before does that
      const isTaken = before === '' && holders.length === 1;
      const isStatic =
        truth.isUnattended() &&
        scheduler.now - this.#disturbedAt > SETTLE_MS &&
        !isTaken &&
        !this.#isReleased(id, holders);
      if (isStatic && before !== undefined)
        throw new Violation(
          'static stability',
          `${id} went from ${before || 'nobody'} to ${now || 'nobody'}`,
        );
      this.#held.set(id, now);
    }
    if (holders.length === 1) this.#stood.set(id, now);
  }

  /** Who was told to take no part for a while takes part again when that is over, also where nobody is there any more. */
  #isReleased(id: string, holders: readonly L3Machine[]): boolean {
    const { now } = this.#world.scheduler;
    return holders.some(
      ({ name }) => now - (this.#stoodBackAt.get(`${id} ${name}`) ?? -SETTLE_MS) < SETTLE_MS,
    );
  }

  #moved(id: string): void {
    const all = [...(this.moves.get(id) ?? []), this.#world.scheduler.now];
    this.moves.set(id, all);
    if (all.length <= this.#mostMoves) return;
    const at = all.map((ms) => Math.round(ms / 1_000)).join(', ');
    throw new Violation(
      'few failovers',
      `${id} has moved ${all.length} times, at ${at} s, for nothing but scripts`,
    );
  }
}
