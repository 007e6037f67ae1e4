import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planReplicas, type RouterCandidate, type RouterDemand } from './l3.ts';

const candidate = (id: string, changes: Partial<RouterCandidate> = {}): RouterCandidate => ({
  ...{ id, zone: 'nova', physicalNetworks: [], load: 0, preferred: 0, room: Number.POSITIVE_INFINITY },
  ...changes,
});
const demand = (changes: Partial<RouterDemand> = {}): RouterDemand => ({
  ...{
    routerId: 'r',
    zoneHints: [],
    physicalNetworks: [],
    bound: new Set<string>(),
    staying: [],
    ranks: [],
    missing: 1,
  },
  ...changes,
});

test('the least loaded, and of several the one that the fewest routers prefer first', () => {
  const agents = [
    candidate('a', { load: 3 }),
    candidate('b', { load: 1, preferred: 1 }),
    candidate('c', { load: 1 }),
  ];
  assert.deepEqual(planReplicas(demand(), agents), [{ agentId: 'b', rank: 0 }]);
  assert.deepEqual(planReplicas(demand({ missing: 2 }), agents), [
    { agentId: 'c', rank: 0 },
    { agentId: 'b', rank: 1 },
  ]);
});

test('many HA routers over three agents: each is preferred as often as the others', () => {
  let agents = ['a', 'b', 'c'].map((id) => candidate(id));
  for (let n = 0; n < 9; n++) {
    const replicas = planReplicas(demand({ missing: 3 }), agents);
    assert.deepEqual(
      replicas.map((one) => one.rank),
      [0, 1, 2],
    );
    agents = agents.map((agent) => ({
      ...{ ...agent, load: agent.load + 1 },
      preferred: agent.preferred + Number(replicas[0]?.agentId === agent.id),
    }));
  }
  assert.deepEqual(
    agents.map((agent) => agent.preferred),
    [3, 3, 3],
  );
});

test('only where every physical network is, in the zones that are asked for', () => {
  const agents = [
    candidate('a', { physicalNetworks: ['p1'] }),
    candidate('b', { physicalNetworks: ['p1', 'p2'], load: 9 }),
    candidate('c', { physicalNetworks: ['p1', 'p2'], zone: 'far' }),
  ];
  const asked = demand({ physicalNetworks: ['p2', 'p1'], zoneHints: ['nova'], missing: 3 });
  assert.deepEqual(planReplicas(asked, agents), [{ agentId: 'b', rank: 0 }]);
});

test('who has it is not chosen again, ranks that are taken are not given again', () => {
  const ids = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e'));
  const ranks = fc.uniqueArray(fc.integer({ min: 0, max: 5 }));
  fc.assert(
    fc.property(ids, ids, ranks, fc.nat(5), (all, bound, taken, missing) => {
      const asked = demand({ bound: new Set(bound), ranks: taken, missing });
      const replicas = planReplicas(
        asked,
        all.map((id) => candidate(id)),
      );
      const free = all.filter((id) => !bound.includes(id));
      assert.equal(replicas.length, Math.min(missing, free.length));
      assert.ok(replicas.every(({ agentId }) => free.includes(agentId)));
      const given = replicas.map((one) => one.rank);
      assert.equal(new Set([...given, ...taken]).size, given.length + taken.length);
    }),
  );
});
