/**
 * Asks each fence device now and then for the power of its host, so that one that would not work is found before the day it is
 * needed. Only hosts that are heard are asked about: what such a host's device has to say is known, and no host that is about to be fenced has to
 * wait for it. The leader asks, one device after the other.
 *
 * When each was asked last is in the rows, so that a new leader goes on where the one before was; that is by the wall clock, and
 * wrong ones delay or hasten one question.
 */
import { askAgainIn, type CheckRules, type CheckStanding, judgeCheck } from '../arbitration/fence-checks.ts';
import type { Clock } from '../lib/clock.ts';
import { type CheckFacts, checkFacts, forgetDevices, tellCheck } from '../operations/fence-checks.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Duty } from './duties.ts';
import type { FenceDevices } from './fencing.ts';
import { asLeader, type Leader } from './leader.ts';

export interface FenceCheckOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly leader: Pick<Leader, 'isLeader' | 'term' | 'guard'>;
  readonly devices: FenceDevices;
  readonly rules: CheckRules;
  readonly onEvent?: (event: EventRow) => void;
}

const LOOK_MS = 5_000;
/** Who waits longer for an answer in ordinary times has a device that is ill; fencing waits so long for this at most. */
const TIMEOUT_MS = 30_000;

interface Next {
  readonly at: number;
  readonly standing: CheckStanding;
}

export function fenceCheckDuty(options: FenceCheckOptions): Duty {
  const checks = new FenceChecks(options);
  return { name: 'fence checks', intervalMs: LOOK_MS, leaderOnly: true, perform: () => checks.look() };
}

class FenceChecks {
  readonly #options: FenceCheckOptions;
  #term = 0;
  /** When each is to be asked, by this server's own clock. */
  #next = new Map<string, Next>();

  constructor(options: FenceCheckOptions) {
    this.#options = options;
  }

  async look(): Promise<void> {
    const { clock, leader } = this.#options;
    if (leader.term !== this.#term) this.#next.clear();
    this.#term = leader.term;
    const facts = await this.#facts();
    await this.#forget(facts);
    const now = clock.now();
    this.#next = new Map(
      [...facts.known].map((host) => [host, this.#next.get(host) ?? this.#first(facts, host)]),
    );
    const isDue = ([host, { at }]: [string, Next]) => at <= now && facts.heard.has(host);
    const due = [...this.#next].filter(isDue).sort(([, one], [, other]) => one.at - other.at);
    for (const [host, { standing }] of due) if (leader.isLeader) await this.#ask(host, standing);
  }

  async #facts(): Promise<CheckFacts> {
    const { store, call, devices } = this.#options;
    const among = await devices.hosts();
    return store.view((view) => checkFacts(view, call(), among));
  }

  /** Where another leader left off; at once where nobody ever asked. */
  #first({ rows }: CheckFacts, host: string): Next {
    const { clock, rules } = this.#options;
    const row = rows.find((one) => one.host === host);
    if (row === undefined) return { at: clock.now(), standing: 'well' };
    const standing = row.ok ? 'well' : 'failing';
    const waitMs = this.#waitOf(standing);
    const agoMs = clock.wall().getTime() - Date.parse(row.at);
    return { standing, at: clock.now() + Math.min(Math.max(waitMs - agoMs, 0), rules.everyMs) };
  }

  #waitOf(standing: CheckStanding): number {
    return askAgainIn(standing, this.#options.rules, this.#options.call().random.next());
  }

  async #forget({ rows, known }: CheckFacts): Promise<void> {
    const gone = rows.map(({ host }) => host).filter((host) => !known.has(host));
    if (gone.length > 0) await this.#write((tx, call) => forgetDevices(tx, call, gone));
  }

  async #ask(host: string, before: CheckStanding): Promise<void> {
    const { devices, clock } = this.#options;
    const { power, text } = await devices.act(host, 'status', TIMEOUT_MS);
    const facts = await this.#facts();
    const verdict = judgeCheck({ power, text, isHeard: facts.heard.has(host) });
    if (verdict === null || !facts.known.has(host)) return;
    const standing = verdict.ok ? 'well' : before === 'well' ? 'doubted' : 'failing';
    if (standing !== 'doubted') await this.#write((tx, call) => tellCheck(tx, call, { host, verdict }));
    this.#next.set(host, { standing, at: clock.now() + this.#waitOf(standing) });
  }

  async #write(work: (tx: Transaction, call: Call) => Promise<readonly EventRow[]>): Promise<void> {
    const { call, onEvent } = this.#options;
    for (const event of await asLeader(this.#options, (tx) => work(tx, call()))) onEvent?.(event);
  }
}
