/** A router that is not HA, and its host: drained, without an agent, without power. Never do two answer for it. */
import assert from 'node:assert/strict';
import { outsideNamespace } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { Answerers, doubles } from '../ha/answerers.ts';
import { Pinger } from '../ha/pings.ts';
import { lengthOf } from '../ha/spans.ts';
import { switchOff, switchOn } from '../power.ts';
import { answersOutside, externalNetwork, floatingIp, hostsWith, router } from '../routers.ts';
import type { Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

export const routerTakeover: Story = {
  name: 'router-takeover',
  summary:
    'a router that is not HA is drained, loses its agent, loses its host: one host at most answers for it',
  hosts: 3,
  servers: 1,
  tell,
};

/** The hosts that have it, those that are to leave it in brackets. */
async function shownHosts({ lab }: Stage, id: string): Promise<string[]> {
  const { router: shown } = await lab.api('GET', `/v2.0/deuteron/routers/${id}`);
  const replicas: readonly { host: string; leaving: boolean }[] = shown.replicas;
  return replicas.map(({ host, leaving }) => (leaving ? `(${host})` : host)).sort();
}

async function setDrain({ lab }: Stage, host: string, draining: boolean): Promise<void> {
  await lab.api('PUT', `/v2.0/deuteron/hosts/${host}/drain`, { drain: { draining } });
}

/** The host that stands back for another. */
async function waitingFor(stage: Stage): Promise<string | undefined> {
  const { agents } = await stage.convergence();
  const waits = (reason: string) => /another host answers/.test(reason);
  return agents.find(({ exceptions }) => exceptions.some(({ reason }) => waits(reason)))?.host;
}

/** It has left the host, and what it serves is reached. */
async function untilMoved(stage: Stage, id: string, { from, address }: { from: string; address: string }) {
  const to = await stage.until(`another than ${from} has it alone`, async () => {
    const hosts = await shownHosts(stage, id);
    if (hosts.length !== 1 || hosts[0] === from) throw new Error(hosts.join(', '));
    return hosts[0]!;
  });
  await stage.until('nobody waits for it, and it answers', async () => {
    return (await waitingFor(stage)) === undefined && answersOutside(stage, address);
  });
  return to;
}

async function tell({ stage, note }: Scene): Promise<void> {
  const { lab } = stage;
  const { ground, layout } = lab.place;
  const external = await externalNetwork(stage);
  const network = await stage.network();
  const id = await router(stage, external, [network], { ha: false });
  const [first = ''] = await shownHosts(stage, id);
  const others = ['h1', 'h2', 'h3'].filter((host) => host !== first);
  const { machine, port } = await stage.machineThatAsks(network, others[0]!);
  await stage.lease(machine);
  const floating = await floatingIp(stage, external, port.id);
  await stage.until('the floating IP answers', () => answersOutside(stage, floating.address));
  await stage.settle();
  note(`${first} has the router, the machine is on ${others[0]}`);

  const outside = [...ground.enter, 'nsenter', `--net=/run/netns/${outsideNamespace(layout.id)}`, '--'];
  const pinger = new Pinger(outside, floating.address);
  const answerers = new Answerers(lab, floating.address);
  const silence = (from: number) => {
    const spans = pinger.log.silences(from, epochMs());
    return Math.round(Math.max(0, ...spans.map(lengthOf)));
  };
  try {
    await answerers.start();
    await stage.until('pings are answered', () => pinger.log.answered > 20);
    const begunAt = epochMs();

    await setDrain(stage, first, true);
    const second = await untilMoved(stage, id, { from: first, address: floating.address });
    await stage.settle();
    note(`drained: ${second} has it, after ${silence(begunAt)} ms without an answer`);
    await setDrain(stage, first, false);

    const deadAt = epochMs();
    await lab.kill(second, 'agent');
    const waits = await stage.until('another waits for it', () => waitingFor(stage));
    assert.deepEqual((await shownHosts(stage, id)).sort(), [`(${second})`, waits].sort());
    await sleep(realClock, 3_000);
    const { sent, lost } = pinger.log.count(deadAt, epochMs() - 300);
    note(`the agent of ${second} is dead, ${waits} waits: ${lost} of ${sent} pings lost`);
    assert.equal(lost, 0);

    const offAt = epochMs();
    await switchOff(lab, second);
    assert.equal(await untilMoved(stage, id, { from: second, address: floating.address }), waits);
    note(`${second} has no power: ${waits} serves it after ${silence(offAt)} ms without an answer`);

    await switchOn(lab, second);
    await lab.start(second);
    await stage.settle();
    assert.deepEqual(await hostsWith(stage, id), [waits]);
    const double = doubles(answerers.answers, begunAt, epochMs());
    assert.deepEqual(
      double.map(({ hosts }) => hosts.join('+')),
      [],
      'two answered an ARP request',
    );
    assert.ok(await answersOutside(stage, floating.address));
  } finally {
    await Promise.all([pinger.stop(), answerers.stop()]);
  }
}
