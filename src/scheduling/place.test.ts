import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Candidate, type Demand, fits, planPlacements } from './place.ts';

const agent = (id: string, changes: Partial<Candidate> = {}): Candidate => ({
  id,
  zone: 'z',
  physicalNetworks: [],
  load: 0,
  room: 1_000,
  ...changes,
});
const network = (networkId: string, changes: Partial<Demand> = {}): Demand => ({
  networkId,
  physicalNetwork: null,
  zoneHints: [],
  bound: new Set(),
  staying: [],
  missing: 1,
  ...changes,
});
const many = (count: number, changes: Partial<Demand> = {}) =>
  Array.from({ length: count }, (_, at) => network(`n${String(at).padStart(4, '0')}`, changes));
const agentsOf = (plan: ReturnType<typeof planPlacements>) => plan.additions.map((one) => one.agentId);
const countsOf = (plan: ReturnType<typeof planPlacements>) =>
  Object.fromEntries(
    [...Map.groupBy(plan.additions, (one) => one.agentId)].sort().map(([id, own]) => [id, own.length]),
  );

test('the least loaded is taken, ties by id', () => {
  assert.deepEqual(agentsOf(planPlacements([network('n')], [agent('b'), agent('a'), agent('c')])), ['a']);
  assert.deepEqual(agentsOf(planPlacements([network('n')], [agent('a', { load: 2 }), agent('b')])), ['b']);
});

test('a thousand networks of one agent go evenly to four others, by what these have already', () => {
  const even = planPlacements(
    many(1_000),
    ['a', 'b', 'c', 'd'].map((id) => agent(id)),
  );
  assert.deepEqual(countsOf(even), { a: 250, b: 250, c: 250, d: 250 });
  const loads = { a: 400, b: 0, c: 100, d: 300 };
  const level = planPlacements(
    many(1_000),
    Object.entries(loads).map(([id, load]) => agent(id, { load })),
  );
  assert.deepEqual(countsOf(level), { a: 50, b: 450, c: 350, d: 150 });
});

test('replicas are spread over zones before loads count, those that stay included', () => {
  const candidates = [agent('a1'), agent('a2'), agent('b1', { zone: 'b', load: 50 })];
  assert.deepEqual(agentsOf(planPlacements([network('n', { missing: 2 })], candidates)), ['a1', 'b1']);
  assert.deepEqual(agentsOf(planPlacements([network('n', { staying: ['z'] })], candidates)), ['b1']);
});

test('an agent with which much fails is the last that is taken, and taken where there is no other', () => {
  const candidates = [agent('a', { isFailing: true }), agent('b', { load: 90 }), agent('c', { load: 99 })];
  assert.deepEqual(agentsOf(planPlacements([network('n')], candidates)), ['b']);
  const staying = planPlacements(
    [network('n', { staying: ['z'] })],
    [agent('a', { zone: 'y', isFailing: true }), agent('b')],
  );
  assert.deepEqual(agentsOf(staying), ['b'], 'zones count less');
  assert.deepEqual(agentsOf(planPlacements([network('n', { missing: 3 })], candidates)), ['b', 'c', 'a']);
});

test('zones that a network names, and hosts that cannot attach it, are limits', () => {
  const candidates = [
    agent('a'),
    agent('b', { zone: 'b', load: 9 }),
    agent('c', { physicalNetworks: ['p'] }),
  ];
  assert.deepEqual(agentsOf(planPlacements([network('n', { zoneHints: ['b'] })], candidates)), ['b']);
  assert.deepEqual(agentsOf(planPlacements([network('n', { physicalNetwork: 'p' })], candidates)), ['c']);
  const none = planPlacements([network('n', { zoneHints: ['x'] })], candidates);
  assert.deepEqual(none, { additions: [], waiting: [], hopeless: ['n'] });
});

test('an agent without room is left alone, and its network waits; one that nobody can serve is told apart', () => {
  const plan = planPlacements(many(5), [agent('a', { room: 2 }), agent('b', { room: 1 })]);
  assert.deepEqual(countsOf(plan), { a: 2, b: 1 });
  assert.deepEqual(plan.waiting, ['n0003', 'n0004']);
  assert.deepEqual(plan.hopeless, []);
});

test('what nobody serves comes first when only some can be placed', () => {
  const demands = [network('a', { staying: ['z'] }), network('b')];
  assert.deepEqual(planPlacements(demands, [agent('x')], 1), {
    additions: [{ networkId: 'b', agentId: 'x' }],
    waiting: ['a'],
    hopeless: [],
  });
});

const zones = fc.constantFrom('x', 'y', 'z');
const candidates = fc.uniqueArray(
  fc.record({
    id: fc.constantFrom(...'abcdefghij'),
    zone: zones,
    physicalNetworks: fc.subarray(['p', 'q']),
    load: fc.nat(30),
    room: fc.nat(8),
  }),
  { selector: (one) => one.id },
);
const demands = fc.uniqueArray(
  fc.record({
    networkId: fc.constantFrom(...'0123456789ABCDEFGHIJKLMN'),
    physicalNetwork: fc.constantFrom(null, null, 'p', 'q'),
    zoneHints: fc.subarray(['x', 'y', 'z']),
    bound: fc.subarray([...'abcdefghij']).map((ids) => new Set(ids)),
    staying: fc.array(zones, { maxLength: 2 }),
    missing: fc.nat(3),
  }),
  { selector: (one) => one.networkId, maxLength: 24 },
);

test('any plan keeps within room, limits and demand, and says of each network that got too little why', () => {
  fc.assert(
    fc.property(demands, candidates, fc.nat(30), (wanted, agents, most) => {
      const plan = planPlacements(wanted, agents, most);
      assert.ok(plan.additions.length <= most);
      for (const one of agents) {
        const own = plan.additions.filter((addition) => addition.agentId === one.id);
        assert.ok(own.length <= one.room);
        assert.equal(new Set(own.map((addition) => addition.networkId)).size, own.length);
      }
      for (const demand of wanted) {
        const own = plan.additions.filter((addition) => addition.networkId === demand.networkId);
        assert.ok(own.length <= demand.missing);
        for (const { agentId } of own) {
          assert.ok(!demand.bound.has(agentId));
          assert.ok(fits(agents.find((one) => one.id === agentId)!, demand));
        }
        const short = own.length < demand.missing;
        const told = [...plan.waiting, ...plan.hopeless].filter((id) => id === demand.networkId);
        assert.equal(told.length, short ? 1 : 0);
      }
    }),
  );
});

test('the plan depends on the facts and not on their order', () => {
  fc.assert(
    fc.property(demands, candidates, (wanted, agents) => {
      const turned = planPlacements([...wanted].reverse(), [...agents].reverse());
      assert.deepEqual(turned, planPlacements(wanted, agents));
    }),
  );
});

test('networks without limits leave the agents that got any within one of each other', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 8 }), fc.nat(100), (loads, count) => {
      const agents = loads.map((load, at) => agent(`a${at}`, { load }));
      const counts = countsOf(planPlacements(many(count), agents));
      const after = agents.map((one) => ({
        got: counts[one.id] ?? 0,
        load: one.load + (counts[one.id] ?? 0),
      }));
      const lowest = Math.min(...after.map((one) => one.load));
      for (const one of after) assert.ok(one.got === 0 || one.load <= lowest + 1);
    }),
  );
});
