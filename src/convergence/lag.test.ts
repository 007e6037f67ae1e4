import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentRow } from '../resources/agent.ts';
import { convergenceOf } from './lag.ts';

const agent = (id: string, changes: Partial<AgentRow> = {}): AgentRow => ({
  id,
  host: id,
  role: 'l2',
  description: '',
  admin_state_up: true,
  availability_zone: 'nova',
  configurations: {},
  created_at: '',
  started_at: '',
  heartbeat_at: '',
  server_id: 's',
  incarnation: 1,
  counter: 1,
  realised_position: 20,
  realised_tag: 1,
  exceptions: [],
  exception_count: 0,
  liveness: 'alive',
  deaths: 0,
  ...changes,
});
const waiting = {
  key: 'network/n',
  object: 'port/p',
  state: 'waiting' as const,
  since: 3,
  reason: 'no link tap1',
};
const of = (agents: AgentRow[], facts: { dead?: string; foreign?: string } = {}) =>
  convergenceOf(agents, 20, {
    isAlive: (one) => one.id !== facts.dead,
    isCurrent: (one) => one.id !== facts.foreign,
  });

test('an agent has converged when it has realised the head without exceptions', () => {
  const { agents, converged } = of([
    agent('ok'),
    agent('behind', { realised_position: 15 }),
    agent('failing', { exceptions: [waiting], exception_count: 1 }),
    agent('new', { realised_position: null }),
  ]);
  assert.deepEqual(
    agents.map(({ state, lag }) => [state, lag]),
    [
      ['converged', 0],
      ['pending', 5],
      ['failing', 0],
      ['unknown', null],
    ],
  );
  assert.equal(converged, false);
});

test('a dead agent does not hold the whole; a place of another log is unknown', () => {
  assert.equal(of([agent('ok'), agent('gone', { realised_position: 1 })], { dead: 'gone' }).converged, true);
  const { agents, converged } = of([agent('ok'), agent('foreign')], { foreign: 'foreign' });
  assert.deepEqual([agents[1]?.state, agents[1]?.realised, converged], ['unknown', null, false]);
});
