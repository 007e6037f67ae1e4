/** VLANs: those that are the subports of a trunk, and those by which a VLAN network leaves the host. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeHost } from '../../host/fake/fake-host.ts';
import type { HostEvent } from '../../host/host.ts';
import { id, networkBody, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import { createL2Agent } from './reconciler.ts';

const NEVER = new AbortController().signal;
const [PARENT_NETWORK, NETWORK] = [id(0xaa), id(0xbb)];
const [PARENT, SUBPORT] = [id(1), id(2)];
const [ON, LINK] = ['tap00000001-00', 'tap00000002-00'];
const KEY = `network/${NETWORK}`;

function bench() {
  const host = new FakeHost();
  const world = new TestWorld('h1');
  world.putNetwork(networkBody(PARENT_NETWORK));
  world.putPort(portBody(PARENT, PARENT_NETWORK));
  const bridgeMappings = new Map([['physnet1', 'enp59s0f1np1']]);
  const agent = createL2Agent({ host, world, hostName: 'h1', tunnelIp: '192.0.2.1', bridgeMappings });
  void host.follow((event) => agent.keysOfHostEvent(event), NEVER);
  const putSubport = (segmentation_id: number) => {
    const subport = { parent: PARENT, segmentation_id };
    world.putPort(portBody(SUBPORT, NETWORK, { device_owner: 'trunk:subport', subport }));
  };
  return {
    ...{ host, world, agent, putSubport },
    async converge(key = KEY) {
      void [...agent.keysOf({ group: key, key, before: undefined, after: undefined })];
      const { shortfalls } = await agent.reconcile(key, NEVER);
      return shortfalls.map(({ object, state, reason }) => `${object} ${state}: ${reason}`);
    },
    async vlans() {
      const links = (await host.links()).filter(({ kind }) => kind === 'vlan');
      return links.map((one) => `${one.name} ${one.vlan?.id} on ${one.vlan?.on} in ${one.master}`);
    },
  };
}

function subportBench() {
  const made = bench();
  made.world.putNetwork(networkBody(NETWORK, { segmentation_id: 8 }));
  made.putSubport(5);
  return made;
}

test("a subport is a VLAN on its parent's link, in its own network's bridge", async () => {
  const { host, world, putSubport, converge, vlans } = subportBench();
  assert.deepEqual(await converge(), [`port/${SUBPORT} waiting: link ${ON} is not there`]);
  host.plug({ name: ON });
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await vlans(), [`${LINK} 5 on ${ON} in brq000000bb-00`]);
  putSubport(6);
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await vlans(), [`${LINK} 6 on ${ON} in brq000000bb-00`]);
  world.remove('host/h1', `port/${SUBPORT}`);
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await vlans(), []);
});

test("the parent's link leads to the subports' networks as well", async () => {
  const { host, agent, converge } = subportBench();
  await converge();
  const events: HostEvent[] = [];
  void host.follow((event) => events.push(event), NEVER);
  events.length = 0;
  host.plug({ name: ON });
  assert.deepEqual([...agent.keysOfHostEvent(events[0]!)], [`network/${PARENT_NETWORK}`, KEY]);
});

test('a kernel without 802.1Q: the subport says so, the rest of its network works', async () => {
  const { host, world, converge } = subportBench();
  const other = id(3);
  world.putPort(portBody(other, NETWORK));
  for (const name of [ON, 'tap00000003-00']) host.plug({ name });
  host.loseVlans();
  assert.deepEqual(await converge(), [`port/${SUBPORT} failed: Unknown device type.`]);
  assert.equal((await host.links(['tap00000003-00']))[0]?.master, 'brq000000bb-00');
});

test('a VLAN network leaves by its tag on the link of its physical network, as long as it is here', async () => {
  const { host, world, converge, vlans } = bench();
  const put = (segmentation_id: number) => {
    const wire = { network_type: 'vlan', physical_network: 'physnet1', segmentation_id } as const;
    world.putNetwork(networkBody(NETWORK, { ...wire, mtu: 1500 }));
  };
  put(4094);
  assert.deepEqual(await converge(), [' waiting: link enp59s0f1np1 is not there']);
  host.plug({ name: 'enp59s0f1np1', kind: 'other' });
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await vlans(), ['p59s0f1np1.4094 4094 on enp59s0f1np1 in brq000000bb-00']);
  assert.equal((await host.links(['enp59s0f1np1']))[0]?.up, true);
  put(7);
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await vlans(), ['enp59s0f1np1.7 7 on enp59s0f1np1 in brq000000bb-00']);
  world.remove(KEY);
  assert.deepEqual(await converge(), []);
  assert.deepEqual(await vlans(), []);
});
