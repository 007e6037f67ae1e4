/** What another hand does on a host, and what becomes of clocks and the database. */
import { integerBetween, type Random } from '../../../../src/lib/random.ts';
import type { L3Machine, Picture } from '../machine.ts';
import { pick } from '../../weather.ts';
import { forHowLong, type L3Fault, trouble } from './fault.ts';
import { pickHost } from './wires.ts';

/** Each breaks one thing; undefined: there was nothing to break. */
type Drift = (machine: L3Machine, random: Random, picture: Picture) => string | undefined;

const DRIFTS: readonly Drift[] = [
  ({ host }, random, { routers }) => {
    const held = [...routers].flatMap(([namespace, links]) =>
      [...links.values()].flatMap(({ name: link, addresses }) =>
        link.startsWith('q') ? addresses.map((address) => ({ namespace, link, address })) : [],
      ),
    );
    const one = pick(random, held);
    if (!one) return undefined;
    host.meddle(one.namespace, { op: 'delete-address', link: one.link, address: one.address });
    return `delete ${one.address} from ${one.link}`;
  },
  ({ host }, random, { links }) => {
    const link = pick(
      random,
      [...links.values()].filter(({ kind }) => kind === 'vxlan'),
    );
    if (!link) return undefined;
    host.meddle(null, { op: 'delete-link', name: link.name });
    return `delete ${link.name}`;
  },
  ({ host }, random, { links }) => {
    const link = pick(
      random,
      [...links.values()].filter(({ name }) => name.startsWith('tap')),
    );
    if (!link) return undefined;
    const change = random.next() < 0.5 ? { up: false } : { master: null };
    host.meddle(null, { op: 'set-link', name: link.name, ...change });
    return `set ${link.name} ${JSON.stringify(change)}`;
  },
  ({ host }, random, { flood }) => {
    const entry = pick(random, flood);
    if (!entry) return undefined;
    host.meddleFlood({ op: 'delete', ...entry });
    return `delete flood ${JSON.stringify(entry)}`;
  },
  ({ host }, random, { routers }) => {
    const namespace = pick(random, [...routers.keys()]);
    if (namespace === undefined) return undefined;
    host.meddleTable(namespace, 'inet deuteron_l3');
    return `delete the table of ${namespace}`;
  },
];

export const HOST_FAULTS: readonly L3Fault[] = [
  {
    name: 'drift',
    weight: 3,
    isFelt: true,
    strike(world, random) {
      const machine = world.machine(pickHost(world, random));
      const drift = pick(random, DRIFTS);
      if (machine.isOff || !drift) return undefined;
      const strike = async () => {
        const what = drift(machine, random, await machine.look());
        if (what !== undefined) world.scheduler.note(`${machine.name}: ${what}`);
      };
      world.scheduler.follow(strike());
      return `meddle with ${machine.name}`;
    },
  },
  {
    name: 'clock-jump',
    weight: 1,
    isFelt: false,
    strike(world, random) {
      const host = pickHost(world, random);
      const byMs = integerBetween(random, -7_200_000, 7_200_000);
      world.wallOffsets.set(host, (world.wallOffsets.get(host) ?? 0) + byMs);
      return `the clock of ${host} jumps by ${byMs}`;
    },
  },
  {
    name: 'no-database',
    weight: 2,
    isFelt: false,
    strike(world, random) {
      const server = pick(random, world.servers);
      const forMs = forHowLong(random);
      if (!server) return undefined;
      const name = random.next() < 0.5 ? `no database ${server.name}` : 'no database';
      trouble(world, [name], forMs);
      world.scheduler.after(Math.min(forMs, 15_000), '', () => server.timeOut());
      return `${name} for ${forMs}`;
    },
  },
];
