/** What happens to the database and the servers' ways to it. */
import { integerBetween } from '../../../src/lib/random.ts';
import { happens, pick } from '../weather.ts';
import type { World } from '../world.ts';
import { type Fault, longMs, type Struck, trouble } from './fault.ts';

function loseTail(world: World, most: number, word: string): Struck | undefined {
  const head = world.store.head().position;
  const n = Math.min(head - world.floor, most);
  if (n <= 0) return undefined;
  world.loseTail(n);
  return { what: `${word}: the last ${n} are lost, head ${head}` };
}

export const DATABASE_FAULTS: readonly Fault[] = [
  {
    name: 'trim',
    weight: 2,
    strike(world, random) {
      const keep = integerBetween(random, 1, 20);
      world.scheduler.follow(world.store.trim({ ageMs: 0, keep }));
      return { what: `trim to ${keep}` };
    },
  },
  {
    name: 'lost-tail',
    weight: 1.5,
    strike: (world, random) => loseTail(world, integerBetween(random, 1, 8), 'promotion'),
  },
  {
    name: 'restore',
    weight: 0.5,
    strike: (world, random) => loseTail(world, integerBetween(random, 10, 60), 'restore'),
  },
  {
    name: 'slow-database',
    weight: 2,
    strike(world, random) {
      const server = pick(random, world.servers);
      const forMs = longMs(random);
      if (!server) return undefined;
      const name = happens(random, 0.7) ? `slow database ${server.name}` : 'slow database';
      trouble(world, [name], forMs);
      return { what: `${name} for ${forMs}`, on: server.name };
    },
  },
  {
    name: 'no-database',
    weight: 2,
    strike(world, random) {
      const server = pick(random, world.servers);
      const forMs = longMs(random);
      if (!server) return undefined;
      const name = happens(random, 0.6) ? `no database ${server.name}` : 'no database';
      trouble(world, [name], forMs);
      world.scheduler.after(Math.min(forMs, 15_000), '', () => server.timeOut());
      return { what: `${name} for ${forMs}`, on: server.name };
    },
  },
];
