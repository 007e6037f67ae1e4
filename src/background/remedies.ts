/**
 * Looks after the agents whose watch this server holds: what is overdue is climbed for (convergence/ladder.ts), step by
 * step, and every step is written down. Needs no leader: each agent is connected to one server.
 */
import {
  type Alert,
  ALERTS,
  type Case,
  type Decision,
  Ladder,
  type Step,
  STEP_NUMBERS,
} from '../convergence/ladder.ts';
import type { Tracker } from '../convergence/tracker.ts';
import type { Clock } from '../lib/clock.ts';
import { replaceDhcpBinding } from '../operations/dhcp-moves.ts';
import type { NewEvent } from '../operations/event.ts';
import type { Call } from '../operations/operation.ts';
import { dhcpGroup, type Group, hostGroup, splitKey } from '../resources/agent-view.ts';
import type { Role } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, Transaction } from '../store/store.ts';
import type { EventWriter } from './event-writer.ts';

/** What the watch lends a hand with. */
export interface RemedyWatch {
  /** Hosts whose agent is connected here. */
  connected(): readonly string[];
  /** How many keys the role has to care for there. */
  keys(host: string, role: Role): number;
  /** Digests of the groups go to whoever watches them. false: too many wait already. */
  auditNow(groups: readonly Group[]): boolean;
  /** false: it cannot be handed to the agent. */
  remedy(host: string, ask: RemedyAsk): boolean;
  /** Ends the watch, so that the agent connects anew. */
  cut(host: string, reason: string): boolean;
}

export interface RemedyAsk {
  readonly id: string;
  readonly role: Role;
  readonly keys: readonly string[];
  readonly how: 'resync' | 'rebuild';
}

export interface RemediesOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly clock: Clock;
  readonly call: () => Call;
  readonly tracker: Pick<Tracker, 'overdue'>;
  readonly watch: RemedyWatch;
  readonly events: EventWriter;
  /** Since when this server and its database have been prompt: until they are again it judges nobody. */
  readonly promptSince?: (now: number) => number;
  readonly onFailure: (what: string, error: unknown) => void;
}

type Taken = Extract<Decision, { type: 'step' }>;

const PROMPT_MS = 2_000;
/** A network is given to another agent once in so long, whichever agent fails. */
const REPLACE_AGAIN_MS = 600_000;
/**
 * A watch is cut once in so long, whichever server held it: an agent whose watch is cut goes to the next server, and is
 * silent there again after its deadline for reports.
 */
const CUT_AGAIN_MS = 120_000;
/** How far ahead another server's clock may be. What is dated later than that was written before a clock was set back. */
const AHEAD_MS = 60_000;

export class Remedies {
  readonly #options: RemediesOptions;
  readonly #ladder: Ladder;
  /** The events that began the alerts that are open, for their ends to name. */
  readonly #alertEvents = new Map<string, string>();
  /** When a network was given to another agent from here (monotonic), whatever the wall clock said. */
  readonly #replacedAt = new Map<string, number>();
  readonly #steps: Record<Step, number> = { audit: 0, resync: 0, rebuild: 0, replace: 0, cut: 0, alert: 0 };

  constructor(options: RemediesOptions) {
    this.#options = options;
    this.#ladder = new Ladder(options.clock.now());
  }

  /** Steps taken since the start. */
  get steps(): Readonly<Record<Step, number>> {
    return this.#steps;
  }

