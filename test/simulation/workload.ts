/**
 * What users do: requests drawn from the seed, against whatever rows there are. Some are refused (a deleted network, a taken
 * address, a subnet in use): that is ordinary.
 */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import { deleteAgent, updateAgent } from '../../src/operations/agent.ts';
import { addNetworkToDhcpAgent, removeNetworkFromDhcpAgent } from '../../src/operations/dhcp-bindings.ts';
import { createNetwork, deleteNetwork, updateNetwork } from '../../src/operations/network.ts';
import type { Call } from '../../src/operations/operation.ts';
import { createPort, deletePort, updatePort } from '../../src/operations/port.ts';
import { updateQuota } from '../../src/operations/quota.ts';
import { createSubnet, deleteSubnet, updateSubnet } from '../../src/operations/subnet.ts';
import type { ExtraDhcpOpt } from '../../src/resources/port.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import type { Transaction } from '../../src/store/store.ts';
import { SECURITY_ACTIONS } from './security-workload.ts';
import { pick } from './weather.ts';

/** One request: a name for the trace, and what a server does for it. */
export interface Request {
  readonly label: string;
  readonly work: (tx: Transaction, call: Call) => Promise<unknown>;
}

export interface WorkloadOptions {
  readonly random: Random;
  readonly store: MemoryStore;
  readonly hosts: readonly string[];
  readonly maxNetworks: number;
  readonly maxPorts: number;
}

export type Action = (options: WorkloadOptions) => Request | undefined;

const short = (id: string) => id.slice(0, 8);

const ownPorts = (store: MemoryStore) =>
  store.rows('ports').filter((port) => !port.device_owner.startsWith('network:'));

const addNetwork: Action = ({ random, store, maxNetworks }) => {
  if (store.rows('networks').length >= maxNetworks) return undefined;
  const id = random.uuid();
  const third = integerBetween(random, 0, 200);
  const enableDhcp = random.next() < 0.85;
  const flat = random.next() < 0.12 ? { network_type: 'flat' as const, physical_network: 'physnet1' } : {};
  return {
    label: `create network ${short(id)}`,
    work: async (tx, call) => {
      await createNetwork(tx, call, [{ id, name: `n${third}`, ...flat }]);
      const subnet = { network_id: id, ip_version: 4 as const, cidr: `10.0.${third}.0/26` };
      await createSubnet(tx, call, [{ ...subnet, enable_dhcp: enableDhcp }]);
    },
  };
};

const agentsOf = (store: MemoryStore, role: string) =>
  store.rows('agents').filter((agent) => agent.role === role);

/** Drains an agent, or gives it work again. */
const switchAgent: Action = ({ random, store }) => {
  const agent = pick(random, agentsOf(store, 'dhcp'));
  if (!agent) return undefined;
  const changes = { admin_state_up: !agent.admin_state_up };
  return {
    label: `update agent of ${agent.host} ${JSON.stringify(changes)}`,
    work: (tx, call) => updateAgent(tx, call, { id: agent.id, changes }),
  };
};

const dropAgent: Action = ({ random, store }) => {
  const agent = pick(random, agentsOf(store, random.next() < 0.7 ? 'dhcp' : 'l2'));
  if (!agent) return undefined;
  return {
    label: `delete agent ${agent.role} of ${agent.host}`,
    work: (tx, call) => deleteAgent(tx, call, { id: agent.id }),
  };
};

const scheduleNetwork: Action = ({ random, store }) => {
  const network = pick(random, store.rows('networks'));
  const agent = pick(random, agentsOf(store, 'dhcp'));
  if (!network || !agent) return undefined;
  return {
    label: `give network ${short(network.id)} to ${agent.host}`,
    work: (tx, call) => addNetworkToDhcpAgent(tx, call, { agentId: agent.id, networkId: network.id }),
  };
};

const unscheduleNetwork: Action = ({ random, store }) => {
  const binding = pick(random, store.rows('dhcpBindings'));
  if (!binding) return undefined;
  const { agent_id: agentId, network_id: networkId } = binding;
  return {
    label: `take network ${short(networkId)} from ${binding.host}`,
    work: (tx, call) => removeNetworkFromDhcpAgent(tx, call, { agentId, networkId }),
  };
};

const limitPorts: Action = ({ random }) => {
  const limit = random.next() < 0.5 ? -1 : integerBetween(random, 0, 20);
  return {
    label: `limit ports to ${limit}`,
    work: (tx, call) => updateQuota(tx, call, { projectId: 'demo', limits: { port: limit } }),
  };
};

const addSubnet: Action = ({ random, store }) => {
  const network = pick(random, store.rows('networks'));
  if (!network) return undefined;
  const six = random.next() < 0.4;
  const asked = six
    ? {
        ip_version: 6 as const,
        cidr: `fd00:${integerBetween(random, 1, 9)}::/64`,
        ipv6_address_mode: 'dhcpv6-stateful' as const,
        ipv6_ra_mode: 'dhcpv6-stateful' as const,
      }
    : { ip_version: 4 as const, cidr: `10.1.${integerBetween(random, 0, 9)}.0/26` };
  return {
    label: `create subnet ${asked.cidr} on ${short(network.id)}`,
    work: (tx, call) => createSubnet(tx, call, [{ network_id: network.id, ...asked }]),
  };
};

