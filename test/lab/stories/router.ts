import assert from 'node:assert/strict';
import { realClock } from '../../../src/lib/clock.ts';
import { runInMachine } from '../../../src/lab/machine.ts';
import { answersOutside, externalNetwork, floatingIp, hostsWith, router } from '../routers.ts';
import { addressOf } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

/** A tenant reaches the outside by way of a router, another network beside it, and is reached by a floating IP. */
export const routerStory: Story = {
  name: 'router',
  summary: 'a router joins two networks and the outside; a floating IP is reached as long as it is there',
  hosts: 3,
  servers: 1,
  tell: (scene) => tellRouter(scene, { ha: false, replicas: 1 }),
};

/** The same with a replica on every host, of which one has the addresses. */
export const routerHa: Story = {
  name: 'router-ha',
  summary: 'an HA router serves the same, with a replica on each of three hosts',
  hosts: 3,
  servers: 1,
  tell: (scene) => tellRouter(scene, { ha: true, replicas: 3 }),
};

async function tellRouter(
  { stage, note }: Scene,
  { ha, replicas }: { ha: boolean; replicas: number },
): Promise<void> {
  const external = await externalNetwork(stage);
  const [one, two] = [await stage.network(), await stage.network()];
  const here = await stage.machineThatAsks(one, 'h1');
  const there = await stage.machineThatAsks(two, 'h2');
  await stage.lease(here.machine);
  await stage.lease(there.machine);

  let began = realClock.now();
  const since = () => `${Math.round(realClock.now() - began)} ms`;
  const id = await router(stage, external, [one, two], { ha });
  await stage.ping(here.machine, addressOf(there.port));
  note(`${since()} from the first request to a ping between two networks`);
  await stage.ping(here.machine, '203.0.113.1');
  note('the outside answers, by the gateway’s address');
  const hosts = await hostsWith(stage, id);
  assert.equal(hosts.length, replicas, `on ${hosts.join(', ')}`);

  began = realClock.now();
  const floating = await floatingIp(stage, external, here.port.id);
  await stage.until('the floating IP answers', () => answersOutside(stage, floating.address));
  note(`${floating.address} is reached ${since()} after its POST`);
  const statusOf = async () =>
    (await stage.lab.api('GET', `/v2.0/floatingips/${floating.id}`)).floatingip.status;
  await stage.until('the floating IP is ACTIVE', async () => (await statusOf()) === 'ACTIVE');
  const { ports } = await stage.lab.api('GET', `/v2.0/ports?device_id=${id}`);
  for (const port of ports) await stage.untilActive(port);
  note('it and the ports of the router are ACTIVE');

  const count = 400;
  const along = stage.lab.runOutside(['ping', '-n', '-q', '-i', '0.005', '-c', `${count}`, floating.address]);
  for (const host of hosts) {
    await stage.lab.kill(host, 'agent');
    await stage.lab.start(host);
  }
  await stage.settle();
  const { stdout } = await along;
  assert.match(stdout, new RegExp(`${count} received`), stdout);
  note(`the agents of ${hosts.join(', ')} were killed and started again, none of ${count} pings lost`);

  began = realClock.now();
  await stage.lab.api('DELETE', `/v2.0/floatingips/${floating.id}`);
  await stage.until('it answers no more', async () => !(await answersOutside(stage, floating.address)));
  note(`it is silent ${since()} after its DELETE`);
  const direct = await runInMachine(stage.lab.place, here.machine, ['ping', '-c1', '-W1', '203.0.113.1']);
  assert.equal(direct.code, 0, 'the machine itself still reaches the outside');
}
