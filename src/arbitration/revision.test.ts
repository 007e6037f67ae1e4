import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplicaState } from '../resources/replica-report.ts';
import type { ReplicaOrder } from '../resources/router.ts';
import { judge, SETTLE_UNHEARD_MS } from './judge.ts';
import { leaseStep } from './lease.ts';
import type { Replica } from './replica.ts';
import { CLEARLY, revisionOf } from './revision.ts';

const order = (what: ReplicaOrder['do'], epoch = 5): ReplicaOrder => ({
  ...{ epoch, do: what, incarnation: 7, seq: 3, why: 'because' },
});
const replica = (host: string, state: ReplicaState, changes: Partial<Replica> = {}): Replica => ({
  ...{ host, state, rank: Number(host.slice(1)), incarnation: 7, seq: 3, since: 1_000, penalty: 0 },
  ...{ hears: false, paths: { tunnel: 'up', management: 'up' }, failing: 0 },
  ...{ obeys: 5, obeysSince: null, cutOffSince: null, order: null },
  ...changes,
});
const cutOff = { paths: { tunnel: 'down', management: 'down' } } as const;

/** h2 kept it for having been active for longest, and learnt only then that nothing reaches it. */
const keeper = (changes: Partial<Replica> = {}) =>
  replica('h2', 'active', { ...cutOff, penalty: 120, order: order('tell'), ...changes });
const held = (host: string, changes: Partial<Replica> = {}) =>
  replica(host, 'fault', { order: order('fault'), ...changes });

test('revision: the one that keeps it reaches nobody by now, those who stand back do: the best of them is to have it', () => {
  const replicas = [keeper(), held('h1'), held('h3')];
  const found = judge(replicas);
  assert.equal(found.kind, 'calm');
  assert.deepEqual(found.kind === 'calm' && found.revision, {
    ...{ to: 'h1', from: 'h2' },
    why: 'h2 keeps it, though its tunnel is down by now, that of h1 up; h1 is to have it',
  });
  assert.equal(revisionOf([keeper(), held('h1', { penalty: 60 }), held('h3')])?.to, 'h3');
  assert.equal(revisionOf([keeper({ obeys: 4 }), held('h1'), held('h3')])?.to, 'h1', 'however late it is');
});

test('revision: what ails it without the tunnels counts where it is much', () => {
  const ailing = (penalty: number) => keeper({ paths: { tunnel: 'up', management: 'down' }, penalty });
  assert.equal(revisionOf([ailing(CLEARLY), held('h1')])?.to, 'h1');
  assert.equal(revisionOf([ailing(CLEARLY - 1), held('h1')]), null);
  assert.equal(revisionOf([ailing(150), held('h1', { penalty: 60 })]), null);
});

const STANDS: readonly (readonly [string, readonly Replica[]])[] = [
  [
    'all ail alike',
    [keeper(), held('h1', { ...cutOff, penalty: 120 }), held('h3', { ...cutOff, penalty: 120 })],
  ],
  [
    'only a link that is held down makes the difference',
    [keeper({ paths: held('h1').paths, penalty: 75 }), held('h1')],
  ],
  [
    'only who has been active for longer does',
    [keeper({ paths: held('h1').paths, penalty: 0 }), held('h1', { since: 1 })],
  ],
  [
    'whether its tunnel is well is not known',
    [keeper({ paths: { tunnel: 'unknown', management: 'down' }, penalty: 0 }), held('h1')],
  ],
  ['that of the other is not', [keeper(), held('h1', { paths: { tunnel: 'unknown', management: 'up' } })]],
  ['the other ails more in another way', [keeper(), held('h1', { penalty: 200 })]],
  [
    'the other’s agent has not said that it knows what it was last told',
    [keeper(), held('h1', { obeys: 4 })],
  ],
  ['nor that it knows anything', [keeper(), held('h1', { obeys: null })]],
  ['the other takes no part for a reason of its own', [keeper(), held('h1', { order: null })]],
  ['the other is not known', [keeper(), held('h1', { state: 'unknown' })]],
  ['one is to have it already', [keeper(), held('h1'), replica('h3', 'standby', { order: order('prefer') })]],
  ['it was forced upon the one that has it', [keeper({ order: order('prefer') }), held('h1')]],
  ['two are active', [keeper(), replica('h3', 'active'), held('h1')]],
  ['none is', [replica('h2', 'standby', cutOff), held('h1')]],
];

for (const [why, replicas] of STANDS)
  test(`revision: none where ${why}`, () => {
    assert.equal(revisionOf(replicas), null);
    const found = judge(replicas);
    if (found.kind === 'calm') assert.equal('revision' in found, false);
  });

test('revision: while the other comes nobody else is let go; once it has, the former is told to step back at once', () => {
  const revising = { ...order('prefer', 6), revises: 'h2' };
  const coming = replica('h1', 'standby', { order: revising, obeys: 6, seq: 4 });
  const under = [keeper(), coming, held('h3')];
  assert.deepEqual(judge(under), { kind: 'calm', ends: [], asks: [] });
  assert.deepEqual(leaseStep(under, { isDue: true, isLate: false }).renew, ['h3']);
  const come = [keeper(), { ...coming, state: 'active' as const, seq: 5, since: 9_000 }, held('h3')];
  const [asked, ...others] = [keeper({ obeys: 4 }), ...come.slice(1)];
  const awaited = { kind: 'await', hosts: ['h2'], ends: [] };
  assert.deepEqual(
    judge([asked!, ...others], { newcomer: 'h1' }),
    awaited,
    'it is remembered until there is an answer',
  );
  const found = judge(come, { newcomer: 'h1' });
  assert.equal(found.kind, 'dispute');
  if (found.kind !== 'dispute') return;
  assert.deepEqual([found.keep, found.settleMs], ['h1', SETTLE_UNHEARD_MS]);
  assert.deepEqual(found.steps, [{ host: 'h2', do: 'fault' }]);
});

test('revision: where the one that was to have it turns out to be no better, who had it keeps it', () => {
  const come = replica('h1', 'active', { ...cutOff, penalty: 120, order: order('prefer'), since: 9_000 });
  const found = judge([keeper(), come]);
  assert.deepEqual(found.kind === 'dispute' && [found.keep, found.steps], [
    'h2',
    [{ host: 'h1', do: 'fault' }],
  ]);
});
