/**
 * The leader's judgement: which agents that nobody hears are dead, which are back, and when so many are silent at once
 * that nobody is (convergence/liveness.ts, mass-silence.ts). Each transition is one write and one event.
 */
import {
  holdMs,
  type LivenessContext,
  type LivenessEffect,
  type LivenessEvent,
  type LivenessRecord,
  type LivenessTimes,
  startLiveness,
  stepLiveness,
} from '../convergence/liveness.ts';
import { type Area, isWithin, massOf, massSilences, type Silence } from '../convergence/mass-silence.ts';
import type { Clock } from '../lib/clock.ts';
import {
  declareDead,
  declareReturned,
  declareStable,
  massAlerts,
  massBegan,
  massOver,
} from '../operations/liveness.ts';
import type { Call } from '../operations/operation.ts';
import type { Liveness } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { Sighting, Store, Transaction } from '../store/store.ts';
import { asLeader, type Leader, NotLeader } from './leader.ts';
import type { Look } from './presence.ts';

export interface DeathsOptions {
  readonly store: Store;
  readonly leader: Pick<Leader, 'isLeader' | 'term' | 'guard'>;
  readonly times: LivenessTimes;
  readonly clock: Clock;
  readonly call: () => Call;
  /** After each transition that was written here: the log says the same. */
  readonly onEvent?: (event: EventRow) => void;
  /** Agents died or came back: placement has something to do. */
  readonly onChange?: () => void;
}

/** A host's agents together: one watch carries them all. */
interface HostSeen {
  readonly host: string;
  readonly zone: string;
  readonly liveness: Liveness;
  readonly deaths: number;
  /** By the newest of their rows; a report that is committed moves it. */
  readonly heartbeatAt: string;
  readonly fact: 'heard' | 'silent' | 'orphaned';
}

interface Followed {
  record: LivenessRecord;
  zone: string;
  heartbeatAt: string;
  /** A verdict on it waited so long that it was judged anew; the next one counts. */
  hasWaited?: boolean;
}

/** Many silent at once, in one area. */
interface Mass {
  readonly since: number;
  /** Since when it has been fewer. */
  below: number | null;
  isTold: boolean;
}

interface Step {
  readonly host: string;
  readonly record: LivenessRecord;
  readonly effect: LivenessEffect;
}

const MOST_AT_ONCE = 100;

export class DeathWatch {
  readonly #options: DeathsOptions;
  readonly #hosts = new Map<string, Followed>();
  /** Deaths of just now, which still count as part of a mass. */
  readonly #died = new Map<string, { readonly at: number; readonly zone: string }>();
  /** Areas where a mass is silent. */
  readonly #masses = new Map<Area, Mass>();
  #term = 0;
  #attentiveSince = 0;
  /** When a verdict was last found to have waited too long for the database. */
  #lateAt = 0;

  constructor(options: DeathsOptions) {
    this.#options = options;
  }

