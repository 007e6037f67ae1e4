/** Two requests about one router at once: the second sees what the first did. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Transaction } from '../store/store.ts';
import { createFloatingIp } from './floating-ip.ts';
import { createPort, deletePort } from './port.ts';
import { createRouter, deleteRouter, updateRouter } from './router.ts';
import { addRouterInterface, removeRouterInterface } from './router-interface.ts';
import { deleteSubnet } from './subnet.ts';
import { bench, fault } from './testing.ts';

/** A machine's port behind a router with a gateway. */
async function world() {
  const b = bench();
  const out = await b.network({ external: true });
  await b.subnet(out.id, '203.0.113.0/24', { enable_dhcp: false });
  const net = await b.network();
  const subnet = await b.subnet(net.id, '10.0.0.0/24', { enable_dhcp: false });
  const other = await b.subnet(net.id, '10.0.1.0/24', { enable_dhcp: false });
  const info = { external_gateway_info: { network_id: out.id } };
  const routerId = (await b.run((tx) => createRouter(tx, b.call, [info])))[0]!.id;
  const interfaceOf = (subnetId: string) => ({ routerId, subnetId });
  await b.run((tx) => addRouterInterface(tx, b.call, interfaceOf(subnet.id)));
  const asked = { network_id: net.id, fixed_ips: [{ subnet_id: subnet.id }] };
  const portId = (await b.run((tx) => createPort(tx, b.call, [asked])))[0]!.id;
  return {
    ...b,
    associate: (tx: Transaction) =>
      createFloatingIp(tx, b.call, [{ floating_network_id: out.id, port_id: portId }]),
    detach: (tx: Transaction) => removeRouterInterface(tx, b.call, interfaceOf(subnet.id)),
    attachOther: (tx: Transaction) => addRouterInterface(tx, b.call, interfaceOf(other.id)),
    removeOther: (tx: Transaction) => deleteSubnet(tx, b.call, { id: other.id }),
    close: (tx: Transaction) =>
      updateRouter(tx, b.call, { id: routerId, changes: { external_gateway_info: null } }),
    removePort: (tx: Transaction) => deletePort(tx, b.call, { id: portId }),
    remove: (tx: Transaction) => deleteRouter(tx, b.call, { id: routerId }),
  };
}

test('a floating IP is associated: its interface and its gateway stay', async () => {
  for (const [name, type] of [
    ['detach', 'RouterInterfaceInUseByFloatingIP'],
    ['close', 'RouterExternalGatewayInUseByFloatingIp'],
  ] as const) {
    const w = await world();
    await assert.rejects(w.beside<unknown>(w.associate, w[name]), fault(type));
  }
});

test('the interface, the gateway or the port goes: nothing is associated with it', async () => {
  for (const [name, type] of [
    ['detach', 'ExternalGatewayForFloatingIPNotFound'],
    ['close', 'ExternalGatewayForFloatingIPNotFound'],
    ['removePort', 'PortNotFound'],
  ] as const) {
    const w = await world();
    await assert.rejects(w.beside(w[name], w.associate), fault(type));
    assert.equal(w.store.rows('floatingIps').length, 0);
  }
});

test('a port goes that a floating IP was given: the floating IP is free', async () => {
  const w = await world();
  await w.beside(w.associate, w.removePort);
  const [fip] = w.store.rows('floatingIps');
  assert.deepEqual([fip?.port_id, fip?.router_id, fip?.status], [null, null, 'DOWN']);
});

test('a subnet and its interface, a router and its interface: whoever is second is refused', async () => {
  const first = await world();
  await assert.rejects(first.beside(first.attachOther, first.removeOther), fault('SubnetInUse'));
  const second = await world();
  await assert.rejects(second.beside(second.removeOther, second.attachOther), fault('SubnetNotFound'));
  const third = await world();
  await third.run(third.detach);
  await assert.rejects(third.beside(third.attachOther, third.remove), fault('RouterInUse'));
  const fourth = await world();
  await fourth.run(fourth.detach);
  await assert.rejects(fourth.beside(fourth.remove, fourth.attachOther), fault('RouterNotFound'));
});
