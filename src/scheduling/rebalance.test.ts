import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Candidate } from './place.ts';
import { isUneven, overloaded, planRebalance, type Served } from './rebalance.ts';

const agent = (id: string, load: number, changes: Partial<Candidate> = {}): Candidate => ({
  ...{ id, load, zone: 'z', physicalNetworks: [], room: 1_000 },
  ...changes,
});
const networks = (count: number, changes: Partial<Served> = {}): Served[] =>
  Array.from({ length: count }, (_, at) => ({
    networkId: `n${String(at).padStart(3, '0')}`,
    physicalNetwork: null,
    zoneHints: [],
    bound: new Set(['a']),
    otherZones: [],
    ...changes,
  }));

test('loads that are close are left as they are', () => {
  const ids = (...agents: Candidate[]) => overloaded(agents).map((one) => one.id);
  assert.deepEqual(ids(agent('a', 110), agent('b', 90)), []);
  assert.deepEqual(ids(agent('a', 10), agent('b', 0)), []);
  assert.deepEqual(ids(agent('a', 11), agent('b', 0)), ['a']);
  assert.deepEqual(ids(), []);
});

test('each that has far more than the least loaded comes in its turn, the most loaded first', () => {
  const agents = [agent('c', 0), agent('b', 60), agent('d', 60), agent('a', 100), agent('e', 5)];
  assert.deepEqual(
    overloaded(agents).map((one) => one.id),
    ['a', 'b', 'd'],
  );
});

test('a few at a time go to the least loaded', () => {
  const shifts = planRebalance(agent('a', 40), [agent('b', 20), agent('c', 0)], {
    networks: networks(40),
    most: 3,
  });
  assert.deepEqual(
    shifts.map((one) => `${one.from} ${one.to}`),
    ['a c', 'a c', 'a c'],
  );
});

test('nothing goes to an agent with which much fails, however little it has', () => {
  const failing = agent('b', 0, { isFailing: true });
  assert.deepEqual(overloaded([agent('a', 40), failing]), []);
  const shifts = planRebalance(agent('a', 40), [failing, agent('c', 5)], { networks: networks(40), most: 1 });
  assert.deepEqual(
    shifts.map((one) => one.to),
    ['c'],
  );
});

test('hints, reach, agents that have it and the spread over zones are respected', () => {
  const from = agent('a', 40);
  const to = [agent('b', 0, { zone: 'y' })];
  const planned = (changes: Partial<Served>, targets = to) =>
    planRebalance(from, targets, { networks: networks(1, changes), most: 5 }).length;
  assert.equal(planned({}), 1);
  assert.equal(planned({ zoneHints: ['z'] }), 0);
  assert.equal(planned({ physicalNetwork: 'p' }), 0);
  assert.equal(planned({ bound: new Set(['a', 'b']) }), 0);
  assert.equal(planned({ otherZones: ['y'] }), 0, 'both replicas in one zone');
  assert.equal(planned({ otherZones: ['x'] }), 1);
  assert.equal(planned({}, [agent('b', 0, { room: 0 })]), 0);
});

test('again and again it ends, with loads that are close, and no move is ever taken back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(60), { minLength: 2, maxLength: 6 }),
      fc.integer({ min: 1, max: 7 }),
      (loads, most) => {
        const load = new Map(loads.map((count, at) => [`a${at}`, count]));
        let next = 0;
        for (let round = 0; round < 500; round++) {
          const agents = [...load].map(([id, count]) => agent(id, count));
          const [source] = overloaded(agents);
          if (!source) return;
          const own = networks(source.load, { bound: new Set([source.id]) }).map((one) => ({
            ...one,
            networkId: `n${next++}`,
          }));
          const others = agents.filter((one) => one.id !== source.id);
          const shifts = planRebalance(source, others, { networks: own, most });
          assert.ok(shifts.length > 0 && shifts.length <= most);
          for (const { from, to } of shifts) {
            assert.ok(isUneven(load.get(from)!, load.get(to)!));
            load.set(from, load.get(from)! - 1);
            load.set(to, load.get(to)! + 1);
          }
        }
        assert.fail('it goes on for ever');
      },
    ),
    { numRuns: 50 },
  );
});
