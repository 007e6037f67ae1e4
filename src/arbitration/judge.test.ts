import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReplicaState } from '../resources/replica-report.ts';
import type { ReplicaOrder } from '../resources/router.ts';
import {
  type Judgement,
  judge,
  SETTLE_DOUBT_MS,
  SETTLE_HEARD_MS,
  SETTLE_UNHEARD_MS,
  WAVE_MS,
} from './judge.ts';
import { leaseStep } from './lease.ts';
import { FRESH_MS, isTold, isUnheard, type Replica } from './replica.ts';

const replica = (host: string, state: ReplicaState, changes: Partial<Replica> = {}): Replica => ({
  ...{
    host,
    state,
    rank: Number(host.slice(1)),
    incarnation: 7,
    seq: 3,
    since: 1_000,
    penalty: 0,
    hears: false,
  },
  ...{
    paths: { tunnel: 'up', management: 'up' },
    failing: 0,
    obeys: null,
    obeysSince: null,
    cutOffSince: null,
    order: null,
  },
  ...changes,
});
const order = (what: ReplicaOrder['do'], changes: Partial<ReplicaOrder> = {}): ReplicaOrder => ({
  ...{ epoch: 5, do: what, incarnation: 7, seq: 3, why: 'because' },
  ...changes,
});
/** Asked, and has answered that it is. */
const answered = { order: order('tell'), obeys: 5 };
const asked = { order: order('tell'), obeys: 4 };
const cutOff = { paths: { tunnel: 'down', management: 'down' } } as const;

type Case = readonly [string, readonly Replica[], string | undefined, Partial<Judgement>];

const dispute = (
  keep: string,
  steps: readonly [string, 'yield' | 'fault'][],
  settleMs = SETTLE_UNHEARD_MS,
) => ({
  ...{ kind: 'dispute' as const, keep, settleMs },
  steps: steps.map(([host, what]) => ({ host, do: what })),
});

const down = { paths: { tunnel: 'down', management: 'up' } } as const;

