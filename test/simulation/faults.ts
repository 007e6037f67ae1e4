/** What goes wrong besides the weather: processes die, ways are cut, the log is trimmed, a standby without the last commits takes over. */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import { happens, pick } from './weather.ts';
import type { World } from './world.ts';

interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Does it, and says what was done; undefined: nothing to do it to. */
  strike(world: World, random: Random): string | undefined;
}

/** Mostly back soon, at times only after a while. */
const downMs = (random: Random) =>
  happens(random, 0.2) ? integerBetween(random, 3_000, 15_000) : integerBetween(random, 5, 1_500);

const FAULTS: readonly Fault[] = [
  {
    name: 'agent-crash',
    weight: 5,
    strike(world, random) {
      const agent = pick(random, world.agents);
      if (!agent?.life?.alive) return undefined;
      agent.kill();
      const backMs = downMs(random);
      world.later(backMs, `start ${agent.name}`, () => agent.start());
      return `kill ${agent.name} for ${backMs}`;
    },
  },
  {
    name: 'server-crash',
    weight: 4,
    strike(world, random) {
      const server = pick(random, world.servers);
      if (!server?.life?.alive) return undefined;
      server.kill(random.next() < 0.5);
      const backMs = downMs(random);
      world.later(backMs, `start ${server.name}`, () => server.start());
      return `kill ${server.name} for ${backMs}`;
    },
  },
  {
    name: 'cut',
    weight: 4,
    strike(world, random) {
      const connection = pick(random, [...world.network.connections]);
      if (!connection) return undefined;
      const hears = { agent: random.next() < 0.7, server: random.next() < 0.7 };
      connection.cut(hears);
      return `cut ${connection.agent} ${connection.server} ${JSON.stringify(hears)}`;
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
      return `stall ${connection.agent} ${connection.server} for ${forMs}`;
    },
  },
  {
    name: 'partition',
    weight: 2,
    strike(world, random) {
      const agent = pick(random, world.agents);
      const server = pick(random, world.servers);
      if (!agent || !server) return undefined;
      world.network.part(agent.name, server.name);
      const forMs = integerBetween(random, 500, 12_000);
      world.later(forMs, `join ${agent.name} ${server.name}`, () =>
        world.network.join(agent.name, server.name),
      );
      return `part ${agent.name} ${server.name} for ${forMs}`;
    },
  },
  {
    name: 'meddling',
    weight: 3,
    strike(world, random) {
      const machine = pick(random, world.machines);
      if (!machine) return undefined;
      world.follow(
        machine.meddle(random).then((what) => what && world.scheduler.note(`${machine.name}: ${what}`)),
      );
      return `meddle with ${machine.name}`;
    },
  },
  {
    name: 'reboot',
    weight: 1,
    strike(world, random) {
      const at = Math.floor(random.next() * world.machines.length);
      const agent = world.agents[at];
      if (!agent?.life?.alive) return undefined;
      agent.kill();
      const backMs = downMs(random);
      world.follow(world.machines[at]?.reboot() ?? Promise.resolve());
      world.later(backMs, `start ${agent.name}`, () => agent.start());
      return `reboot ${agent.name} for ${backMs}`;
    },
  },
  {
    name: 'trim',
    weight: 2,
    strike(world, random) {
      const keep = integerBetween(random, 1, 20);
      world.follow(world.store.trim({ ageMs: 0, keep }));
      return `trim to ${keep}`;
    },
  },
  {
    name: 'lost-tail',
    weight: 1.5,
    strike(world, random) {
      const head = world.store.head().position;
      const n = Math.min(head - world.floor, integerBetween(random, 1, 8));
      if (n <= 0) return undefined;
      world.loseTail(n);
      return `lose tail of ${n}, head ${head}`;
    },
  },
];

/** A selection of faults for one run: some kinds absent, so that the others meet undisturbed as well. */
export function drawFaults(random: Random): (world: World) => string | undefined {
  const kinds = FAULTS.filter(() => random.next() < 0.7);
  const total = kinds.reduce((sum, { weight }) => sum + weight, 0);
  return (world) => {
    let lot = random.next() * total;
    for (const fault of kinds) {
      lot -= fault.weight;
      if (lot < 0) return fault.strike(world, random);
    }
    return undefined;
  };
}

/** A fault by its name, for scenarios. */
export function strike(world: World, name: string, random: Random): string | undefined {
  return FAULTS.find((fault) => fault.name === name)?.strike(world, random);
}
