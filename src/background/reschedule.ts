/**
 * Keeps every network's DHCP on agents that live: the leader begins moves, any server finishes them when a report says that the target
 * serves. What is to be done is read from rows each time (operations/dhcp-reschedule.ts): nothing is queued, nothing waits for a dead
 * agent, and a server that takes over knows all there is to know. It runs when it is woken (an agent died, returned, connected), when
 * agents were switched on or off, and now and then by itself.
 */
import { Allowance } from '../lib/allowance.ts';
import type { Clock } from '../lib/clock.ts';
import { openAlerts, type Stay, tellStaying, tellUnserved } from '../operations/dhcp-alerts.ts';
import { finishMoves, leavingNetworks, ripeNetworks } from '../operations/dhcp-handover.ts';
import { beginMoves, type Move } from '../operations/dhcp-moves.ts';
import { planReschedule, type ReschedulePlan } from '../operations/dhcp-reschedule.ts';
import { syncDhcp } from '../operations/dhcp-scheduling.ts';
import type { Call } from '../operations/operation.ts';
import type { EventRow } from '../resources/event.ts';
import type { Store, Transaction } from '../store/store.ts';
import { asLeader } from './leader.ts';

export interface RescheduleLimits {
  /** Replicas that are added in a second, over all agents. */
  readonly perSecond: number;
  /** Networks that one agent may have been given and not serve yet. */
  readonly inFlight: number;
  /** Networks that are moved in a minute to even out loads; 0 never does. */
  readonly evenPerMinute: number;
}

export const RESCHEDULE_DEFAULTS: RescheduleLimits = { perSecond: 500, inFlight: 300, evenPerMinute: 6 };

export interface RescheduleOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly call: () => Call;
  readonly clock: Clock;
  readonly limits: RescheduleLimits;
  readonly leader: { readonly isLeader: boolean; guard(tx: Pick<Transaction, 'leases'>): Promise<void> };
  readonly onFailure: (what: string, error: unknown) => void;
  /** Told of each event once it is written: for the log. */
  readonly onEvent?: (event: EventRow) => void;
}

/** One transaction's networks: small enough that a user's request for one of them waits a moment only. */
const BATCH = 100;
const LOOK_MS = 2_000;
/** How often every network is looked at, and every sixth time all DHCP ports too. */
const LOOK_AT_ALL_MS = 10_000;
const LOOKS_PER_PORT_LOOK = 6;
/** Looks at every network for which one whose move was refused is not moved to even out loads. */
const LOOKS_CRAMPED = 60;
/** Between two looks at every network, however often it is woken: agents come back in flocks. A death needs no such look. */
const ALL_PAUSE_MS = 1_000;
const AGAIN_MS = 100;
const FINISH_MS = { shortest: 50, longest: 2_000 };

export class Rescheduler {
  readonly #options: RescheduleOptions;
  readonly #additions: Allowance;
  readonly #evening: Allowance;
  /** Ends the pause of each loop early. */
  #wakeLook: () => void = () => undefined;
  #wakeFinish: () => void = () => undefined;
  #woken = true;
  /** Since every network was looked at it was woken. */
  #isAllDue = false;
  /** When all were looked at last, and how often. */
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looks = 0;
  /** The last look found what cannot be helped: it is not repeated until something changes. */
  #helpless = false;
  /** How many DHCP agents were switched on when it was looked last; undefined where nobody looked. */
  #switchedOn: number | undefined;
  /** As far as known here, whether any binding is leaving. */
  #leaving = true;
  #reported = false;
  /** To be served comes before tidying up. */
  #beginning = false;
  #open: { readonly unserved: readonly string[]; readonly staying: readonly string[] } | undefined;
  /** Networks whose move was refused for want of an address: not tried again until all are looked at. */
  #refused: ReadonlySet<string> = new Set();
  /** Those of the last ten minutes or so, and the look after which each is forgotten. */
  readonly #cramped = new Map<string, number>();
  /** Networks that nobody served, though that could end soon, when all were looked at last: if nobody still does, that is told. */
  #queued: ReadonlySet<string> = new Set();
  #counts = { added: 0, gone: 0 };

  constructor(options: RescheduleOptions) {
    this.#options = options;
    const { clock, limits } = options;
    const { perSecond, evenPerMinute } = limits;
    const now = clock.now();
    this.#additions = new Allowance({ perSecond, burst: 2 * perSecond }, now);
    const even = { perSecond: evenPerMinute / 60, burst: Math.ceil(evenPerMinute / 2) };
    this.#evening = new Allowance(even, now);
  }

