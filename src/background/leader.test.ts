/** Who leads, and that nobody else can write as if he did. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { type MemoryStore, openMemoryStore } from '../store/memory/memory-store.ts';
import { StoreUnavailable } from '../store/store.ts';
import { Leader, NotLeader } from './leader.ts';

/** Lets every promise that is ready go on. */
const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
};

type CommitFate = 'answered' | 'unanswered' | 'lost';

interface Candidate {
  readonly leader: Leader;
  readonly stop: () => Promise<void>;
  /** Until it is let go, nothing of its store answers. */
  pause(): void;
  go(): Promise<void>;
  /** What becomes of its next commit. */
  next: CommitFate;
}

const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
});

function candidate(memory: MemoryStore, clock: ManualClock, serverId: string): Candidate {
  let gate: Promise<void> | undefined;
  let open: () => void = () => undefined;
  const store = memory.connect({
    pause: async () => gate,
    commitFate: () => {
      const fate = self.next;
      self.next = 'answered';
      return fate;
    },
  });
  const leader = new Leader({
    ...{ store, serverId, clock, beatMs: 1_000, takeoverMs: 5_000 },
    onFailure: (_what, error) => assert.ok(error instanceof StoreUnavailable, String(error)),
  });
  const end = new AbortController();
  const running = leader.run(end.signal);
  const self: Candidate = {
    leader,
    next: 'answered',
    pause() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    async go() {
      gate = undefined;
      open();
      await settle();
    },
    async stop() {
      end.abort();
      open();
      gate = undefined;
      await running;
    },
  };
  stopping.push(() => self.stop());
  return self;
}

async function begin(...names: string[]) {
  const clock = new ManualClock();
  const memory = openMemoryStore({ clock, random: seededRandom(1) });
  const candidates: Candidate[] = [];
  for (const name of names) {
    candidates.push(candidate(memory, clock, name));
    await settle();
  }
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 250) {
      clock.advance(250);
      await settle();
    }
  };
  const leading = () => candidates.map((one) => one.leader.isLeader);
  const write = (one: Candidate, name: string) =>
    memory.transact(async (tx) => {
      await tx.leases.insert([{ name, holder: '', term: 0, beat: 0 }]);
      await one.leader.guard(tx);
    });
  return { clock, memory, candidates, pass, leading, write };
}

test('the first leads, for as long as it lives, and may write', async () => {
  const { candidates, pass, leading, write, memory } = await begin('a', 'b');
  const [a, b] = candidates as [Candidate, Candidate];
  await pass(60_000);
  assert.deepEqual(leading(), [true, false]);
  assert.deepEqual([a.leader.term, b.leader.term], [1, 0]);
  await write(a, 'written');
  await assert.rejects(write(b, 'other'), NotLeader);
  assert.deepEqual(
    memory.rows('leases').map((row) => row.name),
    ['duties', 'written'],
  );
});

test('one that stops is followed at once', async () => {
  const { candidates, pass, leading } = await begin('a', 'b');
  await candidates[0]?.stop();
  await pass(1_000);
  assert.deepEqual(leading(), [false, true]);
  assert.equal(candidates[1]?.leader.term, 2);
});

test('a leader that was paused and wakes up cannot write; another took over meanwhile', async () => {
  const { candidates, pass, leading, write, memory } = await begin('a', 'b');
  const [a, b] = candidates as [Candidate, Candidate];
  await pass(2_000);
  a.pause();
  await pass(4_000);
  assert.equal(b.leader.isLeader, false, 'too early');
  await pass(3_000);
  assert.deepEqual(leading(), [false, true], 'the paused one knows by its own clock, before it has asked');
  await assert.rejects(write(a, 'late'), NotLeader);
  await a.go();
  await pass(2_000);
  assert.deepEqual(leading(), [false, true]);
  assert.equal(a.leader.term, 0);
  assert.deepEqual(
    memory.rows('leases').map(({ name, holder, term }) => ({ name, holder, term })),
    [{ name: 'duties', holder: 'b', term: 2 }],
  );
});

test('a transaction that has passed its guard holds off whoever would take over', async () => {
  const { candidates, pass, memory } = await begin('a', 'b');
  const [a, b] = candidates as [Candidate, Candidate];
  let commit: () => void = () => undefined;
  const held = memory.transact(async (tx) => {
    await a.leader.guard(tx);
    await new Promise<void>((resolve) => {
      commit = resolve;
    });
  });
  await settle();
  a.pause();
  await pass(10_000);
  assert.equal(b.leader.isLeader, false);
  commit();
  await held;
  await pass(1_000);
  assert.equal(b.leader.isLeader, true);
});

test('a take-over whose answer was lost is found and repeated, a lost one tried again', async () => {
  const { candidates, pass, leading } = await begin('a', 'b');
  const [a, b] = candidates as [Candidate, Candidate];
  a.pause();
  b.next = 'unanswered';
  await pass(6_000);
  await pass(2_000);
  assert.deepEqual(leading(), [false, true]);
  assert.equal(b.leader.term, 3);
  await a.go();
  b.pause();
  a.next = 'lost';
  await pass(12_000);
  assert.deepEqual(leading(), [true, false]);
  assert.equal(a.leader.term, 4);
});

test('a beat whose answer was lost ends no term', async () => {
  const { candidates, pass } = await begin('a');
  const [a] = candidates as [Candidate];
  for (const fate of ['unanswered', 'lost', 'unanswered'] as const) {
    a.next = fate;
    await pass(1_000);
  }
  await pass(1_000);
  assert.deepEqual([a.leader.isLeader, a.leader.term], [true, 1]);
});

test('an earlier life of the same name is followed at once', async () => {
  const { clock, memory, candidates, pass } = await begin('a');
  candidates[0]?.pause();
  const next = candidate(memory, clock, 'a');
  await pass(500);
  assert.deepEqual([next.leader.isLeader, next.leader.term], [true, 2]);
});

test('one that could not look for long takes nothing over before it has seen the beat stand still', async () => {
  const { candidates, pass, leading } = await begin('a', 'b');
  const [a, b] = candidates as [Candidate, Candidate];
  await pass(2_000);
  // the database answers neither
  a.pause();
  b.pause();
  await pass(20_000);
  await b.go();
  await pass(250);
  assert.deepEqual(leading(), [false, false]);
  await a.go();
  await pass(2_000);
  assert.deepEqual(leading(), [true, false]);
  assert.equal(a.leader.term, 1);
});
