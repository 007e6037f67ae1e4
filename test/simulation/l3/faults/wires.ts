/** What happens to the wires between hosts. */
import type { Random } from '../../../../src/lib/random.ts';
import { happens, pick } from '../../weather.ts';
import { cutName, darkName, peersName, sideName, switchName, WIRES, type Wire } from '../underlay.ts';
import type { L3World } from '../world.ts';
import { forHowLong, type L3Fault, trouble } from './fault.ts';

/** Who has a router now is hit more often: that is where it hurts. */
export function pickHost(world: L3World, random: Random): string {
  const held = world.watch.holderNames();
  const hosts = world.machines.map(({ name }) => name);
  return (happens(random, 0.6) ? pick(random, held) : undefined) ?? (pick(random, hosts) as string);
}

const wireOf = (random: Random): Wire => pick(random, WIRES) as Wire;

export const WIRE_FAULTS: readonly L3Fault[] = [
  {
    name: 'wire-cut',
    weight: 5,
    isFelt: true,
    strike(world, random) {
      const [host, wire, forMs] = [pickHost(world, random), wireOf(random), forHowLong(random)];
      trouble(world, [cutName(wire, host, 'out'), cutName(wire, host, 'in')], forMs);
      return `cut the ${wire} of ${host} for ${forMs}`;
    },
  },
  {
    name: 'wire-one-way',
    weight: 3,
    isFelt: true,
    strike(world, random) {
      const [host, wire, forMs] = [pickHost(world, random), wireOf(random), forHowLong(random)];
      const end = random.next() < 0.5 ? 'in' : 'out';
      trouble(world, [cutName(wire, host, end)], forMs);
      return `cut the ${wire} of ${host} ${end} for ${forMs}`;
    },
  },
  {
    name: 'wire-dark',
    weight: 3,
    isFelt: true,
    strike(world, random) {
      const [host, wire, forMs] = [pickHost(world, random), wireOf(random), forHowLong(random)];
      trouble(world, [darkName(wire, host)], forMs, () => {
        world.machine(host).setCarrier(wire, !world.underlay.isDark(wire, host));
      });
      world.machine(host).setCarrier(wire, false);
      return `no carrier on the ${wire} of ${host} for ${forMs}`;
    },
  },
  {
    name: 'wires-all',
    weight: 2,
    isFelt: true,
    strike(world, random) {
      const [host, forMs] = [pickHost(world, random), forHowLong(random)];
      const wires: readonly Wire[] = random.next() < 0.5 ? WIRES : ['tunnel', 'management'];
      trouble(
        world,
        wires.flatMap((wire) => [cutName(wire, host, 'out'), cutName(wire, host, 'in')]),
        forMs,
      );
      return `cut ${wires.join(' and ')} of ${host} for ${forMs}`;
    },
  },
  {
    name: 'tunnel-and-management',
    weight: 2,
    isFelt: true,
    strike(world, random) {
      const [host, forMs] = [pickHost(world, random), forHowLong(random)];
      trouble(
        world,
        (['tunnel', 'management'] as const).flatMap((wire) => [
          cutName(wire, host, 'out'),
          cutName(wire, host, 'in'),
        ]),
        forMs,
      );
      return `cut tunnel and management of ${host} for ${forMs}, the external is alive`;
    },
  },
  {
    name: 'peers-cut',
    weight: 2,
    isFelt: true,
    strike(world, random) {
      const [host, forMs] = [pickHost(world, random), forHowLong(random)];
      trouble(
        world,
        (['tunnel', 'management'] as const).map((wire) => peersName(wire, host)),
        forMs,
      );
      return `${host} and the others do not reach each other for ${forMs}, servers they do`;
    },
  },
  {
    name: 'switch-down',
    weight: 2,
    isFelt: true,
    strike(world, random) {
      const forMs = forHowLong(random);
      const wires: readonly Wire[] = random.next() < 0.5 ? ['tunnel', 'management'] : [wireOf(random)];
      trouble(world, wires.map(switchName), forMs);
      return `the switch of ${wires.join(' and ')} is down for ${forMs}`;
    },
  },
  {
    name: 'wire-partition',
    weight: 2,
    isFelt: true,
    strike(world, random) {
      const [wire, forMs] = [wireOf(random), forHowLong(random)];
      const here = wire === 'management' ? [...world.machines, ...world.servers] : world.machines;
      const left = here.map(({ name }) => name).filter(() => random.next() < 0.5);
      trouble(
        world,
        left.map((name) => sideName(wire, name)),
        forMs,
      );
      return `the ${wire} is parted for ${forMs}: ${left.join(' ')} and the others`;
    },
  },
];
