import assert from 'node:assert/strict';
import type { Lab } from '../../../src/lab/lab.ts';
import { realClock } from '../../../src/lib/clock.ts';
import { addressOf } from '../stage.ts';
import type { Story } from '../story.ts';

const pids = (lab: Lab, host: string) =>
  lab
    .find(host, 'dnsmasq')
    .map((one) => `${one.pid} since ${one.startTime}`)
    .sort();

/** Links with index, MAC and bridge; flood entries: what a restart must not touch. */
async function links(lab: Lab, host: string): Promise<string> {
  const shown = await lab.run(host, ['ip', '-o', 'link']);
  const floods = await lab.run(host, ['bridge', 'fdb', 'show']);
  const entries = floods.stdout.split('\n').filter((line) => line.startsWith('00:00:00:00:00:00'));
  const steady = shown.stdout.replace(/ qlen \d+| state \w+/g, '');
  return [...steady.split('\n'), ...entries].sort().join('\n');
}

/** R24, R38: an agent that restarts with nothing changed touches nothing, and DHCP answers all the while. */
export const agentRestart: Story = {
  name: 'agent-restart',
  summary:
    'an agent that is restarted or killed leaves dnsmasq and links alone, and no lease answer is missed',
  hosts: 3,
  servers: 1,
  async tell({ stage, note, form }) {
    const { lab } = stage;
    const networks = await Promise.all(
      Array.from({ length: form === 'long' ? 20 : 3 }, () => stage.network()),
    );
    for (const network of networks) await stage.port(network, 'h1');
    const { port, machine } = await stage.machineThatAsks(networks[0]!, 'h1');
    await stage.lease(machine);
    await stage.settle();
    const server: string | undefined = stage.servingHosts(port)[0];
    assert.ok(server, 'somebody serves the port');
    note(`${networks.length} networks; ${server} serves the one that is asked`);

    for (const graceMs of [10_000, 0]) {
      const before: { pids: string[]; links: string } = {
        pids: pids(lab, server),
        links: await links(lab, server),
      };
      assert.ok(before.pids.length > 0);
      let isBack = false;
      let asked = 0;
      const asking = (async () => {
        while (!isBack) {
          assert.equal(
            await stage.askOnce(machine),
            addressOf(port),
            `answer ${asked + 1} while the agent is away`,
          );
          asked++;
        }
      })();
      // Awaited below; without this a failure meanwhile would be an unhandled rejection.
      asking.catch(() => undefined);
      const began = realClock.now();
      try {
        await lab.restart(server, { graceMs });
        const next = await stage.port(networks[0]!, 'h1');
        await stage.untilServed(next);
        const tookMs = Math.round(realClock.now() - began);
        note(`${graceMs === 0 ? 'kill -9' : 'restart'}: a new port is served ${tookMs} ms later`);
        await stage.settle();
      } finally {
        isBack = true;
      }
      await asking;
      note(`${asked} leases asked for meanwhile, all answered`);
      assert.deepEqual(pids(lab, server), before.pids, 'the same dnsmasq processes');
      assert.equal(await links(lab, server), before.links, 'the same links and flood entries');
    }
  },
};
