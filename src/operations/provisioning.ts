/** Provisioning blocks: opened by binding, plugging and admin state; lifted by reports. The last one lifted makes a port ACTIVE. */
import { isLifted, type Progress } from '../convergence/provisioning.ts';
import type { AgentRow } from '../resources/agent.ts';
import type { PortRow, ProvisioningBlockRow } from '../resources/port.ts';
import { ROUTER_HA_OWNER, ROUTER_PORT_OWNERS, type RouterBindingRow } from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { Transaction } from '../store/store.ts';
import { firewallKeysOf } from './firewall-keys.ts';
import type { Call } from './operation.ts';

/** Whether the port's addresses are given out by DHCP: then its ACTIVE waits for that too. */
function waitsForDhcp(port: PortRow, subnets: readonly SubnetRow[]): boolean {
  if (port.device_owner === 'network:dhcp') return false;
  return port.fixed_ips.some((ip) => subnets.some((s) => s.id === ip.subnet_id && s.enable_dhcp));
}

/** Whether a router has it: then its ACTIVE waits for the router's host, not for DHCP. */
const isRouters = ({ device_owner, device_id }: PortRow): boolean =>
  ROUTER_PORT_OWNERS.includes(device_owner) && canonicalUuid(device_id) !== undefined;

/** The blocks of a port as it now is bound; none if it is not bound, or switched off. Their position is that of this transaction. */
export function blocksOf(
  tx: Transaction,
  port: PortRow,
  subnets: readonly SubnetRow[],
): ProvisioningBlockRow[] {
  if (port.vif_type !== 'bridge' || !port.admin_state_up) return [];
  const block = { port_id: port.id, tag: tx.tag, position: null, generation: port.generation };
  const blocks: ProvisioningBlockRow[] = [{ ...block, entity: 'L2' }];
  if (isRouters(port)) return [...blocks, { ...block, entity: 'L3' }];
  if (waitsForDhcp(port, subnets)) blocks.push({ ...block, entity: 'DHCP' });
  return blocks;
}

/** Replaces the blocks of ports whose binding or admin state changed. */
export async function reopenBlocks(tx: Transaction, ports: readonly PortRow[]): Promise<void> {
  if (ports.length === 0) return;
  await tx.provisioningBlocks.remove({ port_id: ports.map((port) => port.id) });
  const ids = new Set(ports.flatMap((port) => port.fixed_ips.map((ip) => ip.subnet_id)));
  const subnets = ids.size > 0 ? await tx.subnets.find({ id: [...ids] }) : [];
  const blocks = ports.flatMap((port) => blocksOf(tx, port, subnets));
  if (blocks.length > 0) await tx.provisioningBlocks.insert(blocks);
}

export const progressOf = (agent: AgentRow): Progress => ({
  host: agent.host,
  realised: agent.realised_position,
  exceptions: agent.exceptions,
});

/**
 * Lifts what is lifted of these ports' blocks, and makes those ACTIVE that have none left. The ports are locked before
 * the agents are read: of two reports that a block waits for, the later one sees both.
 */
