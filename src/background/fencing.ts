/**
 * Switches hosts off that two witnesses take for gone (arbitration/fencing.ts), by devices that the operator named; without any this
 * is not even begun, and nothing else asks for it.
 *
 *   facts ──judge──> refused: an alert ...........................................
 *               └──> begun: a row, under the leader's guard ──> status ──> off ──> status ──> off, or failed: an alert
 *
 * Only the leader begins, and it begins in a transaction that holds its lease and takes the next number: so of two servers one
 * does. That no number was taken for a window is timed by each server on its own clock, from when it saw the last one; one that has just
 * started waits for a whole window where there ever was an action. An action whose server is gone has failed.
 */
import {
  type FenceRules,
  type FenceVerdict,
  judgeFencing,
  nextToFence,
  type Suspect,
} from '../arbitration/fencing.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import { eventRow } from '../operations/event.ts';
import {
  beginFencing,
  endFencing,
  type FenceFacts,
  fencedReturned,
  fenceFacts,
  type FencingEnd,
  openRefusals,
  stepEvent,
  tellRefusal,
} from '../operations/fencing.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import type { FencingRow } from '../resources/fencing.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { Duty } from './duties.ts';
import { asLeader, type Leader } from './leader.ts';

/** What a device says of a host's power, and what it wrote. */
export interface PowerAnswer {
  readonly power: 'on' | 'off' | 'unknown';
  readonly text: string;
}

/** The devices, and how they are asked. */
export interface FenceDevices {
  /** Hosts that have one. Rejects where what names them cannot be relied on. */
  hosts(): Promise<ReadonlySet<string>>;
  /**
   * Rejects for nothing that the device does. `off` says what came of it, `status` what is so. A device is asked one thing at a
   * time, whoever asks; the time (of its own, by default) begins with its turn.
   */
  act(host: string, action: 'status' | 'off', timeoutMs?: number): Promise<PowerAnswer>;
}

export interface FencingOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly leader: Pick<Leader, 'isLeader' | 'term' | 'guard'>;
  readonly serverId: string;
  /** Whether the server of that name lives. */
  readonly isHeard: (serverId: string) => boolean;
  /** Since when this server has been prompt: what it has seen for longer than that does not count. */
  readonly promptSince: (now: number) => number;
  /** The host that this server runs on, as its agent calls itself. */
  readonly ownHost: string;
  readonly devices: FenceDevices;
  readonly rules: FenceRules;
  readonly onEvent?: (event: EventRow) => void;
}

const LOOK_MS = 2_000;
/** After `off` the device is asked so often whether it is. */
const ASKED = 5;
const ASK_AGAIN_MS = 2_000;

interface Seen {
  readonly deadSince: number;
  readonly agreedSince: number | null;
}

export function fencingDuty(options: FencingOptions): Duty {
  const fencing = new Fencing(options);
  return { name: 'fencing', intervalMs: LOOK_MS, perform: () => fencing.look() };
}

class Fencing {
  readonly #options: FencingOptions;
  /** The last number of all, and when this server first saw it. */
  #last = { number: 0, at: 0 };
  #term = 0;
  #seen = new Map<string, Seen>();
  /** Refusals that are told, by host. */
  #refused = new Map<string, string>();
  /** What could not be written yet. */
  #unsaid: ((tx: Transaction, call: Call) => Promise<readonly EventRow[]>)[] = [];

  constructor(options: FencingOptions) {
    this.#options = options;
  }

  async look(): Promise<void> {
    const { store, call, leader, devices } = this.#options;
    await this.#sayAll();
    const among = await devices.hosts();
    const facts = await store.view((view) => fenceFacts(view, call(), among));
    this.#watchNumbers(facts.rows);
    if (!leader.isLeader) {
      this.#term = 0;
      this.#seen.clear();
      return;
    }
    if (leader.term !== this.#term) {
      this.#seen.clear();
      this.#refused = await store.view((view) => openRefusals(view));
      this.#term = leader.term;
    }
    await this.#tidy(facts);
    await this.#judge(facts);
  }

  #watchNumbers(rows: readonly FencingRow[]): void {
    const number = Math.max(0, ...rows.map((row) => row.number));
    if (number > this.#last.number) this.#last = { number, at: this.#options.clock.now() };
  }

  async #write(work: (tx: Transaction, call: Call) => Promise<readonly EventRow[]>): Promise<void> {
    const { call, onEvent } = this.#options;
    for (const event of await asLeader(this.#options, (tx) => work(tx, call()))) onEvent?.(event);
  }

  /** What other lives of servers left, and hosts that are heard again. */
  async #tidy({ rows, dead }: FenceFacts): Promise<void> {
    const { serverId, isHeard } = this.#options;
    const isGone = ({ state, server_id }: FencingRow) =>
      state === 'acting' && (server_id === serverId || !isHeard(server_id));
    for (const { host, number, server_id } of rows.filter(isGone)) {
      const message = `Server ${server_id} ended while it switched ${host} off: whether it is off is not known.`;
      await this.#write((tx, call) => endFencing(tx, call, { host, number, state: 'failed', message }));
    }
    const names = new Set(dead.map(({ host }) => host));
    const done = rows.filter(({ state }) => state === 'off' || state === 'failed').map(({ host }) => host);
    const missing = done.filter((host) => !names.has(host));
    if (missing.length > 0) await this.#write((tx, call) => this.#returned(tx, call, missing));
  }

