/** A router that is not HA, and its host: drained, without an agent, without power. Never do two answer for it. */
import assert from 'node:assert/strict';
import type { Lab } from '../../../src/lab/lab.ts';
import { outsideNamespace } from '../../../src/lab/layout.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { Answerers, doubles } from '../ha/answerers.ts';
import { Pinger } from '../ha/pings.ts';
import { lengthOf } from '../ha/spans.ts';
import { switchOff, switchOn } from '../power.ts';
import { answersOutside, type External, externalNetwork, floatingIp, hostsWith, router } from '../routers.ts';
import type { Network, Stage } from '../stage.ts';
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

/** Where the machine is, and its floating IP. */
interface Seat {
  readonly host: string;
  readonly address: string;
}

/** On each of these hosts a machine that the outside reaches. */
async function seats({ stage }: Scene, hosts: readonly string[], on: Ground): Promise<Seat[]> {
  const made: Seat[] = [];
  for (const host of hosts) {
    const { machine, port } = await stage.machineThatAsks(on.network, host);
    await stage.lease(machine);
    const { address } = await floatingIp(stage, on.external, port.id);
    await stage.until(`${address} answers`, () => answersOutside(stage, address));
    made.push({ host, address });
  }
  await stage.settle();
  return made;
}

interface Ground {
  readonly external: External;
  readonly network: Network;
}

/** Pings the address all along; says the longest time without an answer, and how many pings of how many were lost. */
async function pinged(
  { lab, until }: { lab: Lab; until: Stage['until'] },
  address: string,
  deed: () => Promise<unknown>,
): Promise<{ silenceMs: number; lost: number; sent: number }> {
  const { ground, layout } = lab.place;
  const enter = [...ground.enter, 'nsenter', `--net=/run/netns/${outsideNamespace(layout.id)}`, '--'];
  const pinger = new Pinger(enter, address);
  try {
    await until('pings are answered', () => pinger.log.answered > 20);
    const begunAt = epochMs();
    await deed();
    const doneAt = epochMs();
    // The old one may answer until the very last: what is lost then is of the deed too.
    await until('pings are answered again', () => pinger.log.lastAnswerAt > doneAt + 300);
    const end = epochMs() - 300;
    const spans = pinger.log.silences(begunAt, end);
    return { silenceMs: Math.round(Math.max(0, ...spans.map(lengthOf))), ...pinger.log.count(begunAt, end) };
  } finally {
    await pinger.stop();
  }
}

async function tell(scene: Scene): Promise<void> {
  const { stage, note } = scene;
  const { lab } = stage;
  const by = { lab, until: stage.until.bind(stage) };
  const ground = { external: await externalNetwork(stage), network: await stage.network() };
  const id = await router(stage, ground.external, [ground.network], { ha: false });
  const [first = ''] = await shownHosts(stage, id);
  const places = await seats(
    scene,
    ['h1', 'h2', 'h3'].filter((host) => host !== first),
    ground,
  );
  const [{ address }] = places as [Seat];
  note(`${first} has the router`);
  const answerers = new Answerers(lab, address);
  try {
    await answerers.start();
    const begunAt = epochMs();
    let second = '';
    const drained = await pinged(by, address, async () => {
      await setDrain(stage, first, true);
      second = await untilMoved(stage, id, { from: first, address });
      await sleep(realClock, 500);
    });
    note(`drained: ${second} has it, after ${drained.silenceMs} ms without an answer`);
    await setDrain(stage, first, false);
    await stage.settle();
    // On a busy machine the host that let go may have answered until now, and the next waited for it meanwhile.
    await stage.until('nobody waits any more', async () => (await waitingFor(stage)) === undefined);
    await stage.until('it answers', () => answersOutside(stage, address));

    const { address: beyond } = places.find(({ host }) => host !== second)!;
    let waits = '';
    const dead = await pinged(by, beyond, async () => {
      await lab.kill(second, 'agent');
      waits = await stage.until('another waits for it', async () => {
        const host = await waitingFor(stage);
        return host !== second && host;
      });
      assert.deepEqual(await shownHosts(stage, id), [`(${second})`, waits].sort());
      await sleep(realClock, 3_000);
    });
    note(`the agent of ${second} is dead, ${waits} waits: ${dead.lost} of ${dead.sent} pings lost`);
    assert.equal(dead.lost, 0);

    const off = await pinged(by, beyond, async () => {
      await switchOff(lab, second);
      assert.equal(await untilMoved(stage, id, { from: second, address: beyond }), waits);
      await sleep(realClock, 500);
    });
    note(`${second} has no power: ${waits} serves it after ${off.silenceMs} ms without an answer`);

    await switchOn(lab, second);
    await lab.start(second);
    await stage.settle();
    // What the host had before is not what it is owed: it is settled before it has looked round and taken that away.
    await stage.until(`${second} has let go`, async () => {
      const hosts = await hostsWith(stage, id);
      return hosts.length === 1 && hosts[0] === waits;
    });
    const double = doubles(answerers.answers, begunAt, epochMs());
    assert.deepEqual(
      double.map(({ hosts }) => hosts.join('+')),
      [],
      'two answered an ARP request',
    );
    assert.ok(await answersOutside(stage, beyond));
  } finally {
    await answerers.stop();
  }
}
