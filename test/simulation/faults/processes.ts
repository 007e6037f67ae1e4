/** What happens to the processes: they die, stand still, are told a wrong time. */
import { integerBetween } from '../../../src/lib/random.ts';
import type { Incarnation } from '../incarnation.ts';
import { pick } from '../weather.ts';
import type { World } from '../world.ts';
import { type Fault, lastingMs, longMs } from './fault.ts';

/** After so long the database ends the transactions of a server that stands still. */
const IDLE_IN_TRANSACTION_MS = 15_000;

function freeze(world: World, life: Incarnation, forMs: number): void {
  life.freeze();
  world.scheduler.after(forMs, `${life.name} goes on`, () => life.thaw());
}

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    name: 'agent-crash',
    weight: 5,
    strike(world, random) {
      const agent = pick(random, world.agents);
      const backMs = lastingMs(random);
      if (!agent?.life?.alive) return undefined;
      agent.kill();
      world.scheduler.after(backMs, `start ${agent.name}`, () => agent.start());
      return { what: `kill ${agent.name} for ${backMs}`, on: agent.name };
    },
  },
  {
    name: 'server-crash',
    weight: 4,
    strike(world, random) {
      const server = pick(random, world.servers);
      const backMs = lastingMs(random);
      if (!server?.life?.alive) return undefined;
      server.kill(random.next() < 0.5);
      world.scheduler.after(backMs, `start ${server.name}`, () => server.start());
      return { what: `kill ${server.name} for ${backMs}`, on: server.name };
    },
  },
  {
    name: 'agent-pause',
    weight: 3,
    strike(world, random) {
      const agent = pick(random, world.agents);
      const forMs = longMs(random);
      if (!agent?.life?.alive || agent.life.isFrozen) return undefined;
      freeze(world, agent.life, forMs);
      return { what: `pause ${agent.name} for ${forMs}`, on: agent.name };
    },
  },
  {
    name: 'server-pause',
    weight: 3,
    strike(world, random) {
      const server = pick(random, world.servers);
      const forMs = longMs(random);
      const life = server?.life;
      if (!life?.alive || life.isFrozen) return undefined;
      freeze(world, life, forMs);
      world.scheduler.after(IDLE_IN_TRANSACTION_MS, '', () => life.isFrozen && server?.timeOut());
      return { what: `pause ${server?.name} for ${forMs}`, on: life.name };
    },
  },
  {
    name: 'clock-jump',
    weight: 1,
    strike(world, random) {
      const process = pick(random, [...world.agents, ...world.servers]);
      if (!process) return undefined;
      const byMs = integerBetween(random, -7_200_000, 7_200_000);
      world.wallOffsets.set(process.name, (world.wallOffsets.get(process.name) ?? 0) + byMs);
      return { what: `the clock of ${process.name} jumps by ${byMs}`, on: process.name };
    },
  },
];
