import assert from 'node:assert/strict';
import { test } from 'node:test';
import { integerBetween, type Random, seededRandom } from '../lib/random.ts';
import type { Body, Group } from '../resources/agent-view.ts';
import type { Place } from '../resources/place.ts';
import { digestOf } from './digest.ts';
import { Mirror } from './mirror.ts';
import type { BatchFrame, Frame } from './protocol.ts';

type State = ReadonlyMap<Group, ReadonlyMap<string, Body>>;

const place = (position: number): Place => ({ position, tag: position * 13 + 5 });
const body = (name: string): Body => ({ name, tunnel_ip: '' });

/** A world with a history: the state at every position, every object's value naming the position that wrote it. */
function history(random: Random, length: number): State[] {
  const states: Map<Group, Map<string, Body>>[] = [new Map([['host/a', new Map([['host/a', body('0')]])]])];
  for (let position = 1; position <= length; position++) {
    const next = new Map([...(states.at(-1) as State)].map(([name, objects]) => [name, new Map(objects)]));
    const name = `network/${integerBetween(random, 1, 4)}`;
    const key = `endpoint/${integerBetween(random, 1, 3)}`;
    const chance = random.next();
    if (chance < 0.2) next.delete(name);
    else if (chance < 0.5) next.get(name)?.delete(key);
    else next.set(name, new Map([...(next.get(name) ?? []), [key, body(`${position}`)]]));
    states.push(next);
  }
  return states;
}

const plain = (objects: ReadonlyMap<string, Body>) => Object.fromEntries(objects);

/** The batch between two states of a history, as a server would make it. */
function batchBetween(states: readonly State[], from: number, to: number): BatchFrame {
  const before = states[from] as State;
  const after = states[to] as State;
  const enter: Record<Group, Record<string, Body>> = {};
  const changes: Record<Group, Record<string, Body | null>> = {};
  for (const [name, objects] of after) {
    const old = before.get(name);
    if (!old) {
      enter[name] = plain(objects);
      continue;
    }
    for (const key of new Set([...old.keys(), ...objects.keys()])) {
      if (old.get(key) === objects.get(key)) continue;
      changes[name] ??= {};
      (changes[name] as Record<string, Body | null>)[key] = objects.get(key) ?? null;
    }
  }
  const leave = [...before.keys()].filter((name) => !after.has(name));
  return { type: 'batch', from: place(from), to: place(to), enter, leave, changes };
}

/** What a server at `head` answers to this mirror; `complete`: it does not hold the mirror's place. */
function answer(
  mirror: Mirror,
  states: readonly State[],
  options: { head: number; complete: boolean },
): Frame[] {
  const { head, complete } = options;
  const held = mirror.holdings();
  if (held.place && !complete && held.mismatched.length === 0) {
    const hello: Frame = { type: 'hello', version: 1, server: 's', mode: 'deltas' };
    return [hello, batchBetween(states, held.place.position, head)];
  }
  const frames: Frame[] = [{ type: 'hello', version: 1, server: 's', mode: 'groups' }];
  const sent: Group[] = [];
  const state = states[head] as State;
  for (const [group, objects] of state) {
    if (held.groups[group] === digestOf(objects)) continue;
    frames.push({ type: 'group', at: place(head), group, objects: plain(objects) });
    sent.push(group);
  }
  frames.push({ type: 'synced', at: place(head), scope: [...state.keys()], sent });
  return frames;
}

function assertIs(mirror: Mirror, state: State, what: string): void {
  const seen = new Map([...mirror.groups()].map((name) => [name, mirror.group(name)]));
  assert.deepEqual(seen, new Map(state), what);
  for (const [name, objects] of state) assert.equal(mirror.digest(name), digestOf(objects), what);
}

/** Expanders: the same frames, mistreated. */
const EXPANDERS: Readonly<Record<string, (frames: Frame[], random: Random) => Frame[]>> = {
  none: (frames) => frames,
  drop: (frames, random) => frames.filter(() => random.next() > 0.2),
  duplicate: (frames, random) => frames.flatMap((frame) => (random.next() < 0.3 ? [frame, frame] : [frame])),
  reorder: (frames, random) => {
    const shuffled = [...frames];
    for (let i = 0; i + 1 < shuffled.length; i++) {
      if (random.next() < 0.3) shuffled.splice(i, 2, shuffled[i + 1] as Frame, shuffled[i] as Frame);
    }
    return shuffled;
  },
  replay: (frames, random) => [
    ...frames,
    ...frames.slice(integerBetween(random, 0, frames.length - 1), integerBetween(random, 0, frames.length)),
  ],
};

/**
 * One connection: the answer, then batches as the head moves on, split or squashed, mistreated by the expander. The
 * mirror takes frames until it refuses one, as a session would.
 */