const addPorts: Action = ({ random, store, hosts, maxPorts }) => {
  const network = pick(random, store.rows('networks'));
  if (!network || ownPorts(store).length >= maxPorts) return undefined;
  const asked = Array.from({ length: random.next() < 0.2 ? 3 : 1 }, () => ({
    network_id: network.id,
    id: random.uuid(),
    host: random.next() < 0.8 ? (pick(random, hosts) as string) : '',
    device_owner: 'compute:nova',
    extra_dhcp_opts: random.next() < 0.15 ? [option(random)] : [],
  }));
  return {
    label: `create ports ${asked.map((port) => `${short(port.id)}@${port.host}`).join(' ')}`,
    work: (tx, call) => createPort(tx, call, asked),
  };
};

function option(random: Random): ExtraDhcpOpt {
  return { opt_name: 'mtu', opt_value: String(integerBetween(random, 1200, 1500)), ip_version: 4 };
}

const changeNetwork: Action = ({ random, store }) => {
  const network = pick(random, store.rows('networks'));
  if (!network) return undefined;
  const changes =
    pick(random, [
      { name: `renamed${integerBetween(random, 1, 99)}` },
      { admin_state_up: !network.admin_state_up },
      { mtu: integerBetween(random, 1280, 1450) },
      { dns_domain: `d${integerBetween(random, 1, 9)}.example.` },
    ]) ?? {};
  return {
    label: `update network ${short(network.id)} ${JSON.stringify(changes)}`,
    work: (tx, call) => updateNetwork(tx, call, { id: network.id, changes }),
  };
};

const changeSubnet: Action = ({ random, store }) => {
  const subnet = pick(random, store.rows('subnets'));
  if (!subnet) return undefined;
  const server = subnet.ip_version === 4 ? `192.0.2.${integerBetween(random, 1, 9)}` : '2001:db8::53';
  const changes = pick(random, [{ enable_dhcp: !subnet.enable_dhcp }, { dns_nameservers: [server] }]) ?? {};
  return {
    label: `update subnet ${short(subnet.id)} ${JSON.stringify(changes)}`,
    work: (tx, call) => updateSubnet(tx, call, { id: subnet.id, changes }),
  };
};

const changePort: Action = ({ random, store, hosts }) => {
  const port = pick(random, ownPorts(store));
  if (!port) return undefined;
  const subnets = store.rows('subnets').filter((subnet) => subnet.network_id === port.network_id);
  const subnet = pick(random, subnets);
  const changes =
    pick(random, [
      { host: pick(random, hosts) as string },
      { host: pick(random, hosts) as string },
      { host: '' },
      { admin_state_up: !port.admin_state_up },
      { extra_dhcp_opts: random.next() < 0.5 ? [option(random)] : [] },
      { dns_name: `vm${integerBetween(random, 1, 99)}` },
      ...(subnet ? [{ fixed_ips: [{ subnet_id: subnet.id }] }] : []),
      { mac_address: `fa:16:3e:00:00:${integerBetween(random, 16, 99)}` },
    ]) ?? {};
  return {
    label: `update port ${short(port.id)} ${JSON.stringify(changes)}`,
    work: (tx, call) => updatePort(tx, call, { id: port.id, changes }),
  };
};

const dropPort: Action = ({ random, store }) => {
  const port = pick(random, ownPorts(store));
  if (!port) return undefined;
  return {
    label: `delete port ${short(port.id)}`,
    work: (tx, call) => deletePort(tx, call, { id: port.id }),
  };
};

const dropSubnet: Action = ({ random, store }) => {
  const subnet = pick(random, store.rows('subnets'));
  if (!subnet) return undefined;
  return {
    label: `delete subnet ${short(subnet.id)}`,
    work: (tx, call) => deleteSubnet(tx, call, { id: subnet.id }),
  };
};

const dropNetwork: Action = ({ random, store }) => {
  const network = pick(random, store.rows('networks'));
  if (!network) return undefined;
  const ports = ownPorts(store).filter((port) => port.network_id === network.id);
  return {
    label: `delete network ${short(network.id)} with ${ports.length} ports`,
    work: async (tx, call) => {
      for (const { id } of ports) await deletePort(tx, call, { id });
      await deleteNetwork(tx, call, { id: network.id });
    },
  };
};

/** Every kind of request, with how often it is made beside the others. */
export const ACTIONS: Readonly<Record<string, { readonly weight: number; readonly action: Action }>> = {
  'add-network': { weight: 10, action: addNetwork },
  'add-subnet': { weight: 4, action: addSubnet },
  'add-ports': { weight: 30, action: addPorts },
  'change-network': { weight: 5, action: changeNetwork },
  'change-subnet': { weight: 5, action: changeSubnet },
  'change-port': { weight: 22, action: changePort },
  'drop-port': { weight: 12, action: dropPort },
  'drop-subnet': { weight: 2, action: dropSubnet },
  'drop-network': { weight: 3, action: dropNetwork },
  'switch-agent': { weight: 3, action: switchAgent },
  'drop-agent': { weight: 1, action: dropAgent },
  'schedule-network': { weight: 3, action: scheduleNetwork },
  'unschedule-network': { weight: 1, action: unscheduleNetwork },
  'limit-ports': { weight: 1, action: limitPorts },
  ...SECURITY_ACTIONS,
};