const CASES: readonly Case[] = [
  [
    'one is active',
    [replica('h1', 'active'), replica('h2', 'standby')],
    'h1',
    { kind: 'calm', ends: [], asks: [] },
  ],
  [
    'none is',
    [replica('h1', 'fault'), replica('h2', 'unknown')],
    undefined,
    { kind: 'calm', ends: [], asks: [] },
  ],
  [
    'another becomes active: who was before is asked',
    [replica('h1', 'active'), replica('h2', 'active'), replica('h3', 'standby')],
    'h2',
    { kind: 'ask', hosts: ['h1'] },
  ],
  [
    'a third becomes active: both are asked anew',
    [replica('h1', 'active', answered), replica('h2', 'active'), replica('h3', 'active')],
    'h3',
    { kind: 'ask', hosts: ['h1', 'h2'] },
  ],
  [
    'who was asked and has not answered is not asked again',
    [replica('h1', 'active', asked), replica('h2', 'active'), replica('h3', 'active')],
    'h3',
    { kind: 'ask', hosts: ['h2'] },
  ],
  [
    'a third becomes active a moment after the second: neither took over from the other, and only who was before is asked',
    [
      replica('h1', 'active'),
      replica('h2', 'active', { since: 9_000 }),
      replica('h3', 'active', { since: 9_000 + WAVE_MS - 1 }),
    ],
    'h3',
    { kind: 'ask', hosts: ['h1'], lookMs: SETTLE_HEARD_MS },
  ],
  [
    'the same, and that one was asked, but has not answered',
    [
      replica('h1', 'active', asked),
      replica('h2', 'active', { since: 9_000 }),
      replica('h3', 'active', { since: 9_010 }),
    ],
    'h3',
    { kind: 'ask', hosts: [], lookMs: SETTLE_HEARD_MS },
  ],
  [
    'the same, and it has: nobody is asked again',
    [
      replica('h1', 'active', answered),
      replica('h2', 'active', { since: 9_000, order: order('fault'), obeys: 4 }),
      replica('h3', 'active', { since: 9_010 }),
    ],
    'h3',
    dispute('h1', [['h3', 'fault']]),
  ],
  [
    'the same, but the second has had time for three adverts: the third may have taken over from it',
    [
      replica('h1', 'active', answered),
      replica('h2', 'active', { since: 9_000 }),
      replica('h3', 'active', { since: 9_000 + WAVE_MS }),
    ],
    'h3',
    { kind: 'ask', hosts: ['h1', 'h2'], lookMs: null },
  ],
  [
    'two stand-bys become active together, and nobody was before: they are given the time of a question',
    [
      replica('h1', 'fault'),
      replica('h2', 'active', { since: 9_000 }),
      replica('h3', 'active', { since: 9_010 }),
    ],
    'h3',
    { kind: 'ask', hosts: ['h2'], lookMs: null },
  ],
  [
    'two rows, and nobody was asked: all are',
    [replica('h1', 'active'), replica('h2', 'active')],
    undefined,
    { kind: 'ask', hosts: ['h1', 'h2'] },
  ],
  [
    'who was asked in an earlier role was not asked',
    [replica('h1', 'active', { order: order('tell', { seq: 2 }), obeys: 5 }), replica('h2', 'active')],
    undefined,
    { kind: 'ask', hosts: ['h1', 'h2'] },
  ],
  [
    'no answer is no dispute, and a planned move to the other is over',
    [replica('h1', 'active', asked), replica('h2', 'active', { order: order('prefer', { seq: 2 }) })],
    undefined,
    { kind: 'await', hosts: ['h1'], ends: ['h2'] },
  ],
  [
    'an answer is: the longest serving keeps it',
    [replica('h1', 'active', answered), replica('h2', 'active', { since: 2_000 })],
    undefined,
    dispute('h1', [['h2', 'fault']]),
  ],
  [
    'its tunnel counts for more',
    [replica('h1', 'active', { ...answered, ...down }), replica('h2', 'active', { since: 2_000 })],
    undefined,
    dispute('h2', [['h1', 'fault']], SETTLE_DOUBT_MS),
  ],
  [
    'then its health',
    [replica('h1', 'active', { ...answered, penalty: 60 }), replica('h2', 'active', { since: 2_000 })],
    undefined,
    dispute('h2', [['h1', 'fault']], SETTLE_DOUBT_MS),
  ],
  [
    'then its checks',
    [replica('h1', 'active', { ...answered, failing: 1 }), replica('h2', 'active', { since: 2_000 })],
    undefined,
    dispute('h2', [['h1', 'fault']], SETTLE_DOUBT_MS),
  ],
  [
    'then its rank, never reported is worst',
    [replica('h2', 'active', { ...answered, since: null }), replica('h1', 'active', { since: null })],
    undefined,
    dispute('h1', [['h2', 'fault']]),
  ],
  [
    'who hears the other yields by weight, and gets time to do so by itself',
    [replica('h1', 'active', answered), replica('h2', 'active', { since: 2_000, hears: true })],
    undefined,
    dispute('h1', [['h2', 'yield']], SETTLE_HEARD_MS),
  ],
  [
    'one that does not answer is not counted',
    [
      replica('h1', 'active', asked),
      replica('h2', 'active', answered),
      replica('h3', 'active', { since: 2_000 }),
    ],
    undefined,
    dispute('h2', [['h3', 'fault']]),
  ],
  [
    'who was told to step back and did not hear it is not told again',
    [replica('h1', 'active', answered), replica('h2', 'active', { order: order('fault'), obeys: 4 })],
    undefined,
    { kind: 'await', hosts: ['h2'], ends: [] },
  ],
  [
    'nor who heard it and is about to',
    [
      replica('h1', 'active', answered),
      replica('h2', 'active', { order: order('yield'), obeys: 5, since: 2_000 }),
    ],
    undefined,
    dispute('h1', []),
  ],
  [
    'a verdict stands while it is carried out, though the other is worse by now',
    [
      replica('h1', 'active', { ...answered, ...down }),
      replica('h2', 'active', { order: order('yield'), obeys: 5 }),
    ],
    undefined,
    dispute('h1', []),
  ],
  [
    'two were told to go: the better one is let stay',
    [
      replica('h1', 'active', { order: order('yield'), obeys: 5 }),
      replica('h2', 'active', { order: order('yield'), obeys: 5, since: 2_000 }),
    ],
    undefined,
    { ...dispute('h1', []), ends: ['h1'] },
  ],
  [
    'orders end with the dispute; a lease goes on while nobody is heard, and so do the questions to who serves',
    [
      replica('h1', 'active', answered),
      replica('h2', 'standby', { order: order('yield', { seq: 2 }) }),
      replica('h3', 'fault', { order: order('fault', { seq: 2 }) }),
    ],
    undefined,
    { kind: 'calm', ends: ['h2'], asks: [] },
  ],
  [
    'who has others standing back for it is asked, if it never was',
    [replica('h1', 'active'), replica('h2', 'fault', { order: order('fault', { seq: 2 }) })],
    undefined,
    { kind: 'calm', ends: [], asks: ['h1'] },
  ],
  [
    'a lease ends where the others are heard',
    [replica('h1', 'active'), replica('h2', 'fault', { order: order('fault', { seq: 2 }), hears: true })],
    undefined,
    { kind: 'calm', ends: ['h2'] },
  ],
  [
    'the only active is not to step back, nor anybody where there is none',
    [replica('h1', 'active', { order: order('fault') }), replica('h2', 'standby')],
    undefined,
    { kind: 'calm', ends: ['h1'] },
  ],
  [
    'a planned move under way goes on',
    [
      replica('h1', 'active', { order: order('yield') }),
      replica('h2', 'standby', { order: order('prefer') }),
    ],
    undefined,
    { kind: 'calm', ends: [], asks: [] },
  ],
  [
    'and ends with it',
    [
      replica('h1', 'standby', { order: order('yield') }),
      replica('h2', 'active', { order: order('prefer') }),
    ],
    undefined,
    { kind: 'calm', ends: ['h1', 'h2'] },
  ],
];

