import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRouter } from '../operations/router.ts';
import { bench } from '../operations/testing.ts';
import { routerDuty } from './routers.ts';

test('a new agent is given what lacked one at the next look, a dead one loses what is not HA', async () => {
  const b = bench();
  const said: string[] = [];
  let leads = true;
  const duty = routerDuty({
    ...{ store: b.store, call: () => b.call, clock: b.call.clock },
    leader: { guard: () => (leads ? Promise.resolve() : Promise.reject(new Error('another leads'))) },
    onEvent: (event) => void said.push(`${event.kind} ${event.host}`),
  });
  const [router] = await b.run((tx) => createRouter(tx, b.call, [{}]));
  const hosts = async () =>
    (await b.run((tx) => tx.routerBindings.find({ router_id: router?.id ?? '' }))).map((one) => one.host);
  await duty.perform();
  const h1 = await b.host('h1', [], ['l3']);
  leads = false;
  await assert.rejects(duty.perform(), { message: 'another leads' });
  assert.deepEqual(await hosts(), []);
  leads = true;
  await duty.perform();
  assert.deepEqual(await hosts(), ['h1']);
  await b.host('h2', [], ['l3']);
  await duty.perform();
  assert.deepEqual(await hosts(), ['h1'], 'it stays where it is well');
  b.kill(h1.l3);
  await duty.perform();
  assert.deepEqual(await hosts(), ['h2']);
  b.revive(h1.l3);
  await duty.perform();
  assert.deepEqual([await hosts(), said], [['h2'], ['move-done ', 'move-done h1']]);
});
