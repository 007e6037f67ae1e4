/** The agent of a host of this world: the real roles l2 and l3 over the fake host. */
import { createL2Agent } from '../../../src/agents/l2/reconciler.ts';
import { createHealth } from '../../../src/agents/l3/health-watch.ts';
import { createL3Agent } from '../../../src/agents/l3/reconciler.ts';
import { AgentProcess } from '../agent-process.ts';
import { streamOf } from '../streams.ts';
import { type L3Machine, OUTSIDE } from './machine.ts';
import { serverAddress } from './probes.ts';
import { CHECKS } from './scripts.ts';
import type { L3World } from './world.ts';

export function agentOf(world: L3World, machine: L3Machine): AgentProcess {
  const { name, tunnelIp, managementIp } = machine;
  const { scheduler, network, servers } = world;
  const bridgeMappings = new Map([[OUTSIDE.network, OUTSIDE.link]]);
  return new AgentProcess({
    ...{ name, tunnelIp, scheduler, network, servers, host: machine.host },
    random: streamOf(world.seed, name),
    physicalNetworks: [OUTSIDE.network],
    configurations: { management_ip: managementIp },
    disk: { isSlow: () => false, isFull: () => false },
    hasHost: () => !machine.isOff,
    wallOffset: () => world.wallOffsets.get(name) ?? 0,
    eventsInOrder: true,
    roles: ({ host, life, mirror }) => {
      const { linkHoldMs, checkHoldMs, hasHealth, hasSecondPath, isolation } = world.traits;
      const health = createHealth({
        ...{ host, world: mirror, clock: life.clock, tunnelIp, externalLinks: bridgeMappings },
        ...{ checks: CHECKS, checkUser: 'nobody', linkHoldMs, checkHoldMs },
        ...{ isolation, witnesses: servers.map((_, i) => serverAddress(i)) },
        onFailure: (error) => scheduler.note(`${name} health: ${(error as Error).message}`),
      });
      return [
        createL2Agent({
          ...{ host, world: mirror, hostName: name, tunnelIp, bridgeMappings },
          managementIp: hasSecondPath ? managementIp : '',
        }),
        world.onRole(
          createL3Agent({
            host,
            world: world.onSight(mirror),
            clock: life.clock,
            ...(hasHealth ? { health } : {}),
          }),
          machine,
        ),
      ];
    },
    onBorn: () => undefined,
  });
}
