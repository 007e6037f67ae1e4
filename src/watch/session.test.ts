import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../lib/random.ts';
import type { Frame } from './protocol.ts';
import {
  SESSION_DEFAULTS,
  type SessionEvent,
  type SessionState,
  type SessionStateName,
  startSession,
  stepSession,
} from './session.ts';

const NOW = 100_000;
const options = { ...SESSION_DEFAULTS, random: seededRandom(1), servers: 3 };
const at = { position: 1, tag: 1 };

const FRAMES = {
  'hello-deltas': { type: 'hello', version: 1, server: 's', mode: 'deltas' },
  'hello-groups': { type: 'hello', version: 1, server: 's', mode: 'groups' },
  group: { type: 'group', at, group: 'host/a', objects: {} },
  synced: { type: 'synced', at, scope: [], sent: [] },
  batch: { type: 'batch', from: at, to: at, enter: {}, leave: [], changes: {} },
  digest: { type: 'digest', at, groups: {} },
  remedy: { type: 'remedy', id: 'x', role: 'l2', keys: ['network/n'], how: 'resync' },
  goodbye: { type: 'goodbye', reason: 'restart', retryAfterMs: 0 },
} as const satisfies Record<string, Frame>;

type Cell =
  | keyof typeof FRAMES
  | 'old-frame'
  | 'wake-early'
  | 'wake-late'
  | 'refused'
  | 'ended'
  | 'old-ended';

function eventOf(cell: Cell): SessionEvent {
  switch (cell) {
    case 'old-frame':
      return { type: 'frame', connection: 6, frame: FRAMES.group };
    case 'wake-early':
    case 'wake-late':
      return { type: 'wake' };
    case 'refused':
      return { type: 'refused', reason: 'gap' };
    case 'ended':
      return { type: 'ended', connection: 7, reason: 'closed' };
    case 'old-ended':
      return { type: 'ended', connection: 6, reason: 'closed' };
    default:
      return { type: 'frame', connection: 7, frame: FRAMES[cell] };
  }
}

/** Next state and effects, e.g. 'live apply'; '-' is: nothing at all changes. */
type Expected = `${SessionStateName}` | `${SessionStateName} ${'apply' | 'connect' | 'disconnect'}` | '-';

const gone = 'waiting disconnect';
const WRONG_FRAME = { group: gone, synced: gone, batch: gone, digest: gone, remedy: gone } as const;
const OPEN = {
  goodbye: gone,
  'old-frame': '-',
  'wake-early': '-',
  'wake-late': gone,
  refused: gone,
  ended: 'waiting',
  'old-ended': '-',
} as const;
const NO_HELLO = { 'hello-deltas': gone, 'hello-groups': gone } as const;

const TABLE: Record<SessionStateName, Record<Cell, Expected>> = {
  waiting: {
    'hello-deltas': '-',
    'hello-groups': '-',
    group: '-',
    synced: '-',
    batch: '-',
    digest: '-',
    remedy: '-',
    goodbye: '-',
    'old-frame': '-',
    'wake-early': '-',
    'wake-late': 'connecting connect',
    refused: '-',
    ended: '-',
    'old-ended': '-',
  },
  connecting: {
    ...OPEN,
    ...WRONG_FRAME,
    'hello-deltas': 'catching-up apply',
    'hello-groups': 'filling apply',
  },
  'catching-up': {
    ...{ ...OPEN, ...NO_HELLO, ...WRONG_FRAME },
    batch: 'live apply',
    remedy: 'catching-up apply',
  },
  filling: {
    ...{ ...OPEN, ...NO_HELLO, ...WRONG_FRAME },
    group: 'filling apply',
    synced: 'live apply',
    remedy: 'filling apply',
  },
  live: {
    ...{ ...OPEN, ...NO_HELLO, ...WRONG_FRAME },
    batch: 'live apply',
    digest: 'live apply',
    remedy: 'live apply',
  },
};

