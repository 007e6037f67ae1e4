/** Random changes of everything that agents see, as rows: what operations do, without their rules. */
import { integerBetween } from '../../src/lib/random.ts';
import { AGENT_TYPES, type AgentRow, type Role } from '../../src/resources/agent.ts';
import { SECURITY_OPERATIONS } from './watch-security.ts';
import { hostRow, networkRow, portRow, subnetRow, type WatchWorld } from './watch-world.ts';

export function agentRow(id: string, host: string, role: Role): AgentRow {
  return {
    ...{ id, host, role, description: AGENT_TYPES[role].agent_type, admin_state_up: true },
    ...{ availability_zone: 'nova', configurations: {}, created_at: '', started_at: '', heartbeat_at: '' },
    ...{ server_id: '', incarnation: 1, counter: 0, realised_position: null, realised_tag: null },
    ...{ exceptions: [], exception_count: 0, liveness: 'alive', deaths: 0 },
  };
}

/** Hosts by those names, each with a DHCP agent. */
export async function addHosts(world: WatchWorld, names: readonly string[]): Promise<void> {
  await world.transact(async (tx) => {
    await tx.hosts.insert(names.map((name) => hostRow(name)));
    await tx.agents.insert(names.map((name) => agentRow(world.random.uuid(), name, 'dhcp')));
  });
}

type Operation = (world: WatchWorld) => Promise<unknown>;

const anyHost = (world: WatchWorld) =>
  world.pick(['', ...world.store.rows('hosts').map((row) => row.name)]) ?? '';

const OPERATIONS: readonly Operation[] = [
  (world) =>
    world.transact(async (tx) => {
      const id = world.random.uuid();
      await tx.networks.insert([networkRow(id, integerBetween(world.random, 1, 2 ** 40))]);
      await tx.subnets.insert([subnetRow(world.random.uuid(), id)]);
    }),
  async (world) => {
    const network = world.pick(world.store.rows('networks'));
    if (network)
      await world.transact((tx) => tx.networks.update({ id: network.id }, { name: world.random.uuid() }));
  },
  async (world) => {
    const network = world.pick(world.store.rows('networks'));
    if (!network) return;
    await world.transact(async (tx) => {
      await tx.ports.remove({ network_id: network.id });
      await tx.networks.remove({ id: network.id });
    });
  },
  async (world) => {
    const subnet = world.pick(world.store.rows('subnets'));
    const dns_nameservers = [`192.0.2.${integerBetween(world.random, 1, 200)}`];
    if (subnet) await world.transact((tx) => tx.subnets.update({ id: subnet.id }, { dns_nameservers }));
  },
  async (world) => {
    const network = world.pick(world.store.rows('networks'));
    if (!network) return;
    const count = integerBetween(world.random, 1, 3);
    const rows = Array.from({ length: count }, () =>
      portRow(world.random.uuid(), network.id, { host: anyHost(world) }),
    );
    await world.transact((tx) => tx.ports.insert(rows));
  },
  async (world) => {
    const port = world.pick(world.store.rows('ports'));
    if (!port) return;
    const changes = { host: anyHost(world), generation: port.generation + 1 };
    await world.transact((tx) => tx.ports.update({ id: port.id }, changes));
  },
  async (world) => {
    const port = world.pick(world.store.rows('ports'));
    if (port)
      await world.transact((tx) => tx.ports.update({ id: port.id }, { dns_name: world.random.uuid() }));
  },
  async (world) => {
    const port = world.pick(world.store.rows('ports'));
    if (port) await world.transact((tx) => tx.ports.remove({ id: port.id }));
  },
  async (world) => {
    const network = world.pick(world.store.rows('networks'));
    const agent = world.pick(world.store.rows('agents'));
    if (!network || !agent) return;
    await world.transact(async (tx) => {
      const removed = await tx.dhcpBindings.remove({ network_id: network.id, agent_id: agent.id });
      const row = { network_id: network.id, agent_id: agent.id, host: agent.host };
      const fresh = { ...row, leaving: false, tag: tx.tag, position: null };
      if (removed.length === 0) await tx.dhcpBindings.insert([fresh]);
    });
  },
  async (world) => {
    const host = world.pick(world.store.rows('hosts'));
    const tunnel_ip = `192.0.2.${integerBetween(world.random, 1, 200)}`;
    if (host) await world.transact((tx) => tx.hosts.update({ name: host.name }, { tunnel_ip }));
  },
  ...SECURITY_OPERATIONS,
];

/** One change; creations come more often, so that there is something to change. */
export async function changeAnything(world: WatchWorld): Promise<void> {
  const operation = world.pick([...OPERATIONS, OPERATIONS[0], OPERATIONS[4], OPERATIONS[4], OPERATIONS[8]]);
  await operation?.(world);
}
