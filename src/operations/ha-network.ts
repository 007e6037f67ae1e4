/**
 * The segments on which the replicas of HA routers talk: VXLAN networks of nobody, never shared between projects. A project has as many
 * as its routers need: VRRP tells 255 apart on one, and on a small one fewer hear what is not theirs.
 */
import type { NetworkRow } from '../resources/network.ts';
import { ForeignKeyViolation, RunAgain, type Transaction } from '../store/store.ts';
import { makeNetworks } from './network.ts';
import type { Call } from './operation.ts';
import { subnetRow } from './subnet.ts';

/** Of VRRP's numbers 1 to 255. */
const ROUTERS_PER_SEGMENT = 50;
/** Neutron's default for it, link-local: nothing is routed to it. */
const HA_CIDR = '169.254.192.0/18';

export interface HaPlace {
  readonly ha_network_id: string;
  readonly ha_vr_id: number;
}

/** A free number on one of the project's segments, which is made where there is none with room. A constraint has the last word. */
export async function chooseHaPlace(tx: Transaction, call: Call, projectId: string): Promise<HaPlace> {
  const segments = await tx.haNetworks.find({ project_id: projectId });
  const ids = segments.map((segment) => segment.network_id);
  const routers = ids.length === 0 ? [] : await tx.routers.find({ ha_network_id: ids });
  for (const id of ids) {
    const taken = new Set(routers.filter((one) => one.ha_network_id === id).map((one) => one.ha_vr_id));
    if (taken.size >= ROUTERS_PER_SEGMENT) continue;
    const free = Array.from({ length: 255 }, (_, at) => at + 1).filter((number) => !taken.has(number));
    // By chance: others may be choosing at the same moment.
    const ha_vr_id = free[Math.floor(call.random.next() * free.length)] as number;
    return { ha_network_id: id, ha_vr_id };
  }
  const network = await makeHaNetwork(tx, call, projectId);
  return { ha_network_id: network.id, ha_vr_id: 1 };
}

async function makeHaNetwork(tx: Transaction, call: Call, projectId: string): Promise<NetworkRow> {
  const [network] = await makeNetworks(tx, call, [
    { project_id: '', name: `HA network tenant ${projectId}`, port_security_enabled: false },
  ]);
  const made = network as NetworkRow;
  const subnet = subnetRow(call, {
    ...{ project_id: '', name: `HA subnet tenant ${projectId}`, network_id: made.id, ip_version: 4 },
    ...{ cidr: HA_CIDR, enable_dhcp: false, gateway_ip: null },
  });
  await tx.subnets.insert([subnet]);
  await tx.haNetworks.insert([{ network_id: made.id, project_id: projectId }]);
  return made;
}

/** Deletes the segment if no router uses it any more. */
export async function releaseHaNetwork(tx: Transaction, networkId: string): Promise<void> {
  await tx.networks.lock({ id: networkId });
  if ((await tx.routers.count({ ha_network_id: networkId })) > 0) return;
  if ((await tx.ports.count({ network_id: networkId })) > 0) return;
  try {
    await tx.networks.remove({ id: networkId });
  } catch (error) {
    // A router took a place there meanwhile: the next run sees it.
    if (error instanceof ForeignKeyViolation) throw new RunAgain();
    throw error;
  }
}
