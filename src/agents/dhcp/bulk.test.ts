import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id } from '../../../test/support/network-objects.ts';
import type { Host, Link } from '../../host/host.ts';
import { Bulk } from './bulk.ts';

const NETWORK = id(1);
const NAMESPACE = `qdhcp-${NETWORK}`;

const link = (name: string): Link => ({
  ...{ name, kind: 'veth', up: true, mtu: 1450, mac: '', master: null, addresses: [] },
});

/** As much of a host as a bulk read asks for; counts how often the links were read. */
function hostWith(inner: readonly Link[] | undefined) {
  const counts = { reads: 0 };
  const host: Partial<Host> = {
    namespaces: async () => new Set([NAMESPACE]),
    links: async () => [link('tap1')],
    linksIn: async () => {
      counts.reads++;
      return new Map(inner ? [[NAMESPACE, [...inner]]] : []);
    },
    rulesetMarks: async (names) => new Map(names.map((name) => [name, 'deuteron:x'])),
    readFile: async () => '',
  };
  return { counts, bulk: new Bulk(host as Host) };
}

test('one reading serves all, until something touches a network', async () => {
  const { bulk, counts } = hostWith([link('lo'), link('ns-1')]);
  await bulk.read();
  const wiring = await bulk.wiring(NETWORK, 'tap1');
  assert.deepEqual([wiring?.namespace, wiring?.table, wiring?.tap?.name], [true, true, 'tap1']);
  await bulk.wiring(id(2), 'tap2');
  assert.equal(counts.reads, 1);
  bulk.touch(NETWORK);
  assert.equal(await bulk.wiring(NETWORK, 'tap1'), null);
  await bulk.read();
  assert.notEqual(await bulk.wiring(NETWORK, 'tap1'), null);
  assert.equal(counts.reads, 2);
});

test('who asks while a pass is being prepared does not wait for it', async () => {
  const { bulk } = hostWith([link('lo')]);
  const reading = bulk.read();
  assert.equal(await bulk.wiring(NETWORK, 'tap1'), null);
  await reading;
  assert.notEqual(await bulk.wiring(NETWORK, 'tap1'), null);
});

test('what is forgotten while it is read does not count', async () => {
  const { bulk } = hostWith([link('lo')]);
  const reading = bulk.read();
  bulk.forget();
  await reading;
  assert.equal(await bulk.wiring(NETWORK, 'tap1'), null);
});

test('links that could not be read are no evidence that there are none', async () => {
  for (const inner of [undefined, []]) {
    const { bulk } = hostWith(inner);
    await bulk.read();
    await assert.rejects(() => bulk.wiring(NETWORK, 'tap1'), /cannot read the links/);
  }
});