function connect(
  mirror: Mirror,
  states: readonly State[],
  options: { random: Random; expander: string; since: number },
): void {
  const { random, expander } = options;
  // no server answers with less than what was once committed and seen
  let head = integerBetween(random, options.since, states.length - 1);
  const frames = answer(mirror, states, { head, complete: random.next() < 0.3 });
  while (random.next() < 0.7) {
    const next = Math.min(states.length - 1, head + integerBetween(random, 0, 4));
    frames.push(batchBetween(states, head, next));
    head = next;
  }
  const mistreat = EXPANDERS[expander] as (frames: Frame[], random: Random) => Frame[];
  let greeted = false;
  for (const frame of mistreat(frames, random)) {
    // as the session's table has it
    if (frame.type === 'hello' && greeted) return;
    greeted ||= frame.type === 'hello';
    if (mirror.apply(frame).type !== 'applied') return;
    if (mirror.place) assertIs(mirror, states[mirror.place.position] as State, `at ${mirror.place.position}`);
  }
}

for (const expander of Object.keys(EXPANDERS)) {
  test(`a mirror with a place is the state of that place, whatever befalls the frames: ${expander}`, () => {
    for (let seed = 1; seed <= 150; seed++) {
      const random = seededRandom(seed);
      const states = history(random, 40);
      const mirror = new Mirror('a');
      let last = 0;
      for (let i = 0; i < 12; i++) {
        connect(mirror, states, { random, expander, since: last });
        assert.ok((mirror.place?.position ?? last) >= last, 'goes back');
        last = mirror.place?.position ?? last;
      }
      connect(mirror, states, { random, expander: 'none', since: last });
      for (const frame of answer(mirror, states, { head: states.length - 1, complete: false })) {
        assert.equal(mirror.apply(frame).type, 'applied');
      }
      assertIs(mirror, states.at(-1) as State, `seed ${seed}`);
    }
  });
}

test('the changes that are told lead from the old state to the new', () => {
  const random = seededRandom(3);
  const states = history(random, 30);
  const mirror = new Mirror('a');
  const world = new Map<string, Body>();
  const frames = [...answer(mirror, states, { head: 0, complete: false })];
  for (let i = 0; i < 30; i++) frames.push(batchBetween(states, i, i + 1));
  for (const frame of frames) {
    const applied = mirror.apply(frame);
    assert.equal(applied.type, 'applied');
    for (const change of applied.type === 'applied' ? applied.changes : []) {
      const name = `${change.group}|${change.key}`;
      assert.deepEqual(world.get(name), change.before);
      assert.notDeepEqual(change.before, change.after);
      if (change.after) world.set(name, change.after);
      else world.delete(name);
    }
  }
  const objects = [...mirror.groups()].flatMap((group) =>
    [...(mirror.group(group) ?? [])].map(([key, value]) => [`${group}|${key}`, value] as const),
  );
  assert.deepEqual(new Map(objects), world);
});

test('a group that a digest finds wrong comes whole with the next connect, or goes if it is out of scope', () => {
  const states = history(seededRandom(5), 20);
  const mirror = new Mirror('a');
  for (const frame of answer(mirror, states, { head: 20, complete: false })) mirror.apply(frame);
  const right = Object.fromEntries([...mirror.groups()].map((name) => [name, mirror.digest(name) ?? '']));
  assert.equal(mirror.apply({ type: 'digest', at: place(20), groups: right }).type, 'applied');
  const wrong = { ...right, 'host/a': '1'.repeat(16) };
  assert.equal(
    mirror.apply({ type: 'digest', at: place(19), groups: wrong }).type,
    'applied',
    'at another place',
  );
  assert.equal(
    mirror.apply({ type: 'digest', at: place(21), groups: right }).type,
    'refused',
    'the batch to 21 was lost',
  );
  const found = mirror.apply({ type: 'digest', at: place(20), groups: wrong });
  assert.deepEqual(found, { type: 'mismatch', groups: ['host/a'] });

  mirror.suspect(['host/a', 'network/gone']);
  const request = mirror.holdings();
  assert.deepEqual(request.mismatched, ['host/a', 'network/gone']);
  assert.ok(!('host/a' in request.groups));
  mirror.apply({ type: 'hello', version: 1, server: 's', mode: 'deltas' });
  const enter = { 'host/a': { 'host/a': body('fresh') } };
  mirror.apply({ type: 'batch', from: place(20), to: place(20), enter, leave: [], changes: {} });
  assert.deepEqual(mirror.group('host/a')?.get('host/a'), body('fresh'));
  assert.deepEqual(mirror.holdings().mismatched, []);

  mirror.suspect(['host/a']);
  mirror.apply({ type: 'hello', version: 1, server: 's', mode: 'deltas' });
  mirror.apply({ type: 'batch', from: place(20), to: place(20), enter: {}, leave: [], changes: {} });
  assert.equal(mirror.group('host/a'), undefined);
});

test('deltas are refused without a place, and changes of a group that is not held', () => {
  const mirror = new Mirror('a');
  const hello: Frame = { type: 'hello', version: 1, server: 's', mode: 'deltas' };
  assert.equal(mirror.apply(hello).type, 'refused');
  mirror.apply({ ...hello, mode: 'groups' });
  mirror.apply({ type: 'synced', at: place(1), scope: [], sent: [] });
  const changes = { 'network/1': { 'endpoint/1': body('x') } };
  const batch: Frame = { type: 'batch', from: place(1), to: place(2), enter: {}, leave: [], changes };
  assert.equal(mirror.apply(batch).type, 'refused');
  assert.deepEqual(mirror.place, place(1));
});
