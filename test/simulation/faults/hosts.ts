/** What happens to hosts: another hand breaks things, they restart, their disks fill or crawl, they burn down. */
import { pick } from '../weather.ts';
import { type Fault, lastingMs, longMs, trouble } from './fault.ts';

export const HOST_FAULTS: readonly Fault[] = [
  {
    name: 'drift',
    weight: 3,
    strike(world, random) {
      const machine = pick(random, world.livingMachines());
      if (!machine) return undefined;
      world.scheduler.follow(
        machine.meddle(random).then((what) => what && world.scheduler.note(`${machine.name}: ${what}`)),
      );
      return { what: `meddle with ${machine.name}`, on: machine.name };
    },
  },
  {
    name: 'reboot',
    weight: 1,
    strike(world, random) {
      const machine = pick(random, world.livingMachines());
      const backMs = lastingMs(random);
      const agent = machine && world.agent(machine.name);
      if (!machine || !agent?.life?.alive) return undefined;
      agent.kill();
      world.scheduler.follow(machine.reboot());
      world.scheduler.after(backMs, `start ${agent.name}`, () => agent.start());
      return { what: `reboot ${agent.name} for ${backMs}`, on: machine.name };
    },
  },
  {
    name: 'slow-disk',
    weight: 1,
    strike(world, random) {
      const machine = pick(random, world.machines);
      const forMs = longMs(random);
      if (!machine) return undefined;
      trouble(world, [`slow disk ${machine.name}`], forMs);
      return { what: `slow disk of ${machine.name} for ${forMs}`, on: machine.name };
    },
  },
  {
    name: 'full-disk',
    weight: 1,
    strike(world, random) {
      const machine = pick(random, world.machines);
      const forMs = longMs(random);
      if (!machine) return undefined;
      trouble(world, [`full disk ${machine.name}`], forMs);
      return { what: `full disk of ${machine.name} for ${forMs}`, on: machine.name };
    },
  },
  {
    name: 'host-death',
    weight: 0.5,
    strike(world, random) {
      const living = world.livingMachines();
      const machine = pick(random, living);
      // a third at once is another story: then nothing is moved
      const isOneTooMany = 4 * (world.machines.length - living.length + 1) > world.machines.length;
      if (!machine || isOneTooMany) return undefined;
      world.agent(machine.name)?.kill();
      machine.die();
      return { what: `${machine.name} dies for good`, on: machine.name };
    },
  },
];
