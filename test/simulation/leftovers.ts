/** What must not be left once all is calm: moves that never end, ports of no agent, blocks of ports that are up; networks that too few serve. */
import type { DhcpBindingRow } from '../../src/resources/agent.ts';
import type { NetworkRow } from '../../src/resources/network.ts';
import type { World } from './world.ts';

const WANTED = 2;
const DHCP_OWNER = 'network:dhcp';

/** Hosts whose DHCP agent lives and is switched on; one that is held down keeps what it serves and gets nothing new. */
function hostsAtWork(world: World, may: 'serve' | 'get more'): Set<string> {
  const living = new Set(world.livingMachines().map((machine) => machine.name));
  const fit = world.store
    .rows('agents')
    .filter(
      ({ role, host, admin_state_up, liveness }) =>
        role === 'dhcp' &&
        admin_state_up &&
        (liveness === 'alive' || (liveness === 'held' && may === 'serve')) &&
        living.has(host),
    );
  return new Set(fit.map(({ host }) => host));
}

/** Those of them that the network reaches, so that they may be given it. */
function eligibleHosts(world: World, network: NetworkRow): Set<string> {
  const hosts = hostsAtWork(world, 'get more');
  if (network.network_type === 'vxlan') return hosts;
  const reached = world.machines.filter((one) =>
    one.physicalNetworks.includes(network.physical_network ?? ''),
  );
  return new Set(reached.map(({ name }) => name).filter((name) => hosts.has(name)));
}

/** The first thing that is left, undefined for none. */
export function leftoverDifference(world: World): string | undefined {
  const { store } = world;
  const bindings = Map.groupBy(store.rows('dhcpBindings'), (binding) => binding.network_id);
  for (const network of store.rows('networks')) {
    const found = ofNetwork(world, network, bindings.get(network.id) ?? []);
    if (found !== undefined) return found;
  }
  const ports = new Map(store.rows('ports').map((port) => [port.id, port]));
  for (const { port_id, entity } of store.rows('provisioningBlocks')) {
    if (ports.get(port_id)?.status === 'ACTIVE')
      return `port ${port_id} is ACTIVE, its ${entity} block is left`;
  }
  return undefined;
}

function ofNetwork(
  world: World,
  network: NetworkRow,
  bindings: readonly DhcpBindingRow[],
): string | undefined {
  const { store } = world;
  const hasDhcp = store.rows('subnets').some((one) => one.network_id === network.id && one.enable_dhcp);
  const eligible = eligibleHosts(world, network);
  const staying = bindings.filter((binding) => !binding.leaving);
  const leaving = bindings.find((binding) => binding.leaving);
  if (hasDhcp && leaving && eligible.size > 0) return `${leaving.host} is still leaving ${network.id}`;
  // a user may have given it to one that it does not reach: that counts as one of those it wants
  const atWork = hostsAtWork(world, 'serve');
  const serving = staying.filter(({ host }) => atWork.has(host)).length;
  const wanted = Math.min(WANTED, eligible.size);
  if (hasDhcp && serving < wanted) return `network ${network.id} has ${serving} DHCP agents, not ${wanted}`;
  const ports = store
    .rows('ports')
    .filter((port) => port.network_id === network.id && port.device_owner === DHCP_OWNER);
  const has = ports.map((port) => port.host).sort();
  const expected = hasDhcp ? bindings.map((binding) => binding.host).sort() : [];
  if (has.join(' ') !== expected.join(' ')) {
    return `network ${network.id} has DHCP ports on "${has.join(' ')}", not "${expected.join(' ')}"`;
  }
  return undefined;
}
