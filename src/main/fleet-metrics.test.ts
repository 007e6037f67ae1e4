import assert from 'node:assert/strict';
import { test } from 'node:test';
import { massBegan, massOver } from '../operations/liveness.ts';
import { bench } from '../operations/testing.ts';
import { Fleet } from './fleet-metrics.ts';

/** A fleet of four hosts that the server named `server` hears, if it lives. */
async function world() {
  const w = bench();
  for (const name of ['h1', 'h2', 'h3', 'h4']) await w.host(name);
  const living = new Set(['server']);
  const fleet = new Fleet(w.store, () => [...living]);
  const unheard = async (): Promise<string[]> => {
    await fleet.count();
    return fleet.unheard.map(({ role, count }) => `${role} ${count}`);
  };
  return { ...w, living, fleet, unheard };
}

test('agents that nobody hears are counted, dead or not', async () => {
  const w = await world();
  assert.deepEqual(await w.unheard(), ['l2 0', 'dhcp 0', 'l3 0']);
  await w.run((tx) => tx.agents.update({ host: 'h1' }, { server_id: '' }));
  await w.run((tx) => tx.agents.update({ host: 'h2', role: 'l2' }, { server_id: 'other' }));
  await w.run((tx) => tx.agents.update({ host: 'h3', role: 'l2' }, { server_id: 'long gone' }));
  assert.deepEqual(await w.unheard(), ['l2 3', 'dhcp 1', 'l3 0']);
  w.living.add('other');
  assert.deepEqual(await w.unheard(), ['l2 2', 'dhcp 1', 'l3 0']);
});

test('fenced hosts are counted until they are heard again, and devices by what they said', async () => {
  const w = await world();
  const row = { number: 1, state: 'off', server_id: 'server', at: '' } as const;
  await w.run((tx) => tx.fencings.insert([{ ...row, host: 'h1' }]));
  await w.run((tx) => tx.fencings.insert([{ ...row, host: 'h2', number: 2, state: 'over' }]));
  const check = { host: 'h3', ok: false, since: '', at: '', message: '' };
  await w.run((tx) => tx.fenceChecks.insert([check, { ...check, host: 'h4', ok: true }]));
  await w.fleet.count();
  assert.deepEqual(w.fleet.fenced, { acting: 0, off: 1, failed: 0 });
  assert.deepEqual(w.fleet.fenceDevices, { answers: 1, fails: 1 });
});

test('a fleet that is silent as a whole shows, though nobody is taken for dead', async () => {
  const w = await world();
  await w.run((tx) => massBegan(tx, w.call, { area: 'fleet', silent: 4, hosts: 4 }));
  w.living.clear();
  assert.deepEqual(await w.unheard(), ['l2 4', 'dhcp 4', 'l3 0']);
  assert.equal(w.fleet.massSilences, 1);
  assert.deepEqual(
    w.fleet.agents.filter((one) => one.state === 'dead' && one.count > 0),
    [],
  );
  await w.run((tx) => massOver(tx, w.call, 'fleet'));
  await w.fleet.count();
  assert.equal(w.fleet.massSilences, 0);
});