export async function liftBlocks(tx: Transaction, call: Call, portIds: readonly string[]): Promise<void> {
  if (portIds.length === 0) return;
  const ports = await tx.ports.lock({ id: portIds });
  if (ports.length === 0) return;
  const blocks = await tx.provisioningBlocks.find({ port_id: ports.map((port) => port.id) });
  const bindings = await tx.dhcpBindings.find({
    network_id: [...new Set(ports.map((port) => port.network_id))],
  });
  const replicas = await replicasOfRouters(tx, ports);
  const hosts = new Set(
    [...ports, ...bindings, ...[...replicas.values()].flat()].map((one: { host: string }) => one.host),
  );
  const agents = await tx.agents.find({ host: [...hosts] });
  const byId = new Map(agents.map((agent) => [agent.id, agent]));
  const l2 = new Map(agents.filter((a) => a.role === 'l2').map((a) => [a.host, progressOf(a)]));
  const portOf = new Map(ports.map((port) => [port.id, port]));
  const bindingsOf = Map.groupBy(bindings, (binding) => binding.network_id);
  const dhcpOf = (networkId: string) =>
    (bindingsOf.get(networkId) ?? []).flatMap((binding) => {
      const agent = byId.get(binding.agent_id);
      if (!agent) return [];
      return [{ ...progressOf(agent), alive: call.isAlive(agent), since: binding.position }];
    });
  const l3Of = (port: PortRow) =>
    (replicas.get(port.device_id) ?? []).flatMap(({ agent_id, host, position }) => {
      const agent = byId.get(agent_id);
      if (!agent || (port.device_owner === ROUTER_HA_OWNER && host !== port.host)) return [];
      return [{ ...progressOf(agent), alive: call.isAlive(agent), since: position }];
    });
  const firewallOf = await firewallKeysOf(tx, ports);
  const left = new Map(ports.map((port) => [port.id, 0]));
  const lifted: ProvisioningBlockRow[] = [];
  const stayed: ProvisioningBlockRow[] = [];
  for (const block of blocks) {
    const port = portOf.get(block.port_id)!;
    const facts = {
      networkId: port.network_id,
      portId: port.id,
      generation: port.generation,
      boundHost: port.host,
      l2,
      dhcp: dhcpOf(port.network_id),
      firewall: firewallOf(port.id),
      ...(isRouters(port) ? { l3: l3Of(port), routerId: port.device_id } : {}),
    };
    (isLifted(block, facts) ? lifted : stayed).push(block);
  }
  const needless = await needlessBlocks(tx, stayed, portOf);
  lifted.push(...needless);
  for (const block of stayed) {
    if (!needless.has(block)) left.set(block.port_id, (left.get(block.port_id) ?? 0) + 1);
  }
  for (const [entity, group] of Map.groupBy(lifted, (block) => block.entity)) {
    await tx.provisioningBlocks.remove({ entity, port_id: group.map((block) => block.port_id) });
  }
  const had = new Set(lifted.map((block) => block.port_id));
  const active = ports.filter((p) => had.has(p.id) && left.get(p.id) === 0 && p.admin_state_up);
  if (active.length > 0) await tx.ports.update({ id: active.map((p) => p.id) }, { status: 'ACTIVE' });
}

/** The replicas of the routers that have these ports, by router. */
async function replicasOfRouters(
  tx: Transaction,
  ports: readonly PortRow[],
): Promise<Map<string, RouterBindingRow[]>> {
  const ids = [...new Set(ports.filter(isRouters).map((port) => port.device_id))];
  if (ids.length === 0) return new Map();
  return Map.groupBy(await tx.routerBindings.find({ router_id: ids }), (binding) => binding.router_id);
}

/** Those that wait for DHCP although the port's subnets have it no more: nobody will ever lift them. */
async function needlessBlocks(
  tx: Transaction,
  blocks: readonly ProvisioningBlockRow[],
  portOf: ReadonlyMap<string, PortRow>,
): Promise<Set<ProvisioningBlockRow>> {
  const waiting = blocks.filter((block) => block.entity === 'DHCP');
  if (waiting.length === 0) return new Set();
  const network_id = [...new Set(waiting.flatMap(({ port_id }) => portOf.get(port_id)?.network_id ?? []))];
  const subnets = await tx.subnets.find({ network_id, enable_dhcp: true });
  return new Set(waiting.filter(({ port_id }) => !waitsForDhcp(portOf.get(port_id)!, subnets)));
}

/** Looks at every open block again: for what no report brings up, as the death of a DHCP host that was waited for. */
export async function liftAllBlocks(tx: Transaction, call: Call): Promise<void> {
  const blocks = await tx.provisioningBlocks.find({});
  await liftBlocks(tx, call, [...new Set(blocks.map((block) => block.port_id))]);
}