  /** Among hosts that are not dead, or have no device any more: those that are heard. */
  async #returned(tx: Transaction, call: Call, hosts: readonly string[]): Promise<readonly EventRow[]> {
    const heard = (await tx.agents.find({ host: hosts })).filter((one) => call.isAlive(one));
    return fencedReturned(tx, call, [...new Set(heard.map(({ host }) => host))]);
  }

  async #judge(facts: FenceFacts): Promise<void> {
    const { clock, ownHost, rules } = this.#options;
    const now = clock.now();
    this.#follow(facts, now);
    const quietMs = this.#last.number === 0 ? null : now - this.#last.at;
    const cloud = { hosts: facts.hosts, bad: facts.bad, quietMs };
    const verdicts = facts.dead.map((one): [Suspect, FenceVerdict] => {
      const { deadSince, agreedSince } = this.#seen.get(one.host) ?? { deadSince: now, agreedSince: null };
      const agreedMs = agreedSince === null ? 0 : now - agreedSince;
      const suspect = { ...one, deadMs: now - deadSince, agreedMs, isOwn: one.host === ownHost };
      return [suspect, judgeFencing(suspect, cloud, rules)];
    });
    await this.#tellRefusals(verdicts);
    const due = verdicts.filter(([, verdict]) => verdict.do === 'fence').map(([suspect]) => suspect);
    const next = nextToFence(due);
    const verdict = verdicts.find(([suspect]) => suspect === next)?.[1];
    if (next && verdict?.do === 'fence') await this.#fence(next.host, verdict.why);
  }

  /** Since when each is dead, and all witnesses of one mind. */
  #follow({ dead }: FenceFacts, now: number): void {
    const prompt = this.#options.promptSince(now);
    const before = this.#seen;
    this.#seen = new Map(
      dead.map(({ host, witnesses }) => {
        const known = before.get(host);
        const isAgreed = witnesses.length > 0 && witnesses.every(({ answers }) => !answers);
        const agreedSince = isAgreed ? Math.max(prompt, known?.agreedSince ?? now) : null;
        return [host, { deadSince: Math.max(prompt, known?.deadSince ?? now), agreedSince }];
      }),
    );
  }

  async #tellRefusals(verdicts: readonly (readonly [Suspect, FenceVerdict])[]): Promise<void> {
    const now = new Map(
      verdicts.flatMap(([{ host }, verdict]) => (verdict.do === 'refuse' ? [[host, verdict] as const] : [])),
    );
    for (const host of new Set([...now.keys(), ...this.#refused.keys()])) {
      const refused = now.get(host) ?? null;
      if (this.#refused.get(host) === refused?.refusal) continue;
      await this.#write((tx, call) => tellRefusal(tx, call, { host, refused }));
      if (refused === null) this.#refused.delete(host);
      else this.#refused.set(host, refused.refusal);
    }
  }

  async #fence(host: string, why: string): Promise<void> {
    const { call, serverId, onEvent } = this.#options;
    const after = this.#last.number;
    const begun = await asLeader(this.#options, (tx) =>
      beginFencing(tx, call(), { host, after, serverId, why }),
    );
    if (begun === null) return;
    for (const event of begun.events) onEvent?.(event);
    this.#last = { number: begun.number, at: this.#options.clock.now() };
    this.#refused.delete(host);
    const end = await this.#switchOff(host);
    this.#unsaid.push((tx, call) => endFencing(tx, call, { host, number: begun.number, ...end }));
    // the window begins when it is over
    this.#last = { number: begun.number, at: this.#options.clock.now() };
    await this.#sayAll();
  }

  /** Each step is told; what could not be written is written later. */
  async #switchOff(host: string): Promise<Pick<FencingEnd, 'state' | 'message'>> {
    const { devices, clock } = this.#options;
    const before = await devices.act(host, 'status');
    await this.#step(host, 'status', `The fence device of ${host} says: ${before.power} (${before.text}).`);
    if (before.power === 'off')
      return { state: 'off', message: `Host ${host} was off already, as its fence device says.` };
    const heard = await this.#isHeardAgain(host);
    if (heard !== null) return heard;
    const off = await devices.act(host, 'off');
    await this.#step(
      host,
      'off-told',
      `The fence device of ${host} was told to switch it off (${off.text}).`,
    );
    for (let asked = 1; ; asked++) {
      const { power, text } = await devices.act(host, 'status');
      if (power === 'off') return { state: 'off', message: `Host ${host} is off, as its fence device says.` };
      if (asked === ASKED) {
        const message = `Host ${host} was to be switched off, and its fence device says: ${power} (${text}). Off: ${off.text}.`;
        return { state: 'failed', message };
      }
      await sleep(clock, ASK_AGAIN_MS);
    }
  }

  /** The last look before it is done; who cannot look does nothing. */
  async #isHeardAgain(host: string): Promise<Pick<FencingEnd, 'state' | 'message'> | null> {
    const { store, call, leader } = this.#options;
    try {
      const agents = await store.view((view) => view.agents.find({ host }));
      if (agents.some((one) => call().isAlive(one)))
        return { state: 'spared', message: `Host ${host} is heard again: it is left as it is.` };
    } catch (error) {
      const message = `Host ${host} was not switched off: the database does not answer (${(error as Error).message}).`;
      return { state: 'failed', message };
    }
    if (leader.isLeader) return null;
    return { state: 'failed', message: `Host ${host} was not switched off: another server leads now.` };
  }

  async #step(host: string, step: string, message: string): Promise<void> {
    const row = eventRow(this.#options.call(), stepEvent(host, step, message));
    this.#unsaid.push(async (tx) => {
      await tx.events.insert([row]);
      return [row];
    });
    // what is under way goes on without the database
    await this.#sayAll().catch(() => undefined);
  }

  async #sayAll(): Promise<void> {
    const { store, call, onEvent } = this.#options;
    for (let work = this.#unsaid[0]; work !== undefined; work = this.#unsaid[0]) {
      const write = work;
      const { result } = await store.transact((tx) => write(tx, call()));
      this.#unsaid.shift();
      for (const event of result) onEvent?.(event);
    }
  }
}
