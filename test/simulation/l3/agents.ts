/** The agent of a host of this world: the real roles l2 and l3 over the fake host. */
import { createL2Agent } from '../../../src/agents/l2/reconciler.ts';
import { createL3Agent } from '../../../src/agents/l3/reconciler.ts';
import { AgentProcess } from '../agent-process.ts';
import { streamOf } from '../streams.ts';
import { type L3Machine, OUTSIDE } from './machine.ts';
import type { L3World } from './world.ts';

export function agentOf(world: L3World, machine: L3Machine): AgentProcess {
  const { name, tunnelIp } = machine;
  const { scheduler, network, servers } = world;
  const bridgeMappings = new Map([[OUTSIDE.network, OUTSIDE.link]]);
  return new AgentProcess({
    ...{ name, tunnelIp, scheduler, network, servers, host: machine.host },
    random: streamOf(world.seed, name),
    physicalNetworks: [OUTSIDE.network],
    configurations: {},
    disk: { isSlow: () => false, isFull: () => false },
    hasHost: () => !machine.isOff,
    wallOffset: () => 0,
    roles: ({ host, life, mirror }) => [
      createL2Agent({ host, world: mirror, hostName: name, tunnelIp, bridgeMappings }),
      createL3Agent({ host, world: mirror, clock: life.clock }),
    ],
    onBorn: () => undefined,
  });
}
