import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Identity } from '../../../src/lab/processes.ts';
import { isRunning, signal } from '../../../src/lab/processes.ts';
import { realClock } from '../../../src/lib/clock.ts';
import { addressOf, type Network, type Stage } from '../stage.ts';
import type { Story } from '../story.ts';

/** The dnsmasq processes of a network, on any host: its id is in their command line or in their configuration's path. */
function serversOfNetwork(stage: Stage, network: Network): { host: string; process: Identity }[] {
  return stage.lab.layout.nodes.flatMap((node) =>
    stage.lab
      .find(node.name, 'dnsmasq')
      .filter((one) => readFileSync(`/proc/${one.pid}/cmdline`, 'utf8').includes(network.id))
      .map((process) => ({ host: node.name, process })),
  );
}

/** The agent notices at once that its child ended, and starts it again; others are not touched (R5, R19). */
export const dnsmasqKilled: Story = {
  name: 'dnsmasq-killed',
  summary: 'a dnsmasq that is killed is back within seconds, the others untouched',
  hosts: 3,
  servers: 1,
  async tell({ stage, note }) {
    const [network, other] = [await stage.network(), await stage.network()];
    const { port, machine } = await stage.machineThatAsks(network, 'h1');
    const neighbour = await stage.machineThatAsks(other, 'h1');
    await Promise.all([stage.lease(machine), stage.lease(neighbour.machine)]);
    await stage.settle();
    const untouched = serversOfNetwork(stage, other).map((one) => one.process);
    const [victim] = serversOfNetwork(stage, network);
    assert.ok(victim && untouched.length > 0);
    const began = realClock.now();
    assert.ok(signal(victim.process, 'SIGKILL'));
    await stage.until(
      'a lease again',
      async () => (await stage.askOnce(machine)) === addressOf(port),
      10_000,
    );
    note(`leases again ${Math.round(realClock.now() - began)} ms after kill -9 of dnsmasq on ${victim.host}`);
    assert.ok(untouched.every(isRunning), "another network's dnsmasq ran on");
    const fresh = await stage.machineThatAsks(network, 'h2');
    assert.equal((await stage.lease(fresh.machine)).ip, addressOf(fresh.port));
    note('and a new port is served');
  },
};

/**
 * dnsmasq 2.90 ends with an assertion on SIGHUP when host lines carry tags and a client has asked. Options by port and
 * removals are what brings it there: whatever the agent does about it, clients must go on being served.
 */
export const dnsmasqDiesOnReload: Story = {
  name: 'dnsmasq-dies-on-reload',
  summary: 'ports with options of their own come and go, and DHCP goes on answering',
  hosts: 3,
  servers: 1,
  async tell({ stage, note, form }) {
    const network = await stage.network();
    const options = (text: string) => ({
      extra_dhcp_opts: [{ opt_name: 'bootfile-name', opt_value: text, ip_version: 4 }],
    });
    const special = await stage.machineThatAsks(network, 'h1', options('first.img'));
    const plain = await stage.machineThatAsks(network, 'h2');
    await Promise.all([stage.lease(special.machine), stage.lease(plain.machine)]);
    await stage.settle();
    for (let round = 1; round <= (form === 'long' ? 10 : 2); round++) {
      const passing = await stage.port(network, 'h1', options(`${round}.img`));
      await stage.untilServed(passing);
      await stage.lab.api('DELETE', `/v2.0/ports/${passing.id}`);
      // The same address for another MAC forces what was forgotten to be forgotten by dnsmasq too.
      const fixed_ips = [{ subnet_id: network.subnetId, ip_address: addressOf(passing) }];
      const heir = await stage.machineThatAsks(network, 'h3', { fixed_ips });
      const began = realClock.now();
      assert.equal((await stage.lease(heir.machine)).ip, addressOf(passing));
      note(
        `round ${round}: the heir of a removed port has its address after ${Math.round(realClock.now() - began)} ms`,
      );
      for (const { port, machine } of [special, plain]) {
        await stage.until('a lease', async () => (await stage.askOnce(machine)) === addressOf(port), 5000);
      }
      await stage.lab.api('DELETE', `/v2.0/ports/${heir.port.id}`);
    }
    await stage.settle();
    assert.equal(serversOfNetwork(stage, network).length, 1, 'one dnsmasq serves the network');
    note('all were answered all the time');
  },
};
