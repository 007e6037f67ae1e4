import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Body } from '../resources/agent-view.ts';
import { decodeMirror, encodeMirror, Journal, type JournalStorage } from './journal.ts';
import { type DurableFrame, Mirror } from './mirror.ts';

const place = (position: number) => ({ position, tag: position * 7 + 1 });
const body = (name: string): Body => ({ name, tunnel_ip: 'ü' });

/** A life of a mirror: a fill, batches, a fill that was interrupted, and another. */
const LIFE: readonly DurableFrame[] = [
  { type: 'group', at: place(5), group: 'host/a', objects: { 'host/a': body('a') } },
  {
    type: 'group',
    at: place(5),
    group: 'network/n',
    objects: { 'network/n': body('n'), 'endpoint/a': body('e') },
  },
  { type: 'synced', at: place(5), scope: ['host/a', 'network/n'], sent: ['host/a', 'network/n'] },
  {
    type: 'batch',
    from: place(5),
    to: place(6),
    enter: {},
    leave: [],
    changes: { 'network/n': { 'endpoint/b': body('b') } },
  },
  {
    type: 'batch',
    from: place(6),
    to: place(9),
    enter: { 'dhcp/n': { 'lease/p': body('p') } },
    leave: [],
    changes: {},
  },
  {
    type: 'batch',
    from: place(9),
    to: place(10),
    enter: {},
    leave: [],
    changes: { 'dhcp/n': { 'lease/p': null } },
  },
  { type: 'group', at: place(20), group: 'host/a', objects: { 'host/a': body('a2') } },
  { type: 'group', at: place(22), group: 'network/n', objects: {} },
  { type: 'synced', at: place(22), scope: ['host/a', 'network/n'], sent: ['network/n'] },
];

function stateOf(mirror: Mirror): unknown {
  const groups = [...mirror.groups()].map((name) => [
    name,
    mirror.digest(name),
    [...(mirror.group(name) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
  return { place: mirror.place, groups: groups.sort() };
}

/** The states that the mirror had, one after each frame. */
function states(): unknown[] {
  const mirror = new Mirror('a');
  const seen = [stateOf(mirror)];
  for (const frame of LIFE) {
    assert.ok(mirror.replay(frame));
    seen.push(stateOf(mirror));
  }
  return seen;
}

function memoryStorage(text: string | null = null) {
  const storage = {
    text,
    failing: false,
    read: async () => storage.text,
    append: async (more: string) => {
      storage.text = (storage.text ?? '') + (storage.failing ? more.slice(0, more.length / 2) : more);
      if (storage.failing) throw new Error('disk full');
    },
    replace: async (whole: string) => {
      if (storage.failing) throw new Error('disk full');
      storage.text = whole;
    },
  };
  return storage satisfies JournalStorage;
}

async function written(): Promise<string> {
  const storage = memoryStorage();
  const journal = await Journal.open(storage, 'a');
  for (const frame of LIFE) {
    journal.mirror.replay(frame);
    await journal.append(frame);
  }
  return storage.text ?? '';
}

test('a journal torn at any byte loads as a state that the mirror once had', async () => {
  const bytes = Buffer.from(await written());
  const known = states().map((state) => JSON.stringify(state));
  let furthest = 0;
  for (let length = 0; length <= bytes.length; length++) {
    const state = JSON.stringify(stateOf(decodeMirror('a', bytes.subarray(0, length).toString()).mirror));
    const at = known.lastIndexOf(state);
    assert.ok(at >= furthest, `torn at ${length}`);
    furthest = at;
  }
  assert.equal(furthest, LIFE.length);
});

test('a byte changed anywhere is noticed, and what follows it is not read', async () => {
  const bytes = Buffer.from(await written());
  const known = new Set(states().map((state) => JSON.stringify(state)));
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] as number) ^ 1;
    const loaded = decodeMirror('a', damaged.toString());
    assert.ok(known.has(JSON.stringify(stateOf(loaded.mirror))), `damaged at ${at}`);
    assert.ok(loaded.good < bytes.length);
  }
});

test('after a torn end the journal goes on from what was good', async () => {
  const text = await written();
  const storage = memoryStorage(text.slice(0, -10));
  const journal = await Journal.open(storage, 'a');
  const last = LIFE.at(-1) as DurableFrame;
  assert.ok(journal.mirror.replay(last));
  await journal.append(last);
  assert.deepEqual(stateOf((await Journal.open(storage, 'a')).mirror), states().at(-1));
});

test('a write that failed half-way costs nothing once storage works again', async () => {
  const storage = memoryStorage();
  const journal = await Journal.open(storage, 'a');
  for (const [at, frame] of LIFE.entries()) {
    journal.mirror.replay(frame);
    storage.failing = at === 3 || at === 4;
    if (storage.failing) await assert.rejects(journal.append(frame), /disk full/);
    else await journal.append(frame);
  }
  assert.deepEqual(stateOf((await Journal.open(storage, 'a')).mirror), states().at(-1));
});

test('a journal that has grown is written anew, and stays small', async () => {
  const storage = memoryStorage();
  const journal = await Journal.open(storage, 'a');
  for (const frame of LIFE.slice(0, 3)) {
    journal.mirror.replay(frame);
    await journal.append(frame);
  }
  let longest = 0;
  for (let position = 5; position < 3_000; position++) {
    const changes = { 'network/n': { 'endpoint/x': body('y'.repeat(2_000 + (position % 7))) } };
    const frame = {
      type: 'batch',
      from: place(position),
      to: place(position + 1),
      enter: {},
      leave: [],
      changes,
    } as const;
    assert.ok(journal.mirror.replay(frame));
    await journal.append(frame);
    longest = Math.max(longest, storage.text?.length ?? 0);
  }
  assert.ok(longest < 1.2 * 2 ** 20, `${longest}`);
  assert.deepEqual(stateOf((await Journal.open(storage, 'a')).mirror), stateOf(journal.mirror));
});

test('a compacted journal of a mirror in mid-fill has no place', () => {
  const mirror = new Mirror('a');
  for (const frame of LIFE.slice(0, 7)) mirror.replay(frame);
  const loaded = decodeMirror('a', encodeMirror(mirror)).mirror;
  assert.equal(loaded.place, null);
  assert.deepEqual(stateOf(loaded), stateOf(mirror));
});

test("another host's journal is as none", async () => {
  const loaded = decodeMirror('b', await written());
  assert.equal(loaded.good, 0);
  assert.deepEqual([...loaded.mirror.groups()], []);
});
