import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Candidate, chooseDhcpAgents } from './dhcp.ts';

const agent = (id: string, changes: Partial<Candidate> = {}): Candidate => ({
  id,
  alive: true,
  adminStateUp: true,
  reachesNetwork: true,
  load: 0,
  ...changes,
});
const NONE = new Set<string>();

test('the least loaded are chosen, ties by id', () => {
  const all = [agent('c'), agent('b'), agent('a', { load: 3 }), agent('d', { load: 1 })];
  assert.deepEqual(chooseDhcpAgents(all, NONE, 3), ['b', 'c', 'd']);
  assert.deepEqual(chooseDhcpAgents(all, NONE, 9), ['b', 'c', 'd', 'a']);
});

test('who serves already counts and is not chosen again', () => {
  assert.deepEqual(chooseDhcpAgents([agent('a'), agent('b')], new Set(['a']), 2), ['b']);
  assert.deepEqual(chooseDhcpAgents([agent('a'), agent('b')], new Set(['a', 'gone']), 2), []);
});

test('an agent that is dead, switched off or cannot attach the network is not chosen', () => {
  const all = [
    agent('dead', { alive: false }),
    agent('off', { adminStateUp: false }),
    agent('elsewhere', { reachesNetwork: false }),
    agent('fit', { load: 99 }),
  ];
  assert.deepEqual(chooseDhcpAgents(all, NONE, 2), ['fit']);
  assert.deepEqual(chooseDhcpAgents(all.slice(0, 3), NONE, 2), []);
});
