/** What happens to the ways between agents and servers. */
import { integerBetween } from '../../../src/lib/random.ts';
import { partedName, type Way } from '../network.ts';
import { pick } from '../weather.ts';
import { type Fault, longMs, trouble } from './fault.ts';

const WAYS: readonly Way[] = ['up', 'down'];

export const WAY_FAULTS: readonly Fault[] = [
  {
    name: 'cut',
    weight: 4,
    strike(world, random) {
      const connection = pick(random, [...world.network.connections]);
      const hears = { agent: random.next() < 0.7, server: random.next() < 0.7 };
      if (!connection) return undefined;
      connection.cut(hears);
      return {
        what: `cut ${connection.agent} ${connection.server} ${JSON.stringify(hears)}`,
        on: connection.agent,
      };
    },
  },
  {
    name: 'stall',
    weight: 2,
    strike(world, random) {
      const connection = pick(random, [...world.network.connections]);
      if (!connection) return undefined;
      const forMs = integerBetween(random, 1_000, 14_000);
      connection.stall(forMs);
      return { what: `stall ${connection.agent} ${connection.server} for ${forMs}`, on: connection.agent };
    },
  },
  {
    name: 'partition',
    weight: 2,
    strike(world, random) {
      const agent = pick(random, world.agents);
      const server = pick(random, world.servers);
      const forMs = longMs(random);
      if (!agent || !server) return undefined;
      trouble(
        world,
        WAYS.map((way) => partedName(agent.name, server.name, way)),
        forMs,
      );
      for (const connection of [...world.network.connections]) {
        if (connection.agent !== agent.name || connection.server !== server.name) continue;
        connection.cut({ agent: false, server: false });
      }
      return { what: `part ${agent.name} ${server.name} for ${forMs}`, on: agent.name };
    },
  },
  {
    name: 'one-way',
    weight: 2,
    strike(world, random) {
      const agent = pick(random, world.agents);
      const server = pick(random, world.servers);
      const way = pick(random, WAYS);
      const forMs = longMs(random);
      if (!agent || !server || !way) return undefined;
      trouble(world, [partedName(agent.name, server.name, way)], forMs);
      return { what: `${agent.name} ${server.name}: no way ${way} for ${forMs}`, on: agent.name };
    },
  },
  {
    name: 'isolation',
    weight: 2,
    strike(world, random) {
      const agent = pick(random, world.agents);
      const ways = pick(random, [WAYS, WAYS, ['up'], ['down']] as const);
      const forMs = longMs(random);
      if (!agent || !ways) return undefined;
      const names = world.servers.flatMap((server) =>
        ways.map((way) => partedName(agent.name, server.name, way)),
      );
      trouble(world, names, forMs);
      return { what: `isolate ${agent.name} ${ways.join(' and ')} for ${forMs}`, on: agent.name };
    },
  },
];
