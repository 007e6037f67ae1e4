import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderExplanation } from './explain.ts';
import { butUnattended, type Convergence, isReached, renderStatus } from './status.ts';

const agent = (over: Partial<Convergence['agents'][number]> = {}): Convergence['agents'][number] => ({
  ...{ host: 'h1', role: 'l2', alive: true, heard: true, state: 'converged', realised: 9, lag: 0 },
  ...{ owed: [], overdue: 0, exceptionCount: 0 },
  ...over,
});
const of = (over: Partial<Convergence> = {}): Convergence => ({
  ...{ head: 9, converged: true, agents: [agent()] },
  ...over,
});

test('a position is reached when every living agent owes nothing of it, and there is one', () => {
  assert.equal(isReached(of(), 9), true);
  assert.equal(isReached(of(), 10), false);
  assert.equal(isReached(of({ agents: [] }), 9), false);
  assert.equal(isReached(of({ agents: [agent({ alive: false })] }), 9), false);
  assert.equal(isReached(of({ agents: [agent(), agent({ alive: false, state: 'pending' })] }), 9), true);
  assert.equal(isReached(of({ agents: [agent({ state: 'waiting' })] }), 9), true);
  assert.equal(isReached(of({ agents: [agent({ state: 'failing' })] }), 9), false);
  assert.equal(isReached(of({ agents: [], resources: [] }), 9), true);
  assert.equal(isReached(of({ agents: [], resources: [], converged: false }), 9), false);
});

test('a position that is reached says what nobody is there for', () => {
  assert.equal(butUnattended(of()), '');
  assert.equal(
    butUnattended(of({ converged: false, unattended: [], unattendedCount: 2 })),
    'reached by every live agent, but 2 resources have nobody to realise them',
  );
  const own = { resource: 'network/n', role: 'dhcp', sinceAt: null, overdue: false, reason: '' };
  const resources = [
    { ...own, state: 'failed', since: 0 },
    { ...own, state: 'pending', since: 12 },
  ];
  assert.equal(
    butUnattended(of({ agents: [], resources })),
    'reached by every live agent, but 1 resource has nobody to realise it',
  );
});

test('what is owed is shown with since when and why, and what alerts there are', () => {
  const owed = {
    ...{ key: 'network/n', object: 'port/p', state: 'failed', since: 7 },
    ...{ sinceAt: '2026-01-31T12:00:05.250Z', overdue: true, reason: 'no' },
  };
  const alert = {
    at: '2026-01-31T12:00:09.000Z',
    kind: 'alert',
    message: 'It is stuck.',
    isOpen: true,
  } as const;
  const blank = { id: 'a', host: '', role: '', object: '', data: {} };
  const shown = renderStatus(
    of({ agents: [agent({ state: 'failing', owed: [owed], overdue: 1, exceptionCount: 1 })] }),
    [{ ...blank, ...alert }],
  );
  assert.equal(
    shown,
    [
      'change log at position 9; 1 of 1 agents connected, 1 pending, 1 overdue',
      '',
      'HOST  ROLE  ALIVE  STATE    REALISED  LAG  PENDING  OVERDUE',
      'h1    l2    yes    failing  9         0    1        1',
      '',
      'HOST  ROLE  WHAT    STATE            SINCE                     WHY',
      'h1    l2    port/p  failed, overdue  2026-01-31T12:00:05Z (7)  no',
      '',
      'ALERT SINCE           STATE  WHAT',
      '2026-01-31T12:00:09Z  OPEN   It is stuck.',
      '',
    ].join('\n'),
  );
});

test('what no agent is there for is shown, and how much more there is', () => {
  const lost = {
    ...{ resource: 'port/p', role: 'l2', state: 'failed', since: 0, sinceAt: null, overdue: false },
    reason: 'its host has no agent to connect it',
  };
  assert.equal(
    renderStatus(of({ converged: false, unattended: [lost], unattendedCount: 3 })),
    [
      'change log at position 9; 1 of 1 agents connected, 0 pending, 0 overdue, 3 with nobody to realise them',
      '',
      'HOST  ROLE  ALIVE  STATE      REALISED  LAG  PENDING  OVERDUE',
      'h1    l2    yes    converged  9         0    0        0',
      '',
      'WHAT    ROLE  STATE   SINCE  WHY',
      'port/p  l2    failed  -      its host has no agent to connect it',
      'and 2 more',
      '',
    ].join('\n'),
  );
});

test('agents stand by host and role', () => {
  const agents = [
    agent({ host: 'h10' }),
    agent({ host: 'h2' }),
    agent({ host: 'h2', role: 'dhcp' }),
    agent({ host: 'a' }),
  ];
  const lines = renderStatus(of({ agents })).split('\n').slice(3, 7);
  assert.deepEqual(
    lines.map((line) => line.split(/ +/).slice(0, 2).join(' ')),
    ['a l2', 'h2 dhcp', 'h2 l2', 'h10 l2'],
  );
});

test('a member is shown his own', () => {
  assert.equal(
    renderStatus(of({ agents: [], resources: [] })),
    'change log at position 9; all of yours is realised\n',
  );
  const failing = {
    ...{ resource: 'port/p', role: 'l2', state: 'failed', since: 0, sinceAt: null, overdue: false },
    reason: 'no server hears the agent of its host',
  };
  assert.equal(
    renderStatus(of({ agents: [], resources: [failing], converged: false })),
    [
      'change log at position 9',
      '',
      'WHAT    ROLE  STATE   SINCE  WHY',
      'port/p  l2    failed  -      no server hears the agent of its host',
      '',
    ].join('\n'),
  );
});

test('an explanation is a list of sentences, the last events after it', () => {
  const findings = [{ code: 'x', state: 'failing', sentence: 'It is broken.' }];
  const events = [{ at: '2026-01-31T12:00:09.000Z', message: 'Done anew.' }];
  assert.equal(
    renderExplanation({ subject: 'port/p', state: 'failing', summary: 'It is broken.', findings, events }),
    'port/p is failing.\n\n- [failing] It is broken.\n\nWhat happened lately:\n  2026-01-31T12:00:09Z  Done anew.\n',
  );
});
