import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderDrain } from './drain.ts';
import { renderRouter } from './router.ts';

const replica = {
  ...{ host: 'h1', rank: 0, alive: true, leaving: false, ha_state: 'active', state: 'active', penalty: 0 },
  ...{ since: '2026-01-31T12:00:00.250Z', reasons: [], checks: [], order: null },
  paths: { tunnel: 'up', management: 'up' },
};

test('a router as a person reads it: replicas, what is the matter with each, what happened', () => {
  const text = renderRouter({
    ...{ id: 'R', name: 'edge', ha: true, state: 'served', summary: 'h1 is active.' },
    replicas: [
      { ...replica, rival: true },
      {
        ...{
          ...replica,
          host: 'h2',
          rank: 1,
          ha_state: 'standby',
          state: 'fault',
          penalty: 200,
          alive: false,
        },
        reasons: ['no carrier on eth1'],
        paths: { tunnel: 'down', management: 'unknown' },
        checks: [{ name: 'uplink', ok: false, since: '2026-01-31T12:00:01Z', text: 'no answer' }],
        order: { do: 'yield', why: 'the router is to move to h1', known: false },
      },
    ],
    events: [{ at: '2026-01-31T12:00:02.5Z', message: 'Something happened.' }],
  });
  assert.equal(
    text,
    `router R (edge) is served. h1 is active.

HOST  ROLE             SINCE                 RANK  PENALTY  TUNNEL  MANAGEMENT
h1    active           2026-01-31T12:00:00Z  0     0        up      up
h2    standby (fault)  2026-01-31T12:00:00Z  1     200      down    unknown

h1: another host answers for the router's addresses on the external network
h2: its agent is taken for dead
h2: no carrier on eth1
h2: check uplink FAILS since 2026-01-31T12:00:01Z: no answer
h2: was told to yield and has not answered: the router is to move to h1

What happened lately:
  2026-01-31T12:00:02Z  Something happened.
`,
  );
});

test('what a drained host has', () => {
  const empty = { host: 'h1', draining: true, active_routers: 0, replicas: 0, networks: 0, ports: 0 };
  assert.equal(renderDrain(empty), 'h1 is drained, and has nothing.\n');
  assert.equal(
    renderDrain({ ...empty, draining: false, replicas: 2, ports: 1 }),
    'h1 takes part, and has:\n  2 replicas of routers\n  1 ports of machines, which nobody moves\n',
  );
});