  /** Bindings that this server added and took away, and how many networks nobody serves, as far as the leader knows. */
  get counts(): Record<'added' | 'gone' | 'unserved' | 'staying', number> {
    const open = { unserved: this.#open?.unserved.length ?? 0, staying: this.#open?.staying.length ?? 0 };
    return { ...this.#counts, ...open };
  }

  /** Something about agents has changed: one died, returned, connected, was switched off or removed. */
  wake(): void {
    this.#woken = true;
    this.#wakeLook();
  }

  /** A report was taken here: a target may serve now. Costs nothing while nothing is moved. */
  reported(): void {
    if (!this.#leaving) return;
    this.#reported = true;
    this.#wakeFinish();
  }

  /** Until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#runLooks(signal), this.#runFinishing(signal)]);
  }

  /**
   * Looks and begins what is to be done, with `all` at every network. Whether there is more to do soon. Throws NotLeader where another
   * server leads: nothing of the transaction remains.
   */
  async look(all: boolean): Promise<boolean> {
    const { store, call, limits } = this.#options;
    const most = Math.min(this.#whole(this.#additions), 10 * BATCH);
    const order = {
      ...{ all, most, budget: limits.inFlight },
      ports: all && this.#looks++ % LOOKS_PER_PORT_LOOK === 0,
      even: all ? this.#whole(this.#evening) : 0,
    };
    const skip = all ? new Set<string>() : this.#refused;
    for (const [id, until] of this.#cramped) if (until < this.#looks) this.#cramped.delete(id);
    const cramped = new Set(this.#cramped.keys());
    const plan = await store.view((view) =>
      planReschedule(view, call(), { ...order, skip, refused: cramped }),
    );
    const refused = await this.#begin(plan.moves);
    this.#refused = new Set([...skip, ...refused.map((move) => move.networkId)]);
    for (const { networkId } of refused) this.#cramped.set(networkId, this.#looks + LOOKS_CRAMPED);
    await this.#mendPorts(plan.portless);
    if (plan.looked) {
      const isDeserted = ({ networkId }: Move) => plan.deserted.has(networkId);
      const queued = [...plan.queued, ...refused.filter(isDeserted).map((move) => move.networkId)];
      const stays = await this.#staysOf(refused.filter((move) => !isDeserted(move)));
      await this.#tell({ ...plan, queued, staying: [...plan.staying, ...stays] }, all);
    }
    this.#helpless = plan.looked && plan.moves.length === 0 && !plan.waiting;
    return plan.waiting;
  }

  /** Finishes the moves whose targets serve. Returns how many bindings went. */
  async finish(): Promise<number> {
    const { store, call } = this.#options;
    const { ripe, leaving } = await store.view(async (view) => ({
      ripe: await ripeNetworks(view, call()),
      leaving: (await leavingNetworks(view)).length,
    }));
    let gone = 0;
    for (const ids of batches(ripe)) {
      const { result } = await store.transact((tx) => finishMoves(tx, call(), ids));
      this.#tellOf(result.events);
      gone += result.gone;
    }
    this.#leaving = leaving > gone;
    this.#counts.gone += gone;
    return gone;
  }

  /** Returns the moves that could not be begun. */
  #whole(allowance: Allowance): number {
    return Math.max(0, Math.floor(allowance.level(this.#options.clock.now())));
  }

  async #begin(moves: readonly Move[]): Promise<Move[]> {
    const { call } = this.#options;
    const refused: Move[] = [];
    this.#beginning = moves.length > 0;
    for (const batch of batches(moves)) {
      const result = await asLeader(this.#options, (tx) => beginMoves(tx, call(), batch));
      this.#tellOf(result.events);
      this.#additions.take(this.#options.clock.now(), result.added);
      this.#counts.added += result.added;
      const evened = batch.filter((move) => move.why === 'uneven' && !result.refused.includes(move));
      this.#evening.take(this.#options.clock.now(), evened.length);
      if (result.leaving > 0) this.#leaving = true;
      refused.push(...result.refused);
    }
    this.#beginning = false;
    return refused;
  }

  /** What is not moved to even out loads is well where it is. */
  async #staysOf(refused: readonly Move[]): Promise<Stay[]> {
    const moves = refused.filter((move) => move.why !== 'uneven');
    if (moves.length === 0) return [];
    const id = moves.flatMap((move) => move.leave);
    const agents = await this.#options.store.view((view) => view.agents.find({ id }));
    return moves.map(({ networkId, leave }) => {
      const off = agents.find((agent) => leave.includes(agent.id) && !agent.admin_state_up);
      const host = (off ?? agents.find((agent) => leave.includes(agent.id)))?.host ?? '';
      return { networkId, host, reason: 'no address left' };
    });
  }

  async #mendPorts(networkIds: readonly string[]): Promise<void> {
    const { call } = this.#options;
    for (const id of batches(networkIds))
      await asLeader(this.#options, async (tx) => syncDhcp(tx, call(), await tx.networks.lock({ id })));
  }

  /**
   * Alerts, and their ends when all networks were looked at. What is open is read once a leadership: from then on this server alone
   * changes it.
   */
  async #tell({ unserved, queued, staying }: ReschedulePlan, all: boolean): Promise<void> {
    const { store, call } = this.#options;
    const open =
      this.#open ??
      (await store.view(async (view) => ({
        unserved: await openAlerts(view, 'network-unserved'),
        staying: await openAlerts(view, 'network-stays'),
      })));
    const now = new Set(unserved);
    const told = new Set(open.unserved);
    if (all) {
      for (const id of queued) if (told.has(id) || this.#queued.has(id)) now.add(id);
      this.#queued = new Set(queued);
    }
    const stays = new Map(staying.map((stay) => [stay.networkId, stay]));
    // A moment's silence is no reason to end an alert and begin it again.
    const maybe = new Set(queued);
    const kept = open.staying.filter((id) => maybe.has(id) && !now.has(id));
    const stay = new Set([...stays.keys(), ...kept]);
    this.#open = {
      unserved: await this.#follow({ open: open.unserved, now, all }, (tx, began, ended) =>
        tellUnserved(tx, call(), { unserved: began, ended }),
      ),
      staying: await this.#follow({ open: open.staying, now: stay, all }, (tx, began, ended) =>
        tellStaying(tx, call(), { staying: began.flatMap((id) => stays.get(id) ?? []), ended }),
      ),
    };
  }

  /** Tells what has begun and, where all was looked at, what has ended. Returns what is open then. */
  async #follow(
    of: {
      readonly open: readonly string[];
      readonly now: Pick<ReadonlySet<string>, 'has' | 'keys'>;
      readonly all: boolean;
    },
    tell: (
      tx: Transaction,
      began: readonly string[],
      ended: readonly string[],
    ) => Promise<{ open: readonly string[]; events: readonly EventRow[] }>,
  ): Promise<string[]> {
    const { now, all } = of;
    const open = new Set(of.open);
    const began = [...now.keys()].filter((id) => !open.has(id));
    const ended = all ? [...open].filter((id) => !now.has(id)) : [];
    for (const ids of batches([...began, ...ended])) {
      const isNow = (id: string) => now.has(id);
      const result = await asLeader(this.#options, (tx) =>
        tell(
          tx,
          ids.filter(isNow),
          ids.filter((id) => !isNow(id)),
        ),
      );
      for (const id of ids) open.delete(id);
      for (const id of result.open) open.add(id);
      this.#tellOf(result.events);
    }
    return [...open];
  }

  #tellOf(events: readonly EventRow[]): void {
    for (const event of events) this.#options.onEvent?.(event);
  }

  async #runLooks(signal: AbortSignal): Promise<void> {
    const { clock, leader, onFailure } = this.#options;
    while (!signal.aborted) {
      let again = false;
      const woken = this.#woken;
      // What wakes it from here on may not be in what it reads now.
      this.#woken = false;
      this.#isAllDue ||= woken;
      const all = clock.now() - this.#lookedAt >= (this.#isAllDue ? ALL_PAUSE_MS : LOOK_AT_ALL_MS);
      if (!leader.isLeader) {
        this.#open = undefined;
        this.#lookedAt = Number.NEGATIVE_INFINITY;
      } else if (all || woken || !this.#helpless) {
        if (all) {
          this.#lookedAt = clock.now();
          this.#isAllDue = false;
        }
        try {
          again = await this.look(all);
        } catch (error) {
          this.#open = undefined;
          this.#beginning = false;
          onFailure('reschedule', error);
        }
      }
      if (!again && leader.isLeader && (await this.#isSwitched())) this.wake();
      if (this.#woken) continue;
      const usual = this.#isAllDue ? ALL_PAUSE_MS : LOOK_MS;
      await pause(clock, again ? AGAIN_MS : usual, { signal, hand: (wake) => (this.#wakeLook = wake) });
    }
  }

  /** Whether DHCP agents were switched on or off meanwhile, at whichever server: nobody tells of it. */
  async #isSwitched(): Promise<boolean> {
    const { store, onFailure } = this.#options;
    try {
      const on = await store.view((view) => view.agents.count({ role: 'dhcp', admin_state_up: true }));
      const before = this.#switchedOn ?? on;
      this.#switchedOn = on;
      return on !== before;
    } catch (error) {
      onFailure('reschedule', error);
      return false;
    }
  }

  async #runFinishing(signal: AbortSignal): Promise<void> {
    const { clock, onFailure } = this.#options;
    let pauseMs = FINISH_MS.shortest;
    while (!signal.aborted) {
      let gone = 0;
      this.#reported = false;
      try {
        if (!this.#beginning) gone = await this.finish();
      } catch (error) {
        onFailure('finish moves', error);
      }
      pauseMs = gone > 0 ? FINISH_MS.shortest : Math.min(2 * pauseMs, FINISH_MS.longest);
      // Reports come in flocks: a moment for the rest of the flock.
      await pause(clock, FINISH_MS.shortest, { signal, hand: () => undefined });
      if (!this.#reported) await pause(clock, pauseMs, { signal, hand: (wake) => (this.#wakeFinish = wake) });
    }
  }
}

function batches<Item>(items: readonly Item[]): Item[][] {
  const found: Item[][] = [];
  for (let at = 0; at < items.length; at += BATCH) found.push(items.slice(at, at + BATCH));
  return found;
}

/** Waits; what it hands out ends that early. */
function pause(
  clock: Clock,
  ms: number,
  { signal, hand }: { readonly signal: AbortSignal; readonly hand: (wake: () => void) => void },
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      hand(() => undefined);
      resolve();
    };
    const cancel = clock.after(ms, end);
    signal.addEventListener('abort', end, { once: true });
    hand(end);
  });
}
