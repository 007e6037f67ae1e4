/**
 * Whether a host's agent is taken for dead, as a state machine of facts and time. The leader steps it; "dead" decides
 * placement only, never delivery.
 *
 *   alive ──silent──> suspect ──time──> dead ──heard──> alive, or held after several deaths
 *     ^                 │  └──mass──> muffled ──mass-over──> suspect (a new window)
 *     └────── heard ────┘                      held ──time──> alive
 *
 * - silent: the server that holds its watch has not heard it for `silentMs`, and says so in its row; the rest of the
 *   detection time passes here, so that a silence of many at once is seen before the first of them is declared dead.
 * - orphaned: the server that holds its watch is gone. The agent gets the time that it needs to find out and go elsewhere.
 * - blind: this server was not prompt itself (attention.ts): what it did not hear says nothing, windows start anew.
 * - mass: so many are silent at once that the fault is not likely theirs (mass-silence.ts): nothing is moved.
 */

/** How often what must be said and looked at, from the time within which a death is to be found. */
export interface LivenessTimes {
  readonly detectMs: number;
  /** How often an agent says that it is there. */
  readonly heartbeatMs: number;
  /** How often the server says so on a watch where nothing else goes. */
  readonly bookmarkMs: number;
  /** An agent that has heard nothing for so long leaves the connection. */
  readonly idleMs: number;
  /** Silence that is worth a word in the agent's row. */
  readonly silentMs: number;
  /** From that word to the death. */
  readonly declareMs: number;
  /** From a server's last beat to the deaths of those agents that came to no other. */
  readonly orphanMs: number;
  /** How often a server moves its beat. */
  readonly beatMs: number;
  /** How often servers look at the rows of those that nobody hears. */
  readonly lookMs: number;
  /** How often a server looks at its own clock and its own streams. */
  readonly tickMs: number;
  /** Its loop and its database answer within that, or it does not judge. */
  readonly promptMs: number;
}

export const SHORTEST_DETECTION_MS = 2_000;
/** What an agent may need from leaving a connection to being heard elsewhere: a connect that hangs, and its back-off. */
const RECONNECT_MS = 7_000;

const between = (low: number, high: number, value: number) => Math.min(high, Math.max(low, value));

/** Everything that follows from the detection time. */
export function livenessTimes(detectMs: number): LivenessTimes {
  const bookmarkMs = between(1_000, 5_000, detectMs / 2);
  const silentMs = detectMs / 2;
  return {
    detectMs,
    heartbeatMs: between(250, 5_000, detectMs / 4),
    bookmarkMs,
    idleMs: 3 * bookmarkMs,
    silentMs,
    declareMs: detectMs - silentMs,
    orphanMs: detectMs + 3 * bookmarkMs + RECONNECT_MS,
    beatMs: between(250, 2_000, detectMs / 5),
    lookMs: between(250, 1_000, detectMs / 8),
    tickMs: between(50, 250, detectMs / 40),
    promptMs: detectMs / 4,
  };
}

/** After the second death in a row an agent that is back gets nothing new for so long; it doubles with each further one. */
const HOLD_MS = 30_000;
const LONGEST_HOLD_MS = 1_800_000;
/** One death is forgotten after so long without another. */
const FORGET_MS = 600_000;

/** How long an agent that died so often lately must be stable before it gets something new. */
export function holdMs(deaths: number): number {
  return deaths < 2 ? 0 : Math.min(LONGEST_HOLD_MS, HOLD_MS * 2 ** Math.min(deaths - 2, 20));
}

export type LivenessState = 'alive' | 'suspect' | 'muffled' | 'dead' | 'held';

export type LivenessEvent =
  /** A living server hears it. */
  | 'heard'
  /** No server says that it hears it. */
  | 'silent'
  /** The server that its row names is gone. */
  | 'orphaned'
  /** `due` has come. */
  | 'time'
  | 'blind'
  /** It is one of many that are silent at once, or that is over. */
  | 'mass'
  | 'mass-over';

export interface LivenessRecord {
  readonly state: LivenessState;
  /** When to give `time`; null where nothing is waited for. */
  readonly due: number | null;
  /** Lately. */
  readonly deaths: number;
  /** Suspect since its server is gone, not since it was silent. */
  readonly isOrphan: boolean;
  /** It was held, and has not been stable since. */
  readonly isHeld: boolean;
}

