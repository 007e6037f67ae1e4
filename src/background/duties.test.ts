import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { runDuties } from './duties.ts';

/** Lets every promise that is ready go on. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

test('each duty runs at once and at its own interval, a failing one stops no other, all end', async () => {
  const clock = new ManualClock();
  const ran: string[] = [];
  const failures: string[] = [];
  const end = new AbortController();
  const running = runDuties(
    [
      { name: 'fast', intervalMs: 10, perform: async () => void ran.push(`fast@${clock.now()}`) },
      { name: 'broken', intervalMs: 20, perform: () => Promise.reject(new Error('no')) },
    ],
    { clock, leader: { isLeader: true }, onFailure: (duty) => failures.push(`${duty}@${clock.now()}`) },
    end.signal,
  );
  for (let step = 0; step < 4; step++) {
    await settle();
    clock.advance(10);
  }
  await settle();
  end.abort();
  await running;
  assert.deepEqual(ran, ['fast@0', 'fast@10', 'fast@20', 'fast@30', 'fast@40']);
  assert.deepEqual(failures, ['broken@0', 'broken@20', 'broken@40']);
});

test('a duty of the leader alone is left out elsewhere, and taken up with the lead', async () => {
  const clock = new ManualClock();
  const ran: string[] = [];
  const leader = { isLeader: false };
  const end = new AbortController();
  const perform = (name: string) => async () => void ran.push(`${name}@${clock.now()}`);
  const running = runDuties(
    [
      { name: 'own', intervalMs: 10, perform: perform('own') },
      { name: 'only', intervalMs: 10, leaderOnly: true, perform: perform('only') },
    ],
    { clock, leader, onFailure: (_duty, error) => assert.fail(String(error)) },
    end.signal,
  );
  await settle();
  clock.advance(10);
  await settle();
  leader.isLeader = true;
  clock.advance(10);
  await settle();
  end.abort();
  await running;
  assert.deepEqual(ran.sort(), ['only@20', 'own@0', 'own@10', 'own@20']);
});