function stateOf(name: SessionStateName): SessionState {
  const common = { until: NOW + 50, server: 1, connection: 7, failures: 0 };
  return name === 'waiting' ? { name, ...common, reason: '' } : { name, ...common };
}

test('every state answers every event as the table says', () => {
  for (const name of Object.keys(TABLE) as SessionStateName[]) {
    for (const cell of Object.keys(TABLE[name]) as Cell[]) {
      const state = stateOf(name);
      const now = cell === 'wake-late' ? state.until : NOW;
      const step = stepSession(state, eventOf(cell), { now, options });
      const effects = step.effects.map((effect) => effect.type);
      const seen = step.state === state ? ['-'] : [step.state.name, ...effects];
      assert.equal(seen.join(' '), TABLE[name][cell], `${cell} while ${name}`);
      assert.equal(step.wakeAt, step.state.until);
      assert.ok(step.state === state || step.wakeAt > now, `${cell} while ${name}: wakes later`);
    }
  }
});

test('a failure goes to the next server, each wait is below a second and grows with failures in a row', () => {
  let state = startSession(0);
  const servers: number[] = [];
  const waits: number[] = [];
  let now = 0;
  for (let i = 0; i < 300; i++) {
    const step = stepSession(state, { type: 'wake' }, { now, options });
    for (const effect of step.effects) if (effect.type === 'connect') servers.push(effect.server);
    const ended = { type: 'ended', connection: step.state.connection, reason: 'refused' } as const;
    state = stepSession(step.state, ended, { now, options }).state;
    waits.push(state.until - now);
    now = state.until;
  }
  assert.deepEqual(servers.slice(0, 5), [0, 1, 2, 0, 1]);
  assert.ok(waits.every((wait) => wait >= 50 && wait <= 700));
  assert.ok(Math.max(...waits.slice(0, 1)) <= 100);
  assert.ok(Math.max(...waits) > 600 && Math.min(...waits.slice(10)) < 120);
});

test('a server that asks to wait is given at least that', () => {
  const ended = { type: 'ended', connection: 7, reason: '503', retryAfterMs: 3_000 } as const;
  const { state } = stepSession(stateOf('connecting'), ended, { now: NOW, options });
  assert.ok(state.until >= NOW + 3_000 && state.until <= NOW + 4_500);
});

test('being live forgets the failures before it', () => {
  const state: SessionState = { name: 'filling', until: NOW + 1, server: 0, connection: 7, failures: 9 };
  const group = stepSession(state, eventOf('group'), { now: NOW, options }).state;
  assert.equal('failures' in group && group.failures, 9);
  const synced = stepSession(state, eventOf('synced'), { now: NOW, options }).state;
  assert.equal(synced.name, 'live');
  assert.equal(synced.failures, 0);
  assert.equal(synced.until, NOW + options.idleTimeoutMs);
});

test('a server says when to give it up, within bounds; the next one says so anew', () => {
  const step = (state: SessionState, event: SessionEvent, now: number) =>
    stepSession(state, event, { now, options });
  const hello = (connection: number, idleMs?: number): SessionEvent => ({
    ...{ type: 'frame', connection },
    frame: { ...FRAMES['hello-deltas'], ...(idleMs === undefined ? {} : { idleMs }) },
  });
  const batch = (connection: number): SessionEvent => ({ type: 'frame', connection, frame: FRAMES.batch });
  const first = step(startSession(0), { type: 'wake' }, 0).state;
  const paced = step(first, hello(1, 3_000), 10).state;
  assert.equal(paced.until, 3_010);
  const live = step(paced, batch(1), 20).state;
  assert.equal(live.until, 3_020);
  const left = step(live, { type: 'wake' }, 3_020).state;
  const second = step(left, { type: 'wake' }, left.until).state;
  assert.equal(step(second, hello(2), 5_000).state.until, 5_000 + SESSION_DEFAULTS.idleTimeoutMs);
  assert.equal(step(second, hello(2, 1), 5_000).state.until, 7_000);
  assert.equal(step(second, hello(2, 1e9), 5_000).state.until, 65_000);
});