for (const [name, replicas, newcomer, expected] of CASES) {
  test(`judge: ${name}`, () => {
    const found = judge(replicas, newcomer === undefined ? {} : { newcomer });
    for (const [field, value] of Object.entries(expected))
      assert.deepEqual(found[field as keyof Judgement], value, `${field} of ${JSON.stringify(found)}`);
  });
}

test('judge: who yields by weight and is active all the same is told to step back', () => {
  const stubborn = replica('h2', 'active', { order: order('yield'), obeys: 5, since: 2_000, hears: true });
  const found = judge([replica('h1', 'active', answered), stubborn], { isStubborn: () => true });
  assert.deepEqual(found.kind === 'dispute' && found.steps, [{ host: 'h2', do: 'fault' }]);
});

test('judge: those who became active together are not judged before who was asked had time to answer', () => {
  const replicas = [
    replica('h1', 'active', asked),
    replica('h2', 'active', { since: 9_000 }),
    replica('h3', 'active', { since: 9_010 }),
  ];
  assert.deepEqual(judge(replicas), { kind: 'ask', hosts: [], lookMs: SETTLE_HEARD_MS });
  const found = judge(replicas, { isDue: true });
  assert.deepEqual(found.kind === 'dispute' && found.steps, [{ host: 'h3', do: 'fault' }]);
});

test('judge: a stand-by that reaches nobody may become active: who is, is asked ahead, once, until it is over', () => {
  const standby = replica('h2', 'standby', cutOff);
  const calm = (active: Replica, other = standby) => judge([active, other]);
  assert.deepEqual(calm(replica('h1', 'active')), { kind: 'calm', ends: [], asks: ['h1'] });
  assert.deepEqual(calm(replica('h1', 'active', asked)), { kind: 'calm', ends: [], asks: [] });
  assert.deepEqual(calm(replica('h1', 'active', answered)), { kind: 'calm', ends: [], asks: [] });
  const back = replica('h2', 'standby');
  assert.deepEqual(calm(replica('h1', 'active', answered), back), { kind: 'calm', ends: ['h1'], asks: [] });
});

test('judge: who has answered just now, asked ahead, is not asked again as the other becomes active', () => {
  const now = 100_000;
  const judged = (active: Partial<Replica>, newest: Partial<Replica> = cutOff) =>
    judge(
      [
        replica('h1', 'active', { ...answered, obeysSince: now - 100, ...active }),
        replica('h2', 'active', { since: now - 20, ...newest }),
      ],
      { newcomer: 'h2', now },
    );
  const found = judged({});
  assert.deepEqual(found.kind === 'dispute' && found.steps, [{ host: 'h2', do: 'fault' }]);
  for (const other of [
    judged({ obeysSince: now - FRESH_MS }),
    judged({ obeysSince: null }),
    judged({ obeys: 4 }),
    judged({}, { paths: { tunnel: 'up', management: 'down' } }),
  ])
    assert.equal(other.kind, 'ask', JSON.stringify(other));
});

