/**
 * {send "down"; commit "up"; crash; restart; resync to "up"; deliver the old "down"} ends up. The seed says who crashes, and
 * whether the old message comes during the resync or after it.
 */
import assert from 'node:assert/strict';
import { seededRandom } from '../../../src/lib/random.ts';
import { createNetwork } from '../../../src/operations/network.ts';
import { createPort, updatePort } from '../../../src/operations/port.ts';
import { createSubnet } from '../../../src/operations/subnet.ts';
import type { PortBody } from '../../../src/resources/agent-view.ts';
import type { Frame } from '../../../src/watch/protocol.ts';
import { tapOf } from '../host-oracle.ts';
import { CONVERGE_MS, type Scenario } from '../scenario.ts';
import { Violation } from '../violation.ts';
import { CALM } from '../weather.ts';
import { World } from '../world.ts';

const HOST = 'host1';
const WITHIN_MS = 30_000;

export const staleDelivery: Scenario = {
  name: 'stale-delivery',
  summary: 'a message from before a crash comes after the resync (R14)',
  async play(seed, prepare) {
    const random = seededRandom(seed);
    const crashes = (['agent', 'server', 'both'] as const)[Math.floor(random.next() * 3)];
    const isEarly = random.next() < 0.5;
    const world = new World({ seed, hosts: 2, servers: 1, weather: CALM });
    world.calm();
    prepare(world);
    await world.begin();
    const id = await bringUp(world);
    const down = await loseOne(world, () => setAdminState(world, id, false));
    await setAdminState(world, id, true);
    await crash(world, crashes ?? 'both');
    if (isEarly) await until(world, 'a connection', () => connectionOf(world) !== undefined);
    else await world.converge(WITHIN_MS);
    world.scheduler.note(`the old message comes: ${JSON.stringify(down)}`);
    connectionOf(world)?.inject(down);
    if (portOf(world, id)?.admin_state_up === false)
      throw new Violation('never back', 'the old message was applied');
    await world.scheduler.run(world.scheduler.now + 10_000, () => false);
    await world.converge(CONVERGE_MS);
    await assertUp(world, id);
  },
};

const connectionOf = (world: World) => [...world.network.connections].find((one) => one.agent === HOST);

async function until(world: World, what: string, holds: () => boolean): Promise<void> {
  await world.scheduler.run(world.scheduler.now + WITHIN_MS, holds);
  assert.ok(holds(), `in time: ${what}`);
}

/** A request, to its end. */
async function ask(world: World, label: string, work: Parameters<World['ask']>[0]['work']): Promise<void> {
  let isDone = false;
  world.scheduler.follow(
    world.ask({ label, work }).then((done) => {
      isDone = done;
    }),
  );
  await until(world, label, () => isDone);
}

/** A network with a port on the host, plugged and ACTIVE. */
async function bringUp(world: World): Promise<string> {
  const networkId = world.random.uuid();
  const id = world.random.uuid();
  await world.scheduler.run(2_000, () => false);
  await ask(world, 'make a port', async (tx, call) => {
    await createNetwork(tx, call, [{ id: networkId }]);
    await createSubnet(tx, call, [{ network_id: networkId, ip_version: 4, cidr: '10.0.0.0/24' }]);
    await createPort(tx, call, [{ id, network_id: networkId, host: HOST }]);
  });
  const isActive = () => world.store.rows('ports').some((port) => port.id === id && port.status === 'ACTIVE');
  await until(world, 'the port is ACTIVE', isActive);
  await world.converge(WITHIN_MS);
  return id;
}

const setAdminState = (world: World, id: string, isUp: boolean) =>
  ask(world, `set it ${isUp ? 'up' : 'down'}`, (tx, call) =>
    updatePort(tx, call, { id, changes: { admin_state_up: isUp } }),
  );

/** Holds back the batch that `act` brings about. */
async function loseOne(world: World, act: () => Promise<void>): Promise<Frame> {
  let held: Frame | undefined;
  world.network.tap = (agent, frame) => {
    const isIt = agent === HOST && frame.type === 'batch' && Object.keys(frame.changes).length > 0;
    if (!isIt || held) return frame;
    held = frame;
    return undefined;
  };
  await act();
  await until(world, 'the message is on its way', () => held !== undefined);
  return held as Frame;
}

async function crash(world: World, who: 'agent' | 'server' | 'both'): Promise<void> {
  const agent = world.agents.find((one) => one.name === HOST);
  const [server] = world.servers;
  if (who !== 'server') agent?.kill();
  if (who !== 'agent') server?.kill(true);
  await world.scheduler.run(world.scheduler.now + 1_000, () => false);
  server?.start();
  agent?.start();
}

/** The port as the host's mirror has it. */
function portOf(world: World, id: string): PortBody | undefined {
  const agent = world.agents.find((one) => one.name === HOST);
  return agent?.mirror?.group(`host/${HOST}`)?.get(`port/${id}`) as PortBody | undefined;
}

async function assertUp(world: World, id: string): Promise<void> {
  assert.equal(portOf(world, id)?.admin_state_up, true, 'the mirror has the port up');
  const machine = world.machines.find((one) => one.name === HOST);
  assert.equal((await machine?.look(true))?.links.get(tapOf({ id }))?.up, true, 'its tap is up');
}
