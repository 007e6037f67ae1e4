/**
 * "Get me a network" (Neutron's extension auto-allocated-topology): a network with a subnet of each default subnet pool, behind a
 * router that goes out by the default external network. All of it in one transaction: no half of one is ever seen.
 */
import { Fault } from '../resources/errors.ts';
import type { AutoAllocatedTopologyRow, NetworkRow } from '../resources/network.ts';
import type { SubnetPoolRow } from '../resources/subnet-pool.ts';
import { RunAgain, type Tables, type Transaction, UniqueViolation } from '../store/store.ts';
import { forbidden } from './faults.ts';
import { createNetwork, deleteNetwork } from './network.ts';
import type { Call } from './operation.ts';
import { seesRow } from './plain.ts';
import { createRouter, deleteRouter } from './router.ts';
import { addRouterInterface, removeRouterInterface } from './router-interface.ts';
import { createSubnet } from './subnet.ts';
import { subnetPools } from './subnet-pool.ts';

const failure = (reason: string): Fault => new Fault('AutoAllocationFailure', `Deployment error: ${reason}.`);

/** Whose topology is meant; members may mean their own only. */
function checkProject({ caller }: Call, projectId: string, rule: string): void {
  if (!caller.isAdmin && projectId !== caller.projectId) throw forbidden(rule);
}

async function requirements(
  tables: Tables,
  call: Call,
): Promise<{ external: NetworkRow; pools: SubnetPoolRow[] }> {
  const [external] = await tables.networks.find({ is_default: true, external: true });
  if (!external) throw failure('No default router:external network');
  const pools: SubnetPoolRow[] = [];
  for (const pool of await tables.subnetPools.find({ is_default: true }))
    if (await seesRow(tables, { it: subnetPools, call }, pool)) pools.push(pool);
  if (pools.length === 0) throw failure('No default subnetpools defined');
  return { external, pools: pools.sort((a, b) => a.ip_version - b.ip_version) };
}

/** Throws a Fault unless one could be made. */
export async function checkTopology(tables: Tables, call: Call, projectId: string): Promise<void> {
  checkProject(call, projectId, 'get_auto_allocated_topology');
  await requirements(tables, call);
}

async function build(tx: Transaction, call: Call, project_id: string): Promise<AutoAllocatedTopologyRow> {
  const { external, pools } = await requirements(tx, call);
  const gateway = { network_id: external.id };
  const ofRouter = { name: 'auto_allocated_router', project_id, external_gateway_info: gateway };
  const [router] = await createRouter(tx, call, [ofRouter]);
  const [network] = await createNetwork(tx, call, [{ name: 'auto_allocated_network', project_id }]);
  if (!router || !network) throw new RunAgain();
  const row = { project_id, network_id: network.id, router_id: router.id };
  try {
    await tx.autoAllocatedTopologies.insert([row]);
  } catch (error) {
    // another makes the project's at the same moment
    if (error instanceof UniqueViolation) throw new RunAgain();
    throw error;
  }
  const asked = pools.map(({ id, ip_version }) => ({
    ...{ name: `auto_allocated_subnet_v${ip_version}`, project_id, ip_version },
    ...{ network_id: network.id, subnetpool_id: id },
  }));
  for (const { id } of await createSubnet(tx, call, asked))
    await addRouterInterface(tx, call, { routerId: router.id, subnetId: id });
  return row;
}

/** The id of the project's network, which is made if it has none. Readers make none. */
export async function getTopology(tx: Transaction, call: Call, projectId: string): Promise<string> {
  const rule = 'get_auto_allocated_topology';
  checkProject(call, projectId, rule);
  const known = await tx.autoAllocatedTopologies.get({ project_id: projectId });
  if (known) return known.network_id;
  if (call.caller.mayOnlyRead) throw forbidden(rule);
  return (await build(tx, call, projectId)).network_id;
}

/** Takes all of it away that is still there; refuses as deleting its parts does while something uses them. */
export async function deleteTopology(tx: Transaction, call: Call, projectId: string): Promise<void> {
  checkProject(call, projectId, 'delete_auto_allocated_topology');
  const known = await tx.autoAllocatedTopologies.get({ project_id: projectId });
  if (!known) return;
  const { router_id: routerId, network_id } = known;
  if ((await tx.routers.count({ id: routerId })) > 0) {
    const ports = await tx.ports.find({ network_id, device_id: routerId });
    for (const { id } of ports) await removeRouterInterface(tx, call, { routerId, portId: id });
    await deleteRouter(tx, call, { id: routerId });
  }
  await deleteNetwork(tx, call, { id: network_id });
}
