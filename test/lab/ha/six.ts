/**
 * IPv6 through the router of these trials, for as long as a row lasts: a network of its own whose machine takes its address and
 * its default route from the router's advertisements, and an outside that has a way there.
 */
import { type Machine, runInMachine } from '../../../src/lab/machine.ts';
import { mustRun } from '../../../src/lab/program.ts';
import { addressOf } from '../stage.ts';
import { type HaGrounds, inside } from './grounds.ts';

const TENANT = 'fd30::/64';
const ROUTER = 'fd30::1';
const BEYOND = { cidr: '2001:db8:ffff::/64', gateway: '2001:db8:ffff::1' };

export interface Six {
  readonly machine: Machine;
  /** Of the machine, by its advertised prefix and its MAC address. */
  readonly address: string;
  /** Of the router, on the external network. */
  readonly gateway: string;
  /** Of the router, on the machine's network. */
  readonly router: string;
}

interface FixedIp {
  readonly subnet_id: string;
  readonly ip_address: string;
}

/** The machine stands on that host. All is removed once `use` has ended, however it did. */
export async function withSix<T>(
  grounds: HaGrounds,
  host: string,
  use: (six: Six) => Promise<T>,
): Promise<T> {
  const undo: (() => Promise<unknown>)[] = [];
  try {
    const gateway = await gatewayWithSix(grounds, undo);
    return await use(await machineWithSix(grounds, { host, gateway, undo }));
  } finally {
    for (const step of undo.reverse()) await step();
    await grounds.stage.settle();
  }
}

type Undo = (() => Promise<unknown>)[];

/** The router gets an address of the outside's new IPv6 subnet beside the one that it has. */
async function gatewayWithSix({ stage, external, routerId }: HaGrounds, undo: Undo): Promise<string> {
  const { lab } = stage;
  const path = `/v2.0/routers/${routerId}`;
  const before = (await lab.api('GET', path)).router.external_gateway_info;
  const fixed = (before.external_fixed_ips as FixedIp[]).map(({ subnet_id, ip_address }) => ({
    subnet_id,
    ip_address,
  }));
  const { subnet } = await lab.api('POST', '/v2.0/subnets', {
    subnet: {
      network_id: external.id,
      ip_version: 6,
      cidr: BEYOND.cidr,
      gateway_ip: BEYOND.gateway,
      enable_dhcp: false,
    },
  });
  undo.push(() => lab.api('DELETE', `/v2.0/subnets/${subnet.id}`));
  undo.push(() => {
    const external_gateway_info = { network_id: external.id, external_fixed_ips: fixed };
    return lab.api('PUT', path, { router: { external_gateway_info } });
  });
  const after = (await lab.api('GET', path)).router.external_gateway_info;
  const own = (after.external_fixed_ips as FixedIp[]).find(({ subnet_id }) => subnet_id === subnet.id);
  if (own === undefined) throw new Error('the router has no address on the IPv6 subnet');
  await lab.runOutside(['ip', '-6', 'route', 'replace', TENANT, 'via', own.ip_address]);
  undo.push(() => lab.runOutside(['ip', '-6', 'route', 'delete', TENANT]));
  return own.ip_address;
}

async function machineWithSix(
  { stage, routerId }: HaGrounds,
  { host, gateway, undo }: { host: string; gateway: string; undo: Undo },
): Promise<Six> {
  const { lab } = stage;
  const network = await stage.network({
    ...{ ip_version: 6, cidr: TENANT },
    ...{ ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' },
  });
  undo.push(() => lab.api('DELETE', `/v2.0/networks/${network.id}`));
  const wanted = { subnet_id: network.subnetId };
  await lab.api('PUT', `/v2.0/routers/${routerId}/add_router_interface`, wanted);
  undo.push(() => lab.api('PUT', `/v2.0/routers/${routerId}/remove_router_interface`, wanted));
  const port = await stage.port(network, host);
  undo.push(() => lab.api('DELETE', `/v2.0/ports/${port.id}`));
  const machine = await stage.machine(network, port, host);
  undo.push(() => stage.remove(machine));
  const six = { machine, address: addressOf(port), gateway, router: ROUTER };
  await stage.until('the machine has its route from the router', async () => {
    const [route] = await defaultRoutes(stage.lab, six);
    return route !== undefined && (await stage.pingsOnce(machine, BEYOND.gateway));
  });
  return six;
}

/** Where the machine's default routes lead, as its kernel has them from advertisements. */
export async function defaultRoutes(lab: HaGrounds['stage']['lab'], { machine }: Six): Promise<string[]> {
  const argv = ['ip', '-6', 'route', 'show', 'default', 'proto', 'ra'];
  const { stdout } = await runInMachine(lab.place, machine, argv);
  return [...stdout.matchAll(/via (\S+)/g)].map(([, router]) => router!);
}

const TABLE = 'ip6 deuteron-heard';

/** What neighbours heard since `listen`. */
export interface HeardSix {
  /** Router advertisements, and those that say farewell (RFC 4861, 6.2.5), at the machine. */
  readonly advertisements: number;
  readonly farewells: number;
  /** Unsolicited neighbour advertisements of the router's link-local address at the machine, and of its global one outside. */
  readonly inside: number;
  readonly outside: number;
}

/** Offsets of RFC 4861, 4.2 (router lifetime) and 4.4 (the S flag). */
const RULES = `
    icmpv6 type nd-router-advert counter name advertisements
    icmpv6 type nd-router-advert @th,48,16 0 counter name farewells
    icmpv6 type nd-neighbor-advert @th,33,1 0 counter name unsolicited`;

/** Counts from now on; gives what reads the counts. */
export async function listenSix(grounds: HaGrounds, { machine }: Six): Promise<() => Promise<HeardSix>> {
  const { lab } = grounds.stage;
  const input = `table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  counter advertisements {}
  counter farewells {}
  counter unsolicited {}
  chain heard {
    type filter hook input priority 0;${RULES}
  }
}
`;
  await mustRun([...inside(grounds.stage, machine), 'sh', '-c', 'cat | nft -f -'], { input });
  await lab.runOutside(['nft', input]);
  const list = ['nft', 'list', 'table', ...TABLE.split(' ')];
  return async () => {
    const here = (await runInMachine(lab.place, machine, list)).stdout;
    const beyond = (await lab.runOutside(list)).stdout;
    const count = (text: string, name: string) =>
      Number(new RegExp(`counter ${name} \\{\\s+packets (\\d+)`).exec(text)?.[1] ?? Number.NaN);
    return {
      advertisements: count(here, 'advertisements'),
      farewells: count(here, 'farewells'),
      inside: count(here, 'unsolicited'),
      outside: count(beyond, 'unsolicited'),
    };
  };
}

/** Names of hosts on which something advertises for the router. */
export async function advertisersOf({ stage, routerId, seats }: HaGrounds): Promise<string[]> {
  const found = await Promise.all(
    seats.map(async ({ host }) => {
      const argv = ['ip', 'netns', 'pids', `qrouter-${routerId}`];
      const { stdout } = await stage.lab.run(host, argv);
      const names = await stage.lab.run(host, [
        'sh',
        '-c',
        'for p in "$@"; do cat "/proc/$p/comm"; done 2> /dev/null; :',
        'sh',
        ...stdout.split('\n').filter((pid) => pid !== ''),
      ]);
      return names.stdout.split('\n').includes('radvd') ? [host] : [];
    }),
  );
  return found.flat();
}
