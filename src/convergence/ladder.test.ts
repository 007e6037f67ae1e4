import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Role } from '../resources/agent.ts';
import {
  type Climb,
  type Decision,
  FORGET_MS,
  Ladder,
  LADDER_LIMITS,
  type LadderFacts,
  RUNGS,
  type Step,
} from './ladder.ts';
import type { Overdue } from './tracker.ts';

const stuck = (fields: Partial<Overdue> = {}): Overdue => ({
  ...{ host: 'a', role: 'dhcp', key: 'network/n', object: '', since: 7, kind: 'network', state: 'failed' },
  ...{ reason: 'it does not start', forMs: 4_000, agentIsLagging: false },
  ...fields,
});
const behind = (fields: Partial<Overdue> = {}) =>
  stuck({ state: 'pending', reason: 'not done yet', agentIsLagging: true, ...fields });
const silence = (fields: Partial<Overdue> = {}) =>
  stuck({ key: '', state: 'silent', kind: 'report', agentIsLagging: true, ...fields });

const facts = (hosts: readonly string[] = ['a'], keys = 1_000): LadderFacts => ({
  connected: new Set(hosts),
  keys: () => keys,
  promptMs: Number.POSITIVE_INFINITY,
});

/** A decision in a word: `resync a network/n`, `ended lagging a`. */
function word(decision: Decision): string {
  const { host, key, climb } = decision.of;
  const what = decision.type === 'step' ? decision.step : `ended ${climb}`;
  return [what, host, key].filter((part) => part !== '').join(' ');
}

interface Play {
  readonly until: number;
  readonly overdue: (now: number) => readonly Overdue[];
  readonly facts?: LadderFacts;
}

/** What is decided, looking twice a second: `0 audit a network/n`. */
function play({ until, overdue, facts: known = facts() }: Play, ladder = new Ladder(0)): string[] {
  const said: string[] = [];
  for (let now = 0; now <= until; now += 500) {
    for (const decision of ladder.decide(overdue(now), known, now))
      said.push(`${now / 1000} ${word(decision)}`);
  }
  return said;
}

const TABLE: Record<Climb, { entry: Overdue; until: number; expected: readonly string[] }> = {
  l2: {
    entry: stuck({ role: 'l2' }),
    until: 500_000,
    expected: [
      '0 audit a network/n',
      '0.5 resync a network/n',
      '1.5 rebuild a network/n',
      '7.5 alert a network/n',
    ],
  },
  dhcp: {
    entry: stuck(),
    until: 500_000,
    expected: [
      ...['0 audit a network/n', '0.5 resync a network/n', '1.5 rebuild a network/n'],
      ...['4.5 replace a network/n', '10.5 alert a network/n'],
    ],
  },
  l3: {
    entry: stuck({ role: 'l3', key: 'router/r' }),
    until: 500_000,
    expected: [
      '0 audit a router/r',
      '0.5 resync a router/r',
      '1.5 rebuild a router/r',
      '7.5 alert a router/r',
    ],
  },
  silent: { entry: silence(), until: 500_000, expected: ['0 cut a', '5 alert a'] },
  lagging: { entry: behind(), until: 500_000, expected: ['10 alert a'] },
};

test('each climb takes its steps in their order, each once', () => {
  for (const climb of Object.keys(TABLE) as Climb[]) {
    const { entry, until, expected } = TABLE[climb];
    assert.deepEqual(play({ until, overdue: () => [entry] }), expected, climb);
    const waits = RUNGS[climb].map((rung) => rung.waitMs);
    assert.deepEqual(
      waits,
      [...waits].sort((a, b) => a - b),
      `${climb}: the waits grow`,
    );
  }
});

test('one object that fails moves nothing to another agent', () => {
  const entry = stuck({ object: 'port/p', kind: 'lease' });
  assert.deepEqual(play({ until: 30_000, overdue: () => [entry] }), [
    ...['0 audit a network/n', '0.5 resync a network/n', '1.5 rebuild a network/n'],
    '10.5 alert a network/n',
  ]);
});

test('an escalation that did not help begins again after a long while, without a second alert', () => {
  const said = play({ until: 700_000, overdue: () => [stuck({ role: 'l2' })] }).slice(4);
  assert.deepEqual(said, ['607.5 audit a network/n', '608 resync a network/n', '609 rebuild a network/n']);
});

