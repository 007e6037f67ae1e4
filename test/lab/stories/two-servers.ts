import assert from 'node:assert/strict';
import { hostsOf } from '../../../src/lab/layout.ts';
import { PATIENCE_MS } from '../stage.ts';
import type { Story } from '../story.ts';

/** R17: two active servers on one database; agents move between them whenever one goes. */
export const twoServers: Story = {
  name: 'agent-moves-between-two-servers',
  summary: 'agents follow whichever server is there, and what both wrote converges',
  hosts: 3,
  servers: 2,
  async tell({ stage, note, form }) {
    const { lab } = stage;
    const network = await stage.network();
    const rename = (id: string, name: string, server: string) =>
      lab.api('PUT', `/v2.0/ports/${id}`, { port: { name } }, server);
    const shared = await stage.port(network, 'h1');
    await stage.untilServed(shared);
    await stage.settle();

    for (let round = 1; round <= (form === 'long' ? 6 : 2); round++) {
      const [gone, stays] = round % 2 === 1 ? ['ctl1', 'ctl2'] : ['ctl2', 'ctl1'];
      await lab.kill(gone!, 'server');
      const port = await stage.port(network, 'h2', {}, stays);
      await stage.untilServed(port);
      await rename(shared.id, `round${round}`, stays!);
      await stage.until(`all agents are with ${stays}`, async () => {
        const { agents } = await lab.api('GET', '/v2.0/agents', undefined, stays);
        return agents.length > 0 && agents.every((agent: { alive: boolean }) => agent.alive);
      });
      await stage.settle(60_000, stays);
      note(`${gone} killed: a port made at ${stays} is served, all agents are there`);
      await lab.waitForServer(gone!, { timeoutMs: PATIENCE_MS });
      const back = await stage.showPort(shared.id, gone);
      assert.equal(back.name, `round${round}`, 'the one that comes back shows what the other wrote');
    }

    const writes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) => rename(shared.id, `w${at}`, at % 2 === 0 ? 'ctl1' : 'ctl2')),
    );
    assert.deepEqual(
      writes.flatMap((one) => (one.status === 'rejected' ? [String(one.reason)] : [])),
      [],
    );
    const made = await Promise.all(
      Array.from({ length: 20 }, (_, at) => stage.port(network, 'h3', {}, at % 2 === 0 ? 'ctl1' : 'ctl2')),
    );
    const addresses = new Set(made.map((port) => port.fixed_ips[0]?.ip_address));
    assert.equal(addresses.size, made.length, 'no address given twice');
    assert.equal(
      (await stage.showPort(shared.id, 'ctl1')).name,
      (await stage.showPort(shared.id, 'ctl2')).name,
    );
    for (const port of made) await stage.untilServed(port);
    await stage.settle(60_000, 'ctl1');
    await stage.settle(60_000, 'ctl2');
    note(
      `both wrote at once: ${made.length} ports, all served, by agents of ${hostsOf(lab.layout).length} hosts`,
    );
  },
};
