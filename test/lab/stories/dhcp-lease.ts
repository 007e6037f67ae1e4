import assert from 'node:assert/strict';
import { realClock } from '../../../src/lib/clock.ts';
import { runInMachine } from '../../../src/lab/machine.ts';
import { addressOf } from '../stage.ts';
import type { Story } from '../story.ts';

/** The main thing: POST a port, plug a machine in, and a real client gets exactly that address and reaches the other. */
export const dhcpLease: Story = {
  name: 'dhcp-lease',
  summary: 'machines on two hosts get exactly their ports’ addresses and reach each other',
  hosts: 3,
  servers: 1,
  async tell({ stage, note }) {
    const network = await stage.network();
    const began = realClock.now();
    const [one, two] = await Promise.all([
      stage.machineThatAsks(network, 'h1'),
      stage.machineThatAsks(network, 'h2'),
    ]);
    for (const { port, machine } of [one, two]) {
      const lease = await stage.lease(machine);
      note(
        `${machine.host.name}: ${lease.ip} after ${Math.round(realClock.now() - began)} ms from the first POST`,
      );
      assert.equal(lease.ip, addressOf(port));
      assert.equal(Number(lease.mtu), network.mtu);
      assert.equal(lease.mask, '24');
      const link = await runInMachine(stage.lab.place, machine, ['ip', '-4', 'route', 'show', 'default']);
      assert.match(link.stdout, /^default via 10\.30\.\d+\.1 dev eth0/);
    }
    note(`ping: ${await stage.ping(one.machine, addressOf(two.port))} ms`);
    const full = ['-M', 'do', '-s', String(network.mtu - 28)];
    assert.ok(
      await stage.pingsOnce(one.machine, addressOf(two.port), full),
      'a packet of the whole MTU passes',
    );
    await Promise.all([stage.untilActive(one.port), stage.untilActive(two.port)]);
    note('both ports are ACTIVE');
    assert.ok(one.port.status !== 'ACTIVE', 'not ACTIVE before it was plugged in');

    await stage.lab.api('DELETE', `/v2.0/ports/${two.port.id}`);
    // dnsmasq forgets removed ports some of them at a time, but at once when an address is given to another.
    const fixed_ips = [{ subnet_id: network.subnetId, ip_address: addressOf(two.port) }];
    const heir = await stage.machineThatAsks(network, 'h3', { fixed_ips });
    assert.equal((await stage.lease(heir.machine)).ip, addressOf(two.port));
    // The other machine would ask the former owner's link address for half a minute before it asks around.
    await runInMachine(stage.lab.place, one.machine, ['ip', 'neigh', 'flush', 'all']);
    await stage.ping(one.machine, addressOf(heir.port));
    note('the address of a deleted port serves another machine, on another host');
    assert.equal(await stage.askOnce(two.machine), undefined);
    // No lease any more is at once; its entry goes when dnsmasq has said that the reload is through.
    await stage.untilForgotten(two.port.mac_address);
    note('the deleted port itself gets no lease any more');
  },
};