test('judge: who says of itself that it reaches nobody, as another becomes active, need not be asked', () => {
  const now = 100_000;
  const said = { ...cutOff, cutOffSince: now - 100 };
  const before = (changes: Partial<Replica> = {}) => replica('h1', 'active', { ...said, ...changes });
  const newest = (changes: Partial<Replica> = {}) =>
    replica('h2', 'active', { ...cutOff, since: now - 20, ...changes });
  const steps = (found: Judgement) =>
    found.kind === 'dispute' ? found.steps.map(({ host }) => host) : found.kind;
  for (const replicas of [
    [before(), newest()],
    // a question is under way
    [before(asked), newest()],
    // it says so only after the other has begun
    [before({ cutOffSince: now }), newest({ since: now - 200 })],
  ]) {
    assert.deepEqual(steps(judge(replicas, { newcomer: 'h2', now })), ['h2']);
    assert.deepEqual(steps(judge(replicas, { now })), ['h2'], 'whoever has told something');
  }
  // it may have lost its power since
  const old = before({ cutOffSince: now - 20 - FRESH_MS });
  assert.equal(judge([old, newest()], { newcomer: 'h2', now }).kind, 'ask');
  const later = now + FRESH_MS;
  assert.equal(judge([before(asked), newest()], { now: later }).kind, 'await', 'nor has it answered');
  assert.deepEqual(
    steps(judge([before(), newest()], { now: later, isDue: true })),
    ['h2'],
    'it was not asked',
  );
  assert.equal(judge([before(), newest()], { newcomer: 'h2' }).kind, 'ask', 'by no clock');
});

test('judge: of several that were before one has said so: the others are asked', () => {
  const now = 100_000;
  const said = replica('h1', 'active', { ...cutOff, cutOffSince: now - 100 });
  const silent = replica('h3', 'active', { since: now - 5_000 });
  const newest = replica('h2', 'active', { since: now - 20 });
  const asks = { kind: 'ask', hosts: ['h3'], lookMs: null };
  assert.deepEqual(judge([said, silent, newest], { newcomer: 'h2', now }), asks);
  const all = { kind: 'ask', hosts: ['h1', 'h3', 'h2'], lookMs: null };
  assert.deepEqual(judge([said, silent, newest], { now }), all);
});

test('judge: two that became active together and reach nobody cannot settle it, whoever was before', () => {
  const now = 100_000;
  const lone = (host: string, ago: number) =>
    replica(host, 'active', { ...cutOff, since: now - ago, cutOffSince: now - ago });
  const found = judge([replica('h1', 'active', asked), lone('h2', 30), lone('h3', 20)], { now });
  assert.deepEqual(found.kind === 'dispute' && found.hosts, ['h2', 'h3']);
});

test('judge: who has said just now that it reaches nobody is not asked for those who may become active', () => {
  const now = 100_000;
  const standby = replica('h2', 'standby', cutOff);
  const judged = (ago: number) =>
    judge([replica('h1', 'active', { ...cutOff, cutOffSince: now - ago }), standby], { now });
  assert.deepEqual(judged(10), { kind: 'calm', ends: [], asks: [] });
  assert.deepEqual(judged(FRESH_MS), { kind: 'calm', ends: [], asks: ['h1'] });
  const serving = replica('h1', 'active', { ...cutOff, cutOffSince: now });
  const held = replica('h2', 'fault', { ...cutOff, order: order('fault', { seq: 2 }) });
  assert.deepEqual(judge([serving, held], { now }), { kind: 'calm', ends: [], asks: ['h1'] });
});

test('judge: the reason names what decides', () => {
  const found = judge([replica('h1', 'active', { ...answered, ...down }), replica('h2', 'active')]);
  assert.equal(
    found.kind === 'dispute' && found.why,
    'h2 and h1 are active at once; h2 keeps it: its tunnel is up, that of h1 down',
  );
});

