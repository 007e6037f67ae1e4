/** What becomes of a replica's programs when another hand takes the name of their namespace away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaBench, VIPS } from '../../../test/support/replica-bench.ts';
import { conntrackdName } from './connections.ts';
import { keepalivedName } from './guard.ts';

async function active() {
  const b = new ReplicaBench();
  await b.begin();
  b.turn('add-address');
  await b.settle();
  const { namespace, id } = b.router;
  const names = [keepalivedName(id), conntrackdName(id)];
  const pids = async () =>
    Promise.all(names.map(async (name) => (await b.host.findProcess(name))?.pid ?? assert.fail(name)));
  const astray = async () => Promise.all(names.map((name) => b.host.isAstray(name, namespace)));
  return { b, namespace, pids, astray };
}

test('a namespace that lost its name gets it back with all that is in it: nothing is started, nothing moves', async () => {
  const { b, namespace, pids, astray } = await active();
  const before = await pids();
  const links = await b.host.linksIn([namespace]);
  b.host.meddleNamespace(namespace);
  assert.deepEqual(await astray(), [true, true]);
  await b.converge();
  assert.deepEqual(await b.host.linksIn([namespace]), links);
  assert.deepEqual([await pids(), await astray()], [before, [false, false]]);
  assert.deepEqual([await b.held(), b.role()?.state], [VIPS, 'active']);
});

test('where another bears the name already, who runs in the old one is ended before it is started in the new one', async () => {
  const { b, namespace, pids, astray } = await active();
  const before = await pids();
  b.host.meddleNamespace(namespace);
  await b.host.ensureNamespace(namespace);
  assert.deepEqual(await astray(), [true, true]);
  await b.converge();
  b.wire(...(await b.host.links()).map(({ name }) => name).filter((name) => name.startsWith('tap')));
  b.clock.advance(20_000);
  await b.settle();
  assert.deepEqual(await astray(), [false, false]);
  assert.ok((await pids()).every((pid, at) => pid !== before[at]));
});