  /** Alerts that are open here, by kind. */
  alerts(): Record<Alert, number> {
    const open: Record<Alert, number> = { stuck: 0, silent: 0, lagging: 0 };
    for (const { climb } of this.#ladder.alerts()) open[ALERTS[climb]]++;
    return open;
  }

  /** Whether the alert was raised here and is open, or will be if its matter goes on. */
  holds(alert: EventRow): boolean {
    if ([...this.#alertEvents.values()].includes(alert.id)) return true;
    const { host, object: key } = alert;
    const role = (alert.role || 'dhcp') as Role;
    const climb =
      alert.data['alert'] === 'stuck' ? role : alert.data['alert'] === 'silent' ? 'silent' : 'lagging';
    const of = { climb, host, role, key } as const;
    return this.#ladder.isClimbing(of) && !this.#alertEvents.has(placeOf(of));
  }

  /** One look at what is overdue, and what follows. Several times a second it finds what is new within that time. */
  async tick(): Promise<void> {
    const { clock, tracker, watch, events, promptSince } = this.#options;
    const now = clock.now();
    const promptMs = now - (promptSince?.(now) ?? Number.NEGATIVE_INFINITY);
    if (promptMs >= PROMPT_MS) {
      const overdue = tracker.overdue(now);
      const connected = new Set(watch.connected());
      const keys = (host: string, role: Role) => watch.keys(host, role);
      for (const decision of this.#ladder.decide(overdue, { connected, keys, promptMs }, now)) {
        if (decision.type === 'step') await this.#take(decision);
        else this.#end(decision);
      }
    }
    await events.flush();
  }

  async #take(taken: Taken): Promise<void> {
    const { events, onFailure, clock, call } = this.#options;
    const id = call().random.uuid();
    try {
      // it has not helped before: what is next in line may
      if (taken.step === 'cut' && (await this.#wasCut(taken.of.host))) return;
      const isDone = await this.#perform(taken, id);
      this.#steps[taken.step]++;
      const { id: eventId } = events.add(eventOf(taken, { id, isDone }));
      if (taken.step === 'alert') this.#alertEvents.set(placeOf(taken.of), eventId);
    } catch (error) {
      this.#ladder.failed(taken, clock.now());
      onFailure(`remedy ${taken.step}`, error);
    }
  }

  #end({ of, isHere }: Extract<Decision, { type: 'alert-ended' }>): void {
    const ends = this.#alertEvents.get(placeOf(of)) ?? '';
    this.#alertEvents.delete(placeOf(of));
    this.#options.events.add(endOf(of, { isHere, ends }));
  }

  /** false: it could not be done; the next step is due as if it had not helped. */
  async #perform({ step, of }: Taken, id: string): Promise<boolean> {
    const { watch } = this.#options;
    const { host, role, key } = of;
    switch (step) {
      case 'audit':
        return watch.auditNow(groupsOf(of));
      case 'resync':
      case 'rebuild':
        return watch.remedy(host, { id, role, keys: [key], how: step });
      case 'replace':
        return this.#replace(of);
      case 'cut':
        return watch.cut(host, 'its reports do not come');
      case 'alert':
        return true;
    }
  }

  /** Whether any server cut the host's watch lately, by the events. */
  async #wasCut(host: string): Promise<boolean> {
    const { store, call } = this.#options;
    const remedies = await store.view((view) => view.events.find({ host, kind: 'remedy', object: '' }));
    return remedies.some((one) => wasDone(one, 'cut') && isRecent(one, call(), CUT_AGAIN_MS));
  }

  async #replace({ host, role, key }: Case): Promise<boolean> {
    const { store, call, clock } = this.#options;
    for (const [one, at] of this.#replacedAt)
      if (clock.now() - at >= REPLACE_AGAIN_MS) this.#replacedAt.delete(one);
    if (this.#replacedAt.has(key)) return false;
    const networkId = splitKey(key).id;
    const { result } = await store.transact(async (tx) => {
      const agent = await tx.agents.get({ host, role });
      return agent && !(await wasReplaced(tx, call(), key))
        ? replaceDhcpBinding(tx, call(), { networkId, agentId: agent.id })
        : 'nobody';
    });
    if (result === 'replaced') this.#replacedAt.set(key, clock.now());
    return result !== 'nobody';
  }
}

/** What fails with one agent after another would go round for ever: whether any server tried another one lately, by the events. */
async function wasReplaced(tx: Transaction, call: Call, key: string): Promise<boolean> {
  const remedies = await tx.events.find({ object: key, kind: 'remedy' });
  return remedies.some((one) => wasDone(one, 'replace') && isRecent(one, call, REPLACE_AGAIN_MS));
}

const wasDone = ({ data }: EventRow, step: Step): boolean => data['remedy'] === step && data['done'] === true;

function isRecent({ at }: EventRow, { clock }: Call, withinMs: number): boolean {
  const ageMs = clock.wall().getTime() - Date.parse(at);
  return ageMs < withinMs && ageMs > -AHEAD_MS;
}

const placeOf = ({ climb, host, role, key }: Pick<Case, 'climb' | 'host' | 'role' | 'key'>): string =>
  climb === 'silent' ? host : `${climb} ${host} ${role} ${key}`;

/** The groups that the role makes the key from. */
function groupsOf({ host, role, key }: Case): Group[] {
  return role === 'dhcp' ? [dhcpGroup(splitKey(key).id), key] : [key, hostGroup(host)];
}

/** What is done, and what is said where it could not be. */
const DONE: Readonly<Record<Step, readonly [string, string]>> = {
  audit: ['its mirror is compared with the rows', 'its mirror waits for its turn to be compared'],
  resync: ['the agent is asked to do it anew', 'the agent cannot be asked to do it anew'],
  rebuild: [
    'the agent is asked to rebuild what does not serve',
    'the agent cannot be asked to rebuild what does not serve',
  ],
  replace: ['another agent is to serve it', 'no other agent can serve it, or one was tried lately'],
  cut: ['its watch is cut, so that it connects anew', 'its watch has ended by itself'],
  alert: ['what could be done has not helped', ''],
};

/** Silence of all roles is of none in particular. */
const roleOf = ({ climb, role, objects }: Case): Role | '' =>
  climb === 'silent' && objects.length > 1 ? '' : role;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** What is the matter, as the beginning of a sentence. */
function matterOf({ climb, host, role, key, objects, count, reason, forMs }: Case): string {
  if (climb === 'silent') return `No report of ${objects.join(' and ')} on ${host} for ${seconds(forMs)}`;
  if (climb === 'lagging')
    return `${role} on ${host} is behind as a whole: ${count} overdue, the oldest for ${seconds(forMs)}`;
  return `${role} on ${host} has not realised ${key} for ${seconds(forMs)} (${reason})`;
}

function dataOf(of: Case): Record<string, unknown> {
  const { objects, count, since, reason, forMs } = of;
  return { objects, count, since, reason, overdue_ms: Math.round(forMs) };
}

function eventOf({ step, round, of }: Taken, { id, isDone }: { id: string; isDone: boolean }): NewEvent {
  const { host, key, climb } = of;
  const isAlert = step === 'alert';
  const matter = matterOf(of);
  const done = isAlert && climb === 'lagging' ? '' : `: ${DONE[step][isDone ? 0 : 1]}`;
  const common = { host, role: roleOf(of), object: key, message: `${matter}${done}.` };
  const data = { step: STEP_NUMBERS[step], remedy: step, id, done: isDone, round, ...dataOf(of) };
  return isAlert
    ? {
        kind: 'alert',
        severity: climb === 'lagging' ? 'warning' : 'error',
        ...common,
        data: { alert: ALERTS[climb], ...data },
      }
    : { kind: 'remedy', severity: isDone ? 'info' : 'warning', ...common, data };
}

function endOf(of: Case, { isHere, ends }: { isHere: boolean; ends: string }): NewEvent {
  const { host, role, key, climb } = of;
  const what = climb === 'silent' ? 'What is reported' : `${role}${key === '' ? '' : `, ${key},`}`;
  const message = isHere
    ? `${what} on ${host} is as it should be again.`
    : `${host} is not connected to this server any more: the one that hears it next follows it up.`;
  const data = { alert: ALERTS[climb], ends, resolved: isHere };
  return { kind: 'alert-ended', severity: 'info', host, role: roleOf(of), object: key, message, data };
}
