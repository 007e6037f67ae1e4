/** What happens to processes: agents, servers, keepalived, and to whole hosts. */
import type { Incarnation } from '../../incarnation.ts';
import { pick } from '../../weather.ts';
import type { L3World } from '../world.ts';
import { forHowLong, type L3Fault } from './fault.ts';
import { pickHost } from './wires.ts';

function freeze(world: L3World, life: Incarnation, forMs: number): void {
  life.freeze();
  world.scheduler.after(forMs, `${life.name} goes on`, () => life.thaw());
}

export const PROCESS_FAULTS: readonly L3Fault[] = [
  {
    name: 'host-off',
    weight: 4,
    isFelt: true,
    strike(world, random) {
      const machine = world.machine(pickHost(world, random));
      const forMs = forHowLong(random);
      if (machine.isOff) return undefined;
      const agent = world.agent(machine.name);
      agent.kill();
      world.scheduler.follow(machine.powerOff());
      world.scheduler.after(forMs, `${machine.name} comes up`, () => {
        world.watch.disturb();
        machine.powerOn();
        world.scheduler.after(800, `start ${agent.name}`, () => agent.start());
      });
      return `${machine.name} loses its power for ${forMs}`;
    },
  },
  {
    name: 'keepalived-killed',
    weight: 4,
    isFelt: true,
    strike(world, random) {
      const machine = world.machine(pickHost(world, random));
      const one = pick(random, machine.keepaliveds());
      if (machine.isOff || !one) return undefined;
      one.crash();
      return `kill keepalived of ${one.namespace} on ${machine.name}`;
    },
  },
  {
    name: 'guard-killed',
    weight: 1,
    isFelt: true,
    strike(world, random) {
      const machine = world.machine(pickHost(world, random));
      const name = pick(random, machine.keepalivedNames());
      if (machine.isOff || name === undefined) return undefined;
      machine.host.endProcess(name);
      return `kill ${name} and what guards it on ${machine.name}`;
    },
  },
  {
    name: 'keepalived-hangs',
    weight: 2,
    isFelt: true,
    strike(world, random) {
      const machine = world.machine(pickHost(world, random));
      const one = pick(random, machine.keepaliveds());
      const forMs = forHowLong(random);
      if (machine.isOff || !one) return undefined;
      machine.hang(one);
      world.scheduler.after(forMs, `${one.namespace} on ${machine.name} goes on`, () => {
        world.watch.disturb();
        machine.resume(one);
      });
      return `keepalived of ${one.namespace} on ${machine.name} stands still for ${forMs}`;
    },
  },
  {
    name: 'agent-crash',
    weight: 4,
    isFelt: false,
    strike(world, random) {
      const agent = world.agent(pickHost(world, random));
      const forMs = forHowLong(random);
      if (!agent.life?.alive) return undefined;
      agent.kill();
      world.scheduler.after(forMs, `start ${agent.name}`, () => agent.start());
      return `kill ${agent.name} for ${forMs}`;
    },
  },
  {
    name: 'agent-pause',
    weight: 3,
    isFelt: false,
    strike(world, random) {
      const { life } = world.agent(pickHost(world, random));
      const forMs = forHowLong(random);
      if (!life?.alive || life.isFrozen) return undefined;
      freeze(world, life, forMs);
      return `pause ${life.name} for ${forMs}`;
    },
  },
  {
    name: 'server-crash',
    weight: 3,
    isFelt: false,
    strike(world, random) {
      const server = pick(random, world.servers);
      const forMs = forHowLong(random);
      if (!server?.life?.alive) return undefined;
      server.kill(random.next() < 0.5);
      world.scheduler.after(forMs, `start ${server.name}`, () => server.start());
      return `kill ${server.name} for ${forMs}`;
    },
  },
  {
    name: 'server-pause',
    weight: 2,
    isFelt: false,
    strike(world, random) {
      const server = pick(random, world.servers);
      const forMs = forHowLong(random);
      const life = server?.life;
      if (!life?.alive || life.isFrozen) return undefined;
      freeze(world, life, forMs);
      world.scheduler.after(15_000, '', () => life.isFrozen && server?.timeOut());
      return `pause ${life.name} for ${forMs}`;
    },
  },
  {
    name: 'all-attendants',
    weight: 2,
    isFelt: false,
    strike(world, random) {
      const forMs = forHowLong(random);
      const all = [...world.servers, ...world.agents];
      for (const server of world.servers) server.kill(true);
      for (const agent of world.agents) agent.kill();
      world.scheduler.after(forMs, 'everybody starts', () => {
        for (const one of all) one.start();
      });
      return `kill every server and agent for ${forMs}`;
    },
  },
];
