import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentRow, ReportException } from '../resources/agent.ts';
import { convergenceOf } from './lag.ts';
import { LogEnd } from './owed.ts';

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
const missing = (over: Partial<ReportException> = {}): ReportException => ({
  ...{ key: 'network/n', object: 'port/p', state: 'waiting', since: 3, reason: 'no link tap1' },
  ...over,
});
const at = (position: number) => new Date(Date.UTC(2026, 0, 31, 12) + position * 1_000).toISOString();
/** Changes 16 to 20, one a second, looked at in that second by the database's clock; the 18th is one of network n, the 20th takes network m from h1. */
const logAt = (second: number) =>
  new LogEnd(
    20,
    [16, 17, 18, 19, 20].map((position) => ({
      position,
      tag: 1,
      refs:
        position === 18
          ? ['network/n|network/n']
          : position === 20
            ? ['network/m|endpoint/h1']
            : [`dhcp/far${position}|lease/x`],
      hosts: position === 20 ? ['h1'] : [],
      at: at(position),
      ageMs: (second - position) * 1_000,
    })),
  );
interface Facts {
  dead?: string;
  scope?: string[];
  second?: number;
  /** How far the server's own clock is ahead of the database's. */
  skewMs?: number;
}
const of = (agents: AgentRow[], { dead, scope, second = 20, skewMs = 0 }: Facts = {}) =>
  convergenceOf(agents, logAt(second), {
    isAlive: (one) => one.id !== dead,
    isHeard: (one) => one.id !== dead,
    scopeOf: () => new Set(scope),
    wallMs: Date.parse(at(second)) + skewMs,
  });

test('an agent is told in one word', () => {
  const { agents, converged } = of(
    [
      agent('ok'),
      agent('behind', { realised_position: 16 }),
      agent('failing', { exceptions: [missing({ state: 'failed' })], exception_count: 1 }),
      agent('waiting', { exceptions: [missing()], exception_count: 1 }),
      agent('new', { realised_position: null }),
      agent('foreign', { realised_tag: 2 }),
      agent('ahead', { realised_position: 21 }),
    ],
    { scope: ['network/n'] },
  );
  assert.deepEqual(
    agents.map(({ id, state, realised, lag }) => [id, state, realised, lag]),
    [
      ['ok', 'converged', 20, 0],
      ['behind', 'pending', 17, 3],
      ['failing', 'failing', 20, 0],
      ['waiting', 'waiting', 20, 0],
      ['new', 'unknown', null, null],
      ['foreign', 'unknown', null, null],
      ['ahead', 'unknown', null, null],
    ],
  );
  assert.equal(converged, false);
});

test('an agent that has nothing of its scope before it has realised the head', () => {
  const { agents, converged } = of([agent('far', { realised_position: 16 })], { scope: ['network/other'] });
  assert.deepEqual([agents[0]?.state, agents[0]?.realised, agents[0]?.reported], ['converged', 20, 16]);
  assert.equal(converged, true);
});

test('what left the scope is owed until it is reported', () => {
  const [l2, dhcp] = of([
    agent('l2', { host: 'h1', realised_position: 18 }),
    agent('dhcp', { host: 'h1', role: 'dhcp', realised_position: 18 }),
  ]).agents;
  assert.deepEqual(
    [l2, dhcp].map((one) => one?.owed.map(({ key, since }) => [key, since])),
    [[['network/m', 20]], [['network/m', 20]]],
  );
});

test('what is owed tells since when, and whether it is late', () => {
  const late = agent('late', {
    realised_position: 17,
    exceptions: [{ ...missing({ state: 'failed', since: 0 }), at: at(2) }],
    exception_count: 1,
  });
  const of21 = of([late], { scope: ['network/n'] }).agents[0];
  assert.deepEqual(
    of21?.owed.map(({ key, object, state, since, sinceAt, overdue }) => [
      [key, object, state, since, sinceAt],
      overdue,
    ]),
    [
      [['network/n', 'port/p', 'failed', 0, at(2)], true],
      [['network/n', '', 'pending', 18, at(18)], false],
    ],
  );
  assert.equal(of([late], { scope: ['network/n'], second: 22 }).agents[0]?.overdue, 2);
});

test('what is late does not depend on the clock of the server that is asked', () => {
  const behind = agent('behind', { realised_position: 17 });
  const failing = agent('failing', {
    exceptions: [{ ...missing({ state: 'failed', since: 19 }), at: at(-3_000) }],
    exception_count: 1,
  });
  for (const skewMs of [-3_600_000, 0, 3_600_000]) {
    const overdue = (second: number) =>
      of([behind, failing], { scope: ['network/n'], second, skewMs }).agents.map((one) => one.overdue);
    assert.deepEqual(overdue(20), [0, 0]);
    assert.deepEqual(overdue(22), [1, 1]);
  }
});

test('an agent that is far behind owes everything from there on', () => {
  const { agents } = of([agent('away', { realised_position: 3 })]);
  assert.deepEqual(
    agents[0]?.owed.map(({ key, since, reason }) => [key, since, reason]),
    [['', 4, 'everything from position 4 on']],
  );
  assert.deepEqual([agents[0]?.realised, agents[0]?.lag], [3, 17]);
});

test('a dead agent does not hold the whole, and is late with nothing', () => {
  const gone = agent('gone', { realised_position: 17 });
  const { agents } = of([gone], { dead: 'gone', scope: ['network/n'], second: 60 });
  assert.deepEqual([agents[0]?.owed.length, agents[0]?.overdue], [1, 0]);
  assert.equal(of([agent('ok'), agent('gone', { realised_position: 1 })], { dead: 'gone' }).converged, true);
});
