/** A memory store, a call and a few rows for the tests of this room. */
import type { Clock } from '../lib/clock.ts';
import { seededRandom } from '../lib/random.ts';
import type { AgentRow, Role } from '../resources/agent.ts';
import { type Fault, FAULT_STATUS, type FaultType } from '../resources/errors.ts';
import type { SecurityGroupRow } from '../resources/security-group.ts';
import { openMemoryStore } from '../store/memory/memory-store.ts';
import { RunAgain, type Transaction, UniqueViolation } from '../store/store.ts';
import { createNetwork } from './network.ts';
import type { Call, Settings } from './operation.ts';
import { createSubnet, type SubnetCreate } from './subnet.ts';

const WALL_START = Date.UTC(2026, 0, 31, 12);

export const SETTINGS: Settings = {
  vniRange: [1000, 1999],
  flatNetworks: ['physnet1'],
  vlanNetworks: [],
  underlayMtu: 1500,
  macPrefix: 'fa:16:3e',
  dhcpAgentsPerNetwork: 2,
  dnsDomain: 'openstacklocal.',
  quotas: { network: -1, subnet: -1, port: -1 },
  maxDnsNameservers: 5,
  maxHostRoutes: 20,
  maxFixedIpsPerPort: 5,
  agentDownTimeMs: 10_000,
};

const DEMO_GROUP: SecurityGroupRow = {
  ...{ id: 'd0000000-0000-4000-8000-000000000000', project_id: 'demo', default_of: 'demo', name: 'default' },
  ...{ stateful: true, shared: false, description: '', tags: [] },
  ...{ revision_number: 1, created_at: '', updated_at: '' },
};

async function insertDemoGroup(tx: Transaction): Promise<void> {
  if ((await tx.securityGroups.count({ default_of: DEMO_GROUP.default_of })) > 0) return;
  try {
    await tx.securityGroups.insert([DEMO_GROUP]);
  } catch (error) {
    throw error instanceof UniqueViolation ? new RunAgain() : error;
  }
}

/** A bench on which operations run: nothing passes but by hand. */
export function bench(settings: Partial<Settings> = {}) {
  const random = seededRandom(7);
  let now = 0;
  const clock: Clock = {
    now: () => now,
    wall: () => new Date(WALL_START + now),
    after: () => () => undefined,
  };
  const store = openMemoryStore({ clock, random });
  const dead = new Set<string>();
  const call: Call = {
    caller: { projectId: 'demo', userId: 'someone', isAdmin: true },
    clock,
    random,
    settings: { ...SETTINGS, ...settings },
    isAlive: (agent) => agent.server_id !== '' && !dead.has(agent.id),
    isEligible: (agent) => agent.server_id !== '' && agent.liveness === 'alive' && !dead.has(agent.id),
  };
  const as = (projectId: string): Call => ({
    ...call,
    caller: { projectId, userId: projectId, isAdmin: false },
  });
  const run = async <Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> =>
    (await store.transact(work)).result;
  /** Runs `second` beside `first`, which has done its work and not committed: whatever they share, `second` comes second. */
  const beside = async <Result>(
    first: (tx: Transaction) => Promise<unknown>,
    second: (tx: Transaction) => Promise<Result>,
  ): Promise<Result> => {
    let begun: Promise<Result>[] = [];
    await run(async (tx) => {
      await first(tx);
      const other = run(second);
      other.catch(() => undefined); // it is awaited below
      begun = [...begun, other];
      // In memory all goes on by itself, up to where it waits for a lock.
      await new Promise((resolve) => setImmediate(resolve));
    });
    const [only, again] = await Promise.all(begun);
    if (begun.length !== 1) throw new Error(`the first ran again beside the second: ${again}`);
    return only as Result;
  };

  /** A host with one agent of each role, connected (an L3 agent only if asked for); its agents by role. */
  const host = async (
    name: string,
    physical_networks: string[] = [],
    roles: readonly Role[] = ['l2', 'dhcp'],
  ): Promise<Record<Role, AgentRow>> => {
    const agent = (role: Role): AgentRow => ({
      id: random.uuid(),
      host: name,
      role,
      description: '',
      admin_state_up: true,
      availability_zone: 'nova',
      configurations: {},
      created_at: '',
      started_at: '',
      heartbeat_at: '',
      server_id: 'server',
      incarnation: 1,
      counter: 0,
      realised_position: null,
      realised_tag: null,
      exceptions: [],
      exception_count: 0,
      liveness: 'alive',
      deaths: 0,
    });
    const agents = { l2: agent('l2'), dhcp: agent('dhcp'), l3: agent('l3') };
    await run(async (tx) => {
      await tx.hosts.insert([
        {
          name,
          credential_hash: null,
          tunnel_ip: '192.0.2.1',
          management_ip: '',
          physical_networks,
          created_at: '',
        },
      ]);
      await tx.agents.insert(roles.map((role) => agents[role]));
    });
    return agents;
  };
  const network = async (asked: Parameters<typeof createNetwork>[2][number] = {}) =>
    (
      await run(async (tx) => {
        // made here, it takes nothing from the chances of what a test is about
        await insertDemoGroup(tx);
        return createNetwork(tx, call, [asked]);
      })
    )[0]!;
  const subnet = async (network_id: string, cidr: string, asked: SubnetCreate = {}) =>
    (await run((tx) => createSubnet(tx, call, [{ network_id, cidr, ...asked }])))[0]!;

  return {
    store,
    call,
    as,
    run,
    beside,
    host,
    network,
    subnet,
    kill: (agent: AgentRow) => dead.add(agent.id),
    revive: (agent: AgentRow) => dead.delete(agent.id),
    pass: (ms: number) => {
      now += ms;
    },
  };
}

export type Bench = ReturnType<typeof bench>;

/** For `assert.rejects`: a Fault of this type whose message has this text. */
export function fault(type: FaultType, text = ''): (error: unknown) => boolean {
  return (error) => {
    const found = error as Fault;
    if (found.name !== 'Fault' || found.type !== type || !found.message.includes(text)) throw error;
    return found.type in FAULT_STATUS;
  };
}