test('lease: renewed while another is known to serve, and that one is asked again', () => {
  const held = replica('h2', 'fault', {
    order: order('fault', { seq: 2 }),
    paths: { tunnel: 'down', management: 'down' },
  });
  const serving = replica('h1', 'active', answered);
  const step = (replicas: readonly Replica[], isLate = false, isDue = true) =>
    leaseStep(replicas, { isDue, isLate });
  const none = { renew: [], ask: [], awaited: [], end: [] };
  assert.deepEqual(step([serving, held]), { ...none, renew: ['h2'], ask: ['h1'] });
  assert.deepEqual(step([serving, held], false, false), { ...none, ask: ['h1'] });
  assert.deepEqual(step([{ ...serving, ...asked }, held]), { ...none, awaited: ['h1'] });
  assert.deepEqual(step([{ ...serving, ...asked }, held], true), { ...none, end: ['h2'] });
  assert.deepEqual(step([replica('h1', 'standby'), held]), { ...none, end: ['h2'] });
  const worse = { ...held, host: 'h3', penalty: 60 };
  assert.deepEqual(
    step([replica('h1', 'standby'), worse, held]),
    { ...none, end: ['h2'] },
    'one after the other',
  );
  const met = { ...held, paths: { tunnel: 'up', management: 'down' } } as const;
  assert.deepEqual(step([serving, met]), none);
  assert.deepEqual(step([serving, replica('h2', 'standby')]), none);
});

const path = fc.constantFrom('up', 'down', 'unknown') as fc.Arbitrary<'up' | 'down' | 'unknown'>;
const small = fc.integer({ min: 1, max: 3 });
const orders = fc.option(
  fc.record({
    epoch: small,
    do: fc.constantFrom('tell', 'prefer', 'yield', 'fault') as fc.Arbitrary<ReplicaOrder['do']>,
    ...{ incarnation: small, seq: small, why: fc.constant('') },
  }),
);
const anyReplica = fc.record({
  state: fc.constantFrom('active', 'active', 'standby', 'fault', 'unknown') as fc.Arbitrary<ReplicaState>,
  ...{ incarnation: small, seq: small, since: fc.option(small), penalty: fc.constantFrom(0, 60) },
  ...{
    hears: fc.boolean(),
    paths: fc.record({ tunnel: path, management: path }),
    failing: fc.constantFrom(0, 1),
  },
  ...{ obeys: fc.option(small), obeysSince: fc.option(small), cutOffSince: fc.option(small), order: orders },
});
const someReplicas = fc
  .array(anyReplica, { minLength: 1, maxLength: 5 })
  .map((all) => all.map((one, at): Replica => ({ ...one, host: `h${at + 1}`, rank: at })));

test('judge: somebody is left to serve, whatever was said, and in whatever order it is looked at', () => {
  fc.assert(
    fc.property(someReplicas, fc.boolean(), fc.option(small), (replicas, isStubborn, now) => {
      const options = { isStubborn: () => isStubborn, ...(now === null ? {} : { now }) };
      const isKnown = (one: Replica) => !isUnheard(one) || (now !== null && one.cutOffSince !== null);
      const found = judge(replicas, options);
      const mirrored = judge([...replicas].reverse(), options);
      assert.equal(mirrored.kind, found.kind);
      const byHost = new Map(replicas.map((one) => [one.host, one]));
      if (found.kind !== 'dispute' || mirrored.kind !== 'dispute') return;
      assert.equal(mirrored.keep, found.keep);
      const keep = byHost.get(found.keep)!;
      const isToGo = (keep.order?.do === 'yield' || keep.order?.do === 'fault') && isTold(keep);
      assert.deepEqual(found.ends, isToGo ? [keep.host] : [], 'who keeps it is not to go');
      assert.ok(keep.state === 'active' && isKnown(keep), 'who keeps it is known to be active');
      for (const step of found.steps) {
        const it = byHost.get(step.host)!;
        assert.notEqual(step.host, found.keep);
        assert.ok(it.state === 'active' && isKnown(it), 'only who is known to be active is told');
        assert.ok(step.do === 'yield' || !it.hears || isStubborn, 'who hears others is not stopped at once');
      }
    }),
  );
});

test('judge: nobody is held back where none is known to be active', () => {
  fc.assert(
    fc.property(someReplicas, (replicas) => {
      const found = judge(replicas);
      if (found.kind !== 'calm' || replicas.some((one) => one.state === 'active')) return;
      for (const { host, order: it } of replicas)
        if (it?.do === 'yield' || it?.do === 'fault') assert.ok(found.ends.includes(host), host);
    }),
  );
});
