/** Routers that an operator takes from agents by hand, while the background looks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRouterToL3Agent, removeRouterFromL3Agent } from '../operations/l3-bindings.ts';
import { createRouter, updateRouter } from '../operations/router.ts';
import { bench } from '../operations/testing.ts';
import { routerDuty } from './routers.ts';

/** A router, HA or not, with as many of these hosts as it takes, and the duty. */
async function stage(ha: boolean, names: readonly string[]) {
  const b = bench();
  const agents = new Map<string, string>();
  const join = async (name: string) => void agents.set(name, (await b.host(name, [], ['l3'])).l3.id);
  for (const name of names) await join(name);
  const [router] = await b.run((tx) => createRouter(tx, b.call, [{ ha }]));
  const routerId = router?.id ?? '';
  const on = (host: string) => ({ agentId: agents.get(host) ?? '', routerId });
  const duty = routerDuty({
    ...{ store: b.store, call: () => b.call, clock: b.call.clock },
    leader: { guard: () => Promise.resolve() },
  });
  const hosts = async () =>
    (await b.run((tx) => tx.routerBindings.find({ router_id: routerId }))).map(({ host }) => host).sort();
  /** Who has it after the background looked, every 5 s, for so long. */
  const later = async (ms: number) => {
    for (let at = 0; at <= ms; at += 5_000) {
      await duty.perform();
      b.pass(5_000);
    }
    return hosts();
  };
  return {
    ...{ join, hosts, later },
    take: (host: string) => b.run((tx) => removeRouterFromL3Agent(tx, b.call, on(host))),
    give: (host: string) => b.run((tx) => addRouterToL3Agent(tx, b.call, on(host))),
    change: () => b.run((tx) => updateRouter(tx, b.call, { id: routerId, changes: { name: 'x' } })),
    noted: () => b.run((tx) => tx.routerRemovals.count({})),
  };
}

test('a router that is taken from an agent is free to be given to another', async () => {
  const s = await stage(false, ['h1', 'h2', 'h3']);
  const [first = ''] = await s.hosts();
  const [second = '', third = ''] = ['h1', 'h2', 'h3'].filter((name) => name !== first);
  await s.take(first);
  assert.deepEqual(await s.later(60_000), [], 'the background leaves it alone');
  await s.give(second);
  assert.deepEqual([await s.later(300_000), await s.noted()], [[second], 0]);
  await s.take(second);
  await s.give(third);
  assert.deepEqual(await s.later(300_000), [third]);
});

test('one that nobody gives to another is given to one in the end, not to the same', async () => {
  const s = await stage(false, ['h1', 'h2']);
  const [first = ''] = await s.hosts();
  await s.take(first);
  assert.deepEqual(await s.later(100_000), []);
  assert.deepEqual(
    await s.later(60_000),
    ['h1', 'h2'].filter((name) => name !== first),
  );
});

test('it goes back to the same where there is no other, or where the router is changed', async () => {
  const s = await stage(false, ['h1']);
  await s.take('h1');
  assert.deepEqual(await s.later(100_000), []);
  assert.deepEqual(await s.later(60_000), ['h1']);
  await s.take('h1');
  await s.change();
  assert.deepEqual([await s.hosts(), await s.noted()], [['h1'], 0]);
});

test('a replica that was taken away is not given back to the same agent, and another may have it', async () => {
  const s = await stage(true, ['h1', 'h2', 'h3']);
  await s.take('h2');
  assert.deepEqual(await s.later(300_000), ['h1', 'h3']);
  await s.join('h4');
  assert.deepEqual(await s.later(10_000), ['h1', 'h3', 'h4']);
  await s.take('h4');
  await s.give('h2');
  assert.deepEqual([await s.later(300_000), await s.noted()], [['h1', 'h2', 'h3'], 0]);
});
