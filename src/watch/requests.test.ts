import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReplicaReport } from '../resources/replica-report.ts';
import { readReport } from './requests.ts';

const replica: ReplicaReport = {
  router: '07000001-0000-4000-8000-000000000000',
  state: 'active',
  seq: 3,
  forMs: 1200,
  penalty: 60,
  reasons: ['one of two peers is not reached by the tunnel network'],
  hears: true,
  paths: { tunnel: 'down', management: 'up' },
  checks: [{ name: 'gateway', ok: false, forMs: 10, text: 'no answer' }],
  peers: [{ host: 'h2', answers: false }],
  order: null,
};
const report = (roles: unknown) => ({
  ...{ version: 1, host: 'h1', role: 'l3', incarnation: 1, counter: 1, realised: null },
  ...{ exceptions: [], exceptionCount: 0, configurations: {}, roles },
});

test('what an agent says of its replicas arrives as it is said, without what this server does not know', () => {
  assert.deepEqual(readReport(report([replica])).roles, [replica]);
  assert.deepEqual(readReport(report([{ ...replica, mood: 'good' }])).roles, [replica]);
  const { peers: _, ...older } = replica;
  assert.deepEqual(readReport(report([older])).roles, [older]);
  const doubtful = { ...replica, doubts: true } as const;
  assert.deepEqual(readReport(report([doubtful])).roles, [doubtful]);
  assert.deepEqual(readReport(report([])).roles, []);
  assert.equal('roles' in readReport(report(undefined)), false);
});

test('what is no report of a replica is refused, by field', () => {
  const cases: [Partial<Record<keyof ReplicaReport, unknown>>, string][] = [
    [{ router: 'x' }, 'roles.router'],
    [{ state: 'master' }, 'roles.state'],
    [{ seq: -1 }, 'roles.seq'],
    [{ forMs: 0.5 }, 'roles.forMs'],
    [{ penalty: 256 }, 'roles.penalty'],
    [{ reasons: [1] }, 'roles.reasons'],
    [{ reasons: Array(51).fill('') }, 'roles.reasons'],
    [{ hears: 1 }, 'roles.hears'],
    [{ paths: { tunnel: 'up' } }, 'roles.paths.management'],
    [{ checks: [{}] }, 'roles.checks.name'],
    [{ peers: [{}] }, 'roles.peers.host'],
    [{ peers: [{ host: 'h2' }] }, 'roles.peers.answers'],
    [{ peers: [{ host: 'h2', answers: true, silentBy: 'both' }] }, 'roles.peers.silentBy'],
    [{ order: 'x' }, 'roles.order'],
    [{ rival: 1 }, 'roles.rival'],
  ];
  for (const [wrong, field] of cases)
    assert.throws(
      () => readReport(report([{ ...replica, ...wrong }])),
      new RegExp(`Invalid input for ${field}:`),
    );
  assert.throws(() => readReport(report([replica, replica])), /roles: one of them twice/);
  assert.throws(() => readReport(report('all')), /roles: not a list/);
});