  /** Where a mass is silent, as far as this server leads: there nothing is moved. */
  get masses(): readonly Area[] {
    return [...this.#masses.keys()];
  }

  /** Judges by what was seen. Does nothing on a server that does not lead. */
  async pass(look: Look): Promise<void> {
    const { leader, clock, times } = this.#options;
    if (!leader.isLeader) return this.#forget();
    if (leader.term !== this.#term) await this.#begin();
    const context = { now: clock.now(), times };
    // asked with the very time that is judged by: a pause until here shows in both
    const attentiveSince = Math.max(this.#lateAt, look.attentiveSince(context.now));
    try {
      const steps = this.#observe(look, attentiveSince, context);
      await this.#weigh(context);
      steps.push(...this.#all('time', context));
      await this.#perform(steps, look);
    } catch (error) {
      if (error instanceof NotLeader) this.#forget();
      else if (!(error instanceof Overtaken)) throw error;
    }
  }

  #forget(): void {
    this.#term = 0;
    this.#hosts.clear();
    this.#died.clear();
    this.#masses.clear();
  }

  /** A new term knows what the rows and the events say; all windows begin anew. */
  async #begin(): Promise<void> {
    const { store, leader, clock, times } = this.#options;
    const { term } = leader;
    this.#forget();
    const known = await store.view(async (view) => ({
      areas: await massAlerts(view),
      died: await view.sightings([], 'died'),
    }));
    for (const area of known.areas) {
      this.#masses.set(area, { since: 0, below: null, isTold: true });
    }
    for (const row of known.died) {
      const record = startLiveness(row, { now: clock.now(), times });
      const { availability_zone: zone, heartbeat_at: heartbeatAt } = row;
      this.#hosts.set(row.host, { zone, heartbeatAt, record });
    }
    this.#term = term;
  }

  /** Gives each host its facts. What has an effect is returned, and takes place once it is written. */
  #observe(look: Look, attentiveSince: number, context: LivenessContext): Step[] {
    const steps: Step[] = [];
    const isBlind = attentiveSince > this.#attentiveSince;
    this.#attentiveSince = Math.max(this.#attentiveSince, attentiveSince);
    const seen = byHost(look);
    for (const [host, followed] of this.#hosts) {
      if (seen.has(host)) continue;
      // alive and claimed, or removed
      this.#step(host, 'heard', context);
      const { state, deaths } = followed.record;
      if (state !== 'alive' || deaths === 0) this.#hosts.delete(host);
    }
    for (const one of seen.values()) {
      const known = this.#hosts.get(one.host);
      const isSame = known && (known.record.state === 'dead') === (one.liveness === 'dead');
      const { zone, heartbeatAt } = one;
      // whoever hears it may be too slow to say so; what it reports is heard all the same
      const isReported = known !== undefined && one.liveness !== 'dead' && heartbeatAt > known.heartbeatAt;
      const fact = isReported ? 'heard' : one.fact;
      if (isSame) Object.assign(known, { zone, heartbeatAt });
      else this.#hosts.set(one.host, { zone, heartbeatAt, record: startLiveness(one, context) });
      const step = this.#step(one.host, fact, context);
      if (step) steps.push(step);
      if (known && fact === 'heard') known.hasWaited = false;
      if (isBlind) this.#step(one.host, 'blind', context);
    }
    return steps;
  }

  /** One event for one host. An effect is left to be written first. */
  #step(host: string, event: LivenessEvent, context: LivenessContext): Step | undefined {
    const followed = this.#hosts.get(host);
    if (!followed) return undefined;
    const { record, effect } = stepLiveness(followed.record, event, context);
    if (effect !== null) return { host, record, effect };
    followed.record = record;
    return undefined;
  }