/** What the leader writes and tells: died, returned, released (from being held), forgiven (one death less counts). */
export type LivenessEffect = 'died' | 'returned' | 'released' | 'forgiven';

export interface LivenessStep {
  readonly record: LivenessRecord;
  readonly effect: LivenessEffect | null;
}

export interface LivenessContext {
  readonly now: number;
  readonly times: LivenessTimes;
}

/** An agent of which nothing is known but what its row says. */
export function startLiveness(
  row: { readonly liveness: 'alive' | 'held' | 'dead'; readonly deaths: number },
  { now }: LivenessContext,
): LivenessRecord {
  const { deaths } = row;
  const fresh = { deaths, isOrphan: false, isHeld: false };
  if (row.liveness === 'dead') return { ...fresh, state: 'dead', due: null };
  if (row.liveness === 'held') return { ...fresh, state: 'held', isHeld: true, due: now + holdMs(deaths) };
  return { ...fresh, state: 'alive', due: deaths > 0 ? now + FORGET_MS : null };
}

type Cell = (record: LivenessRecord, context: LivenessContext) => LivenessStep;

const stay: Cell = (record) => ({ record, effect: null });

const suspect =
  (isOrphan: boolean): Cell =>
  (record, { now, times }) => ({
    record: {
      ...record,
      state: 'suspect',
      isOrphan,
      due: now + (isOrphan ? times.orphanMs - times.detectMs : times.declareMs),
    },
    effect: null,
  });

/** It was never gone, but it was not stable either. */
const back: Cell = (record, { now }) => {
  const { deaths, isHeld } = record;
  const kept = { ...record, isOrphan: false };
  if (isHeld) return { record: { ...kept, state: 'held', due: now + holdMs(deaths) }, effect: null };
  return { record: { ...kept, state: 'alive', due: deaths > 0 ? now + FORGET_MS : null }, effect: null };
};

const anew: Cell = (record, { now, times }) => ({
  record: { ...record, due: now + (record.isOrphan ? times.orphanMs : times.detectMs) },
  effect: null,
});

const die: Cell = (record) => ({
  record: { ...record, state: 'dead', due: null, isOrphan: false, isHeld: false, deaths: record.deaths + 1 },
  effect: 'died',
});

const comeBack: Cell = (record, { now }) => {
  const hold = holdMs(record.deaths);
  const returned: LivenessRecord =
    hold > 0
      ? { ...record, state: 'held', isHeld: true, due: now + hold }
      : { ...record, state: 'alive', due: now + FORGET_MS };
  return { record: returned, effect: 'returned' };
};

const release: Cell = (record, { now }) => ({
  record: { ...record, state: 'alive', isHeld: false, due: now + FORGET_MS },
  effect: 'released',
});

const forgive: Cell = (record, { now }) => {
  const deaths = Math.max(0, record.deaths - 1);
  return { record: { ...record, deaths, due: deaths > 0 ? now + FORGET_MS : null }, effect: 'forgiven' };
};

const muffle: Cell = (record) => ({ record: { ...record, state: 'muffled', due: null }, effect: null });

const unmuffle: Cell = (record, context) => anew({ ...record, state: 'suspect', isOrphan: false }, context);

const TABLE: Record<LivenessState, Record<LivenessEvent, Cell>> = {
  alive: {
    heard: stay,
    silent: suspect(false),
    orphaned: suspect(true),
    time: forgive,
    blind: stay,
    mass: stay,
    'mass-over': stay,
  },
  suspect: {
    heard: back,
    silent: stay,
    orphaned: stay,
    time: die,
    blind: anew,
    mass: muffle,
    'mass-over': stay,
  },
  muffled: {
    heard: back,
    silent: stay,
    orphaned: stay,
    time: stay,
    blind: stay,
    mass: stay,
    'mass-over': unmuffle,
  },
  dead: {
    heard: comeBack,
    silent: stay,
    orphaned: stay,
    time: stay,
    blind: stay,
    mass: stay,
    'mass-over': stay,
  },
  held: {
    heard: stay,
    silent: suspect(false),
    orphaned: suspect(true),
    time: release,
    blind: stay,
    mass: stay,
    'mass-over': stay,
  },
};

/** One step. `time` before it is due changes nothing. */
export function stepLiveness(
  record: LivenessRecord,
  event: LivenessEvent,
  context: LivenessContext,
): LivenessStep {
  if (event === 'time' && (record.due === null || context.now < record.due)) return { record, effect: null };
  return TABLE[record.state][event](record, context);
}
