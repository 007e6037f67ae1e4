/** What a trunk means for its ports: subports are where the parent is, and none of them goes while the trunk needs it. */
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import { SUBPORT_OWNER, type TrunkRow } from '../resources/trunk.ts';
import { RunAgain, type Transaction } from '../store/store.ts';
import { bind, bindingFacts } from './binding.ts';
import type { Call } from './operation.ts';
import { reopenBlocks } from './provisioning.ts';
import { differing, touched } from './standard.ts';

/** Ports with their networks, all locked. */
export interface LockedPorts {
  readonly ports: ReadonlyMap<string, PortRow>;
  readonly networks: ReadonlyMap<string, NetworkRow>;
}

/** Locks the networks of these ports, then the ports; those that are not there are left out. */
export async function lockPorts(tx: Transaction, ids: readonly string[]): Promise<LockedPorts> {
  const found = await tx.ports.find({ id: ids });
  const networks = await tx.networks.lock({ id: [...new Set(found.map((port) => port.network_id))] });
  const ports = await tx.ports.lock({ id: ids });
  return {
    ports: new Map(ports.map((port) => [port.id, port])),
    networks: new Map(networks.map((network) => [network.id, network])),
  };
}

/** The trunk whose parent the port is, with all its ports; locked before anything else of them. */
export async function lockTrunkOf(
  tx: Transaction,
  portId: string,
): Promise<
  { readonly trunk: TrunkRow; readonly subports: readonly string[]; readonly locked: LockedPorts } | undefined
> {
  const named = await tx.trunks.get({ port_id: portId });
  if (!named) return undefined;
  const [trunk] = await tx.trunks.lock({ id: named.id });
  if (!trunk) return undefined;
  const subports = (await tx.subports.find({ trunk_id: trunk.id })).map((one) => one.port_id);
  return { trunk, subports, locked: await lockPorts(tx, [portId, ...subports]) };
}

/** The device of a port, and the host on which it is wired. */
type Place = Pick<PortRow, 'device_id' | 'device_owner' | 'host'>;

/** Gives locked ports a device and a host, which they are bound to. */
async function place(
  tx: Transaction,
  call: Call,
  { ports, networks, to }: { ports: readonly PortRow[]; networks: LockedPorts['networks']; to: Place },
): Promise<void> {
  const { host, ...device } = to;
  const facts = await bindingFacts(tx, [host]);
  const moved: PortRow[] = [];
  for (const port of ports) {
    const network = networks.get(port.network_id);
    if (!network) throw new RunAgain();
    const changed: Partial<PortRow> = differing<PortRow>(port, device);
    const moves = host !== port.host;
    if (moves) {
      Object.assign(changed, bind(facts, { host, network, vnicType: port.vnic_type }));
      Object.assign(changed, { generation: port.generation + 1, status: 'DOWN' });
    }
    if (Object.keys(changed).length === 0) continue;
    const [updated] = await tx.ports.update({ id: port.id }, { ...changed, ...touched(call, port) });
    if (updated && moves) moved.push(updated);
  }
  await reopenBlocks(tx, moved);
}

/** Makes locked ports subports of the trunk, where its parent is. */
export const attach = (
  tx: Transaction,
  call: Call,
  it: { trunkId: string; host: string; ports: readonly PortRow[]; networks: LockedPorts['networks'] },
): Promise<void> =>
  place(tx, call, { ...it, to: { device_id: it.trunkId, device_owner: SUBPORT_OWNER, host: it.host } });

/** Makes locked ports anybody's again. */
export const detach = (
  tx: Transaction,
  call: Call,
  it: { ports: readonly PortRow[]; networks: LockedPorts['networks'] },
): Promise<void> => place(tx, call, { ...it, to: { device_id: '', device_owner: '', host: '' } });

/** After its parent came to another host, or to none. */
export async function followParent(
  tx: Transaction,
  call: Call,
  { parent, of }: { parent: PortRow; of: Awaited<ReturnType<typeof lockTrunkOf>> },
): Promise<void> {
  if (!of) {
    // It became one since it was looked at.
    if ((await tx.trunks.count({ port_id: parent.id })) > 0) throw new RunAgain();
    return;
  }
  const { networks } = of.locked;
  const ports = of.subports.flatMap((id) => of.locked.ports.get(id) ?? []);
  await attach(tx, call, { trunkId: of.trunk.id, host: parent.host, ports, networks });
}

/** Refuses to delete a port, which is locked, or to give it to a router, while a trunk has it. */
export async function refuseTrunkPort(tx: Transaction, id: string): Promise<void> {
  const [subport] = await tx.subports.find({ port_id: id });
  if (subport) {
    const message = `Port ${id} is currently a subport for trunk ${subport.trunk_id}.`;
    throw new Fault('PortInUseAsSubPort', message);
  }
  const trunk = await tx.trunks.get({ port_id: id });
  if (trunk) {
    throw new Fault('PortInUseAsTrunkParent', `Port ${id} is currently a parent port for trunk ${trunk.id}.`);
  }
}