  #all(event: LivenessEvent, context: LivenessContext, area?: Area): Step[] {
    const steps: Step[] = [];
    for (const [host, { zone }] of this.#hosts) {
      if (area !== undefined && !isWithin(area, zone)) continue;
      const step = this.#step(host, event, context);
      if (step) steps.push(step);
    }
    return steps;
  }

  /** Are too many silent at once? Asked before anybody is declared dead, and until it is over. */
  async #weigh(context: LivenessContext): Promise<void> {
    const { now, times } = context;
    for (const [host, { at }] of this.#died) if (now - at >= 2 * times.detectMs) this.#died.delete(host);
    const isAnyDue = [...this.#hosts.values()].some(
      ({ record }) => record.state === 'suspect' && record.due !== null && now >= record.due,
    );
    if (!isAnyDue && this.#masses.size === 0) return;
    const silent = this.#silentZones(now);
    const gone = [...this.#hosts]
      .filter(([host, { record }]) => record.state === 'dead' && !this.#died.has(host))
      .map(([, { zone }]) => zone);
    const isPossible = silent.length >= massOf(0);
    const fleet = isPossible ? await this.#options.store.view((view) => view.fleet()) : new Map();
    const found = isPossible ? massSilences(fleet, { silent, gone }) : [];
    for (const silence of found) await this.#massGoesOn(silence, context);
    for (const [area, mass] of this.#masses) {
      if (found.some((silence) => silence.area === area)) mass.below = null;
      else await this.#massEnds(area, mass, context);
    }
    for (const area of this.#masses.keys()) this.#all('mass', context, area);
  }

  /** The zone of each host that is silent, by its own doing as far as is known, or that died just now. */
  #silentZones(now: number): string[] {
    const zones: string[] = [];
    for (const [host, { record, zone }] of this.#hosts) {
      const { state, isOrphan, due } = record;
      const isSuspect = state === 'suspect' && (!isOrphan || (due !== null && now >= due));
      if (isSuspect || state === 'muffled' || (state === 'dead' && this.#died.has(host))) zones.push(zone);
    }
    return zones;
  }

  /** Counts at once; told of a little later, lest a fleet that falls silent be told of zone by zone. */
  async #massGoesOn(silence: Silence, { now, times }: LivenessContext): Promise<void> {
    const { area } = silence;
    const mass = this.#masses.get(area) ?? { since: now, below: null, isTold: false };
    this.#masses.set(area, mass);
    if (mass.isTold || now - mass.since < times.heartbeatMs + times.lookMs) return;
    await this.#write((tx, call) => massBegan(tx, call, silence));
    mass.isTold = true;
  }

  /** It is over once fewer have been silent for a while; who still is gets a whole window. */
  async #massEnds(area: Area, mass: Mass, context: LivenessContext): Promise<void> {
    mass.below ??= context.now;
    const since = Math.max(mass.below, this.#attentiveSince);
    if (context.now - since < context.times.detectMs) return;
    if (mass.isTold) await this.#write((tx, call) => massOver(tx, call, area));
    this.#masses.delete(area);
    this.#all('mass-over', context, area);
  }

  async #perform(steps: readonly Step[], look: Look): Promise<void> {
    const of = (...effects: LivenessEffect[]) => steps.filter((step) => effects.includes(step.effect));
    const died = of('died').filter(({ host }) => !look.hears(host));
    for (const some of inChunks(died)) {
      const verdicts = some.map(({ host, record }) => {
        const heartbeatAt = this.#hosts.get(host)?.heartbeatAt ?? '';
        return { host, deaths: record.deaths, heartbeatAt };
      });
      const { isHeard } = look;
      const silentMs = this.#options.times.detectMs;
      const began = this.#options.clock.now();
      const events = await this.#write(async (tx, call) => {
        const written = await declareDead(tx, call, { verdicts, isHeard, silentMs });
        this.#assertStillSo(some, look, began);
        return written;
      });
      this.#adopt(some);
      const at = this.#options.clock.now();
      for (const { host } of events) this.#died.set(host, { at, zone: this.#hosts.get(host)?.zone ?? '' });
    }
    for (const some of inChunks(of('returned'))) {
      const returns = some.map(({ host, record: { deaths } }) => ({ host, deaths, holdMs: holdMs(deaths) }));
      await this.#write((tx, call) => declareReturned(tx, call, returns));
      this.#adopt(some);
    }
    for (const step of of('released', 'forgiven')) {
      await this.#write(async (tx) => {
        await declareStable(tx, { host: step.host, deaths: step.record.deaths });
        return [];
      });
      this.#adopt([step]);
    }
    if (steps.length > 0) this.#options.onChange?.();
  }

  /** The write may have taken long: what it says must not have been overtaken, nor can one who waited judge. */
  #assertStillSo(steps: readonly Step[], look: Look, began: number): void {
    const { clock, times } = this.#options;
    const now = clock.now();
    // who holds the rows for so long may be another server that hears them
    if (now - began > times.silentMs) this.#lateAt = now;
    const isBlind = Math.max(this.#lateAt, look.attentiveSince(now)) > this.#attentiveSince;
    if (isBlind || steps.some(({ host }) => look.hears(host))) throw new Overtaken('judged anew');
    // another server that hears them may have waited for the same rows: its turn is first
    if (now - began > times.lookMs / 2 && this.#waitsFirst(steps)) throw new Overtaken('let others write');
  }

  /** Whether one of them has not waited yet. */
  #waitsFirst(steps: readonly Step[]): boolean {
    const fresh = steps.map(({ host }) => this.#hosts.get(host)).filter((one) => one && !one.hasWaited);
    for (const one of fresh) if (one) one.hasWaited = true;
    return fresh.length > 0;
  }

  #adopt(steps: readonly Step[]): void {
    for (const { host, record } of steps) {
      const followed = this.#hosts.get(host);
      if (followed) followed.record = record;
    }
  }

  async #write(work: (tx: Transaction, call: Call) => Promise<EventRow[]>): Promise<EventRow[]> {
    const { call, onEvent } = this.#options;
    const events = await asLeader(this.#options, (tx) => work(tx, call()));
    for (const event of events) onEvent?.(event);
    return events;
  }
}

/** A verdict that is no longer so before it was written. */
class Overtaken extends Error {}

/** Hosts in the order of the sightings. One role's row that a living server claims speaks for all. */
function byHost({ sightings, isHeard, hears }: Look): Map<string, HostSeen> {
  const hosts = new Map<string, HostSeen>();
  for (const [host, rows] of Map.groupBy(sightings, (one: Sighting) => one.host)) {
    const [first] = rows;
    if (!first) continue;
    const isAnyHeard = hears(host) || rows.some((row) => row.server_id !== '' && isHeard(row.server_id));
    const isOrphaned = rows.some((row) => row.server_id !== '');
    hosts.set(host, {
      ...{ host, liveness: first.liveness, zone: first.availability_zone },
      deaths: Math.max(...rows.map((row) => row.deaths)),
      heartbeatAt:
        rows
          .map((row) => row.heartbeat_at)
          .toSorted()
          .at(-1) ?? '',
      fact: isAnyHeard ? 'heard' : isOrphaned ? 'orphaned' : 'silent',
    });
  }
  return hosts;
}

function* inChunks(steps: readonly Step[]): Generator<readonly Step[]> {
  for (let at = 0; at < steps.length; at += MOST_AT_ONCE) yield steps.slice(at, at + MOST_AT_ONCE);
}