test('what comes right is forgotten, and its alert ends', () => {
  const until = (end: number) => (now: number) => (now <= end ? [stuck()] : []);
  assert.deepEqual(play({ until: 60_000, overdue: until(1_000) }).length, 2);
  const said = play({ until: 60_000, overdue: until(16_000) });
  assert.deepEqual(said.slice(4), ['10.5 alert a network/n', '21 ended dhcp a network/n']);
  const ladder = new Ladder(0);
  play({ until: 16_000, overdue: until(16_000) }, ladder);
  assert.equal(ladder.alerts().length, 1);
  const [ended] = ladder.decide([], facts([]), 30_000);
  assert.equal(ended?.type === 'alert-ended' && ended.isHere, false, 'followed up elsewhere now');
  assert.deepEqual(ladder.alerts(), []);
});

test('a reconnect in between does not begin an escalation anew', () => {
  const gone = (now: number) => (now >= 500 && now < 4_000 ? [] : [stuck()]);
  assert.deepEqual(play({ until: 4_000, overdue: gone }), ['0 audit a network/n', '4 resync a network/n']);
});

test('an agent that is silent again after its watch was cut is told of', () => {
  const again = (now: number) => (now === 0 || now >= 17_000 ? [silence()] : []);
  assert.deepEqual(play({ until: 30_000, overdue: again }), ['0 cut a', '17 alert a']);
});

test('a role that is behind as a whole, or in many keys, is told of and otherwise left alone', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => {
      return stuck({ key: `network/${at}`, forMs: at, state: 'pending' });
    });
  const said = (count: number, keys: number) =>
    play({ until: 12_000, overdue: () => many(count), facts: facts(['a'], keys) });
  assert.deepEqual(said(51, 1_000), ['10 alert a']);
  assert.ok(!said(49, 1_000).includes('10 alert a'));
  assert.ok(
    said(4, 4).some((one) => one.includes('rebuild')),
    'a few are never many',
  );
  assert.deepEqual(said(5, 5), ['10 alert a']);
  const both = play({ until: 3_000, overdue: () => [stuck(), behind({ key: 'network/m' })] });
  assert.deepEqual(both.at(-1), '1.5 rebuild a network/n', 'what failed by itself is a stall');
});

test('what failed climbs however much it is, the first being through before the last have begun', () => {
  const many = Array.from({ length: 30 }, (_, at) => stuck({ key: `network/${at}` }));
  const said = play({ until: 60_000, overdue: () => many, facts: facts(['a'], 30) });
  const replaced = said.filter((one) => one.split(' ')[1] === 'replace');
  assert.ok(Number.parseFloat(replaced[0] ?? '') <= 6, replaced[0]);
  assert.equal(
    said.some((one) => one === '10 alert a'),
    false,
    'it does not lag',
  );
  const ended = play({ until: 200_000, overdue: () => many, facts: facts(['a'], 30) });
  for (const { step } of RUNGS.dhcp)
    assert.equal(ended.filter((one) => one.split(' ')[1] === step).length, 30, step);
  const backlog = many.map(({ key }) => behind({ key: `${key}0` }));
  const both = play({ until: 6_000, overdue: () => [...backlog, ...many], facts: facts(['a'], 60) });
  assert.ok(both.some((one) => one.includes('replace')));
  assert.ok(
    both.every((one) => many.some(({ key }) => one.endsWith(` a ${key}`))),
    'nothing is done to what only waits',
  );
});

test('what cannot be done for one keeps no others waiting', () => {
  const many = Array.from({ length: 20 }, (_, at) => stuck({ key: `network/${at}` }));
  const ladder = new Ladder(0);
  const audited = new Set<string>();
  for (let now = 0; now <= 60_000; now += 500) {
    for (const decision of ladder.decide(many, facts(['a'], 20), now)) {
      if (decision.type !== 'step') continue;
      audited.add(decision.of.key);
      if (decision.step === 'resync') ladder.failed(decision, now);
    }
  }
  assert.equal(audited.size, 20);
});

test('silence of a third of the hosts is not theirs', () => {
  const hosts = Array.from({ length: 9 }, (_, at) => `h${at}`);
  const said = (count: number) =>
    play({
      until: 10_000,
      overdue: () => hosts.slice(0, count).map((host) => silence({ host })),
      facts: facts(hosts),
    });
  assert.deepEqual(said(4), []);
  assert.equal(said(3).length, 6);
  const pair = { until: 10_000, overdue: () => ['a', 'b'].map((host) => silence({ host })) };
  assert.equal(play({ ...pair, facts: facts(['a', 'b']) }).length, 4, 'of two, two may fail');
});

test('silence says nothing while this server itself was slow', () => {
  const overdue = () => [silence()];
  const slow = { ...facts(), promptMs: 14_000 };
  assert.deepEqual(play({ until: 10_000, overdue, facts: slow }), []);
  assert.equal(play({ until: 10_000, overdue, facts: { ...slow, promptMs: 15_000 } }).length, 2);
});

