import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explainRouter, type ReplicaFacts, type RouterFacts } from './explain-router.ts';

const replica = (host: string, changes: Partial<ReplicaFacts> = {}): ReplicaFacts => ({
  ...{ host, alive: true, leaving: false, state: 'standby', since: null, reasons: [], agent: undefined },
  paths: { tunnel: 'up', management: 'up' },
  ...changes,
});
const facts = (changes: Partial<RouterFacts> = {}): RouterFacts => ({
  ...{ id: 'R', adminStateUp: true, ha: true, state: 'served', summary: 'h1 is active; h2 stands by.' },
  replicas: [replica('h1', { state: 'active' }), replica('h2')],
  wiring: { agents: [], networks: new Set(), ports: new Set() },
  fleet: { agents: 2, heard: 2, hosts: 2, takers: 2, silent: [] },
  ...changes,
});
const admin = { isAdmin: true, events: [] };

test('a router that is served as it should be', () => {
  const { state, summary } = explainRouter(facts(), admin);
  assert.deepEqual(
    [state, summary],
    ['converged', 'Router R is as it should be. h1 is active; h2 stands by.'],
  );
});

test('what may be the matter, each with its code; the worst first', () => {
  const codes = (changes: Partial<RouterFacts>) =>
    explainRouter(facts(changes), admin).findings.map((one) => `${one.state} ${one.code}`);
  assert.deepEqual(codes({ state: 'unserved', summary: 'No replica is known to be active.' }), [
    'failing router-unserved',
  ]);
  assert.deepEqual(codes({ state: 'disputed' }), ['failing router-disputed']);
  assert.deepEqual(codes({ state: 'unknown' }), ['pending router-unknown']);
  const lost = [replica('h1', { state: 'active', alive: false }), replica('h2')];
  assert.deepEqual(codes({ state: 'unknown', replicas: lost }), ['failing router-unknown']);
  assert.deepEqual(codes({ adminStateUp: false, state: 'off' }), ['waiting router-off']);
  const alone = [
    replica('h1', { state: 'active' }),
    replica('h2', { state: 'fault', reasons: ['no carrier'] }),
  ];
  assert.deepEqual(codes({ replicas: alone }), ['waiting router-alone', 'waiting replica-fault']);
  const ailing = [
    replica('h1', { state: 'active', paths: { tunnel: 'up', management: 'down' } }),
    replica('h2', { reasons: ['a check fails'] }),
    replica('h3', { leaving: true }),
  ];
  assert.deepEqual(codes({ replicas: ailing }), [
    ...['pending replica-leaving', 'waiting heartbeat-path', 'waiting replica-penalty'],
  ]);
});

test('a member is told no host, nor what a host said', () => {
  const replicas = [replica('h1', { state: 'active' }), replica('h2', { reasons: ['h3 is not reached'] })];
  const told = JSON.stringify(explainRouter(facts({ replicas }), { isAdmin: false, events: [] }));
  assert.ok(!/h[123]/.test(told), told);
});
