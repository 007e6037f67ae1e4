/** What check scripts do, on one host or on all. */
import { integerBetween } from '../../../../src/lib/random.ts';
import { happens, pick } from '../../weather.ts';
import { SCRIPT_MODES, type ScriptMode } from '../scripts.ts';
import type { L3World } from '../world.ts';
import { forHowLong, type L3Fault } from './fault.ts';
import { pickHost } from './wires.ts';

/** From now on; the returned function ends it where nothing else has begun since. */
function behave(world: L3World, hosts: readonly string[], mode: ScriptMode): () => void {
  const trouble = { mode };
  for (const host of hosts) world.scripts.set(host, trouble);
  return () => {
    for (const host of hosts) if (world.scripts.get(host) === trouble) world.scripts.delete(host);
  };
}

export const SCRIPT_FAULTS: readonly L3Fault[] = [
  {
    name: 'script-bad',
    weight: 3,
    isFelt: true,
    strike(world, random) {
      const mode = pick(random, SCRIPT_MODES) as ScriptMode;
      const forMs = 2 * forHowLong(random);
      const all = world.machines.map(({ name }) => name);
      const hosts = happens(random, 0.3) ? all : [pickHost(world, random)];
      const end = behave(world, hosts, mode);
      world.scheduler.after(forMs, `over: script ${mode} on ${hosts.join(' ')}`, () => {
        world.watch.disturb();
        end();
      });
      return `the script ${mode} on ${hosts.join(' ')} for ${forMs}`;
    },
  },
  {
    name: 'scripts-waver',
    weight: 1,
    isFelt: true,
    strike(world, random) {
      const mode = pick(random, ['random', 'mostly', 'slow']) as ScriptMode;
      const forMs = integerBetween(random, 15_000, 60_000);
      const all = world.machines.map(({ name }) => name);
      const end = behave(world, all, mode);
      world.scheduler.after(forMs, `over: scripts ${mode}`, () => {
        world.watch.disturb();
        end();
      });
      return `every script answers by chance (${mode}) for ${forMs}`;
    },
  },
];