test('a host whose roles are all silent has its watch cut once', () => {
  const roles = (['dhcp', 'l2'] as const).map((role) => silence({ role }));
  const [cut, ...more] = new Ladder(0).decide(roles, facts(), 0);
  assert.deepEqual(more, []);
  assert.deepEqual(cut?.of.objects, ['dhcp', 'l2']);
});

test('objects of one key climb together', () => {
  const objects = ['port/1', 'port/2'].map((object) => stuck({ object, role: 'l2', forMs: 100 }));
  const [decision, ...more] = new Ladder(0).decide(objects, facts(), 0);
  assert.deepEqual(more, []);
  assert.deepEqual(decision?.of.objects, ['port/1', 'port/2']);
  assert.equal(decision.of.count, 2);
});

test('a step that could not be taken is due again', () => {
  const ladder = new Ladder(0);
  const decide = (now: number) => ladder.decide([stuck()], facts(), now);
  for (const now of [0, 1_000, 3_000]) decide(now);
  const [replace] = decide(7_000);
  assert.ok(replace?.type === 'step' && replace.step === 'replace');
  ladder.failed(replace, 7_100);
  assert.deepEqual(decide(8_000).map(word), ['replace a network/n']);
  assert.deepEqual(decide(16_000).map(word), ['alert a network/n']);
  ladder.failed(replace, 16_100);
  assert.deepEqual(decide(17_000), [], 'it has been gone beyond');
});

const ORDER: Readonly<Record<Role, readonly Step[]>> = {
  l2: RUNGS.l2.map((rung) => rung.step),
  dhcp: RUNGS.dhcp.map((rung) => rung.step),
  l3: RUNGS.l3.map((rung) => rung.step),
};

test('whatever is overdue when: in order, within the limits, and nothing for what is not overdue', () => {
  const key = fc.integer({ min: 0, max: 30 });
  const role = fc.constantFrom<Role>('l2', 'dhcp');
  const host = fc.constantFrom('a', 'b', 'c');
  const entry = fc.record({ host, role, key }).map((it) => stuck({ ...it, key: `network/${it.key}` }));
  const moment = fc.record({ pauseMs: fc.integer({ min: 200, max: 4_000 }), overdue: fc.array(entry) });
  fc.assert(
    fc.property(fc.array(moment, { minLength: 1, maxLength: 60 }), (moments) => {
      const ladder = new Ladder(0);
      const last = new Map<string, { step: number; at: number }>();
      const taken: { at: number; host: string }[] = [];
      let now = 0;
      for (const { pauseMs, overdue } of moments) {
        now += pauseMs;
        const names = new Set(overdue.map((one) => `${one.host} ${one.role} ${one.key}`));
        for (const decision of ladder.decide(overdue, facts(['a', 'b', 'c']), now)) {
          if (decision.type !== 'step') continue;
          const { of, step } = decision;
          const name = `${of.host} ${of.role} ${of.key}`;
          assert.ok(names.has(name), `${step} for ${name}, which is not overdue`);
          const at = ORDER[of.role].indexOf(step);
          const before = last.get(name);
          const isNext = at === (before?.step ?? -1) + 1;
          const isAnew = at === 0 && before !== undefined && now - before.at >= FORGET_MS[of.role];
          assert.ok(isNext || isAnew, `${step} after ${before?.step}`);
          last.set(name, { step: at, at: now });
          taken.push({ at: now, host: of.host });
        }
      }
      const within = (list: readonly { at: number }[], rate: { perSecond: number; burst: number }) =>
        list.every(({ at }, from) => {
          const later = list.slice(from).filter((one) => one.at <= at + 1_000);
          return later.length <= rate.burst + rate.perSecond;
        });
      assert.ok(within(taken, LADDER_LIMITS.all));
      for (const name of ['a', 'b', 'c'])
        assert.ok(
          within(
            taken.filter((one) => one.host === name),
            LADDER_LIMITS.host,
          ),
        );
    }),
    { numRuns: 200 },
  );
});

test('however much is overdue, all have their turn', () => {
  const hosts = Array.from({ length: 200 }, (_, at) => `h${at}`);
  const said = play({
    until: 60_000,
    overdue: () => hosts.map((host) => stuck({ host, role: 'l2' })),
    facts: facts(hosts),
  });
  for (const step of ['audit', 'resync', 'rebuild', 'alert'])
    assert.equal(said.filter((one) => one.split(' ')[1] === step).length, 200, step);
  const perSecond = Map.groupBy(said, (one) => one.split(' ')[0]);
  assert.ok([...perSecond.values()].every((list) => list.length <= 20));
});
