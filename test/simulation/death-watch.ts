/** No false deaths: an agent that some server heard within the detection time is never declared dead. */
import type { AgentRow } from '../../src/resources/agent.ts';
import type { MemoryStore, Written } from '../../src/store/memory/memory-store.ts';
import { Violation } from './violation.ts';

/** From a decision to its commit, at a database that is slow, the agent may be heard again. */
const DECISION_MS = 12_000;
/** A message on its way to the server. */
const ON_ITS_WAY_MS = 20;

/** The clocks of two servers begin to count at their own looks. */
const NEARLY = 0.95;

interface Heard {
  lastAt: number;
  /** The last silence that was as long as the detection time, and when it ended. */
  silenceEndedAt: number;
}

export class DeathWatch {
  readonly #store: MemoryStore;
  readonly #now: () => number;
  readonly #detectMs: number;
  readonly #heard = new Map<string, Heard>();
  readonly #wasDead = new Set<string>();
  #tailLostAt = Number.NEGATIVE_INFINITY;
  #found: Violation | undefined;

  constructor(options: { store: MemoryStore; now: () => number; detectMs: number }) {
    this.#store = options.store;
    this.#now = options.now;
    this.#detectMs = options.detectMs;
    options.store.observe((written) => this.#onCommit(written));
  }

  throwIfFound(): void {
    if (this.#found) throw this.#found;
  }

  /** What was lost may have been a return. */
  forget(): void {
    this.#tailLostAt = this.#now();
    this.#wasDead.clear();
    for (const agent of this.#store.rows('agents'))
      if (agent.liveness === 'dead') this.#wasDead.add(agent.id);
  }

  /** A server that runs has heard it: its watch, or a heartbeat. */
  heard(host: string): void {
    const now = this.#now();
    // at first it was silent since the beginning
    const known = this.#heard.get(host) ?? { lastAt: 0, silenceEndedAt: Number.NEGATIVE_INFINITY };
    this.#heard.set(host, known);
    if (this.#isLong(now - known.lastAt)) known.silenceEndedAt = now;
    known.lastAt = now;
  }

  #isLong(silenceMs: number): boolean {
    // a row that a lost tail brought back may say "silent" of an agent that was heard since: half of the time is left then
    const isOld = this.#now() - this.#tailLostAt < 2 * this.#detectMs;
    return silenceMs + ON_ITS_WAY_MS >= (isOld ? NEARLY / 2 : NEARLY) * this.#detectMs;
  }

  #onCommit(written: Written): void {
    for (const row of written.get('agents')?.values() ?? []) {
      const agent = row as AgentRow | null;
      if (agent?.liveness !== 'dead') continue;
      const heard = this.#heard.get(agent.host);
      const now = this.#now();
      const wasSilent =
        !heard || this.#isLong(now - heard.lastAt) || now - heard.silenceEndedAt < DECISION_MS;
      if (wasSilent || this.#wasDead.has(agent.id)) continue;
      const what = `${agent.host} is declared dead ${Math.round(now - heard.lastAt)} ms after it was heard`;
      this.#found ??= new Violation('no false death', what);
    }
    for (const [id, row] of written.get('agents') ?? []) {
      if ((row as AgentRow | null)?.liveness === 'dead') this.#wasDead.add(id);
      else this.#wasDead.delete(id);
    }
  }
}
