/** Trunks: Neutron's rules of which ports may be together in one. What it is for the ports: trunk-ports.ts. */
import { Fault } from '../resources/errors.ts';
import type { PortRow } from '../resources/port.ts';
import {
  type AskedSubport,
  type SubportRow,
  type TrunkRow,
  type TrunkState,
  type TrunkView,
  trunkMap,
  trunkState,
} from '../resources/trunk.ts';
import { type ListQuery, type Tables, type Transaction, UniqueViolation } from '../store/store.ts';
import { invalidInput, portNotFound } from './faults.ts';
import type { Call } from './operation.ts';
import { changeRow, listRows, type Plain, plainOperations, showRow } from './plain.ts';
import { checkQuota } from './quota.ts';
import { type DeleteRequest, groupBy, newAttributes, owns, type UpdateRequest } from './standard.ts';
import { attach, detach, type LockedPorts, lockPorts } from './trunk-ports.ts';

/** As rows of their own table, without subports. */
const trunks: Plain<TrunkRow> = {
  map: trunkMap,
  table: 'trunks',
  checkUnused: releaseAll,
};

export type TrunkCreate = { readonly [K in keyof TrunkRow]?: TrunkRow[K] | null | undefined } & {
  readonly sub_ports?: readonly AskedSubport[];
};

const parentInUse = (id: string): Fault =>
  new Fault(
    'ParentPortInUse',
    `Port ${id} is currently in use and is not eligible for use as a parent port.`,
  );

/** The port, if the caller may put it into a trunk. */
function ownPort(call: Call, locked: LockedPorts, id: string): PortRow {
  const port = locked.ports.get(id);
  if (!port || !owns(call, port)) throw portNotFound(id);
  return port;
}

async function checkInNoTrunk(tx: Transaction, portId: string): Promise<void> {
  if ((await tx.subports.count({ port_id: portId })) > 0)
    throw new Fault('TrunkPortInUse', `Port ${portId} is in use by another trunk.`);
  if ((await tx.trunks.count({ port_id: portId })) > 0) throw parentInUse(portId);
}

/** A bound port may be a parent, as with Neutron's Linux bridge agent: its host makes the links of subports beside it. */
async function checkParent(tx: Transaction, port: PortRow): Promise<void> {
  await checkInNoTrunk(tx, port.id);
  const isOurs = port.device_owner.startsWith('network:');
  if (isOurs || port.vif_type === 'binding_failed') throw parentInUse(port.id);
}

interface Joining {
  readonly trunkId: string;
  readonly parent: PortRow;
  readonly asked: readonly AskedSubport[];
  readonly locked: LockedPorts;
}

function checkMtu({ parent, locked }: Joining, port: PortRow): void {
  const mtuOf = ({ network_id }: PortRow) => locked.networks.get(network_id)?.mtu ?? 0;
  if (mtuOf(port) <= mtuOf(parent)) return;
  throw new Fault(
    'SubPortMtuGreaterThanTrunkPortMtu',
    `MTU ${mtuOf(port)} of subport ${port.id} cannot be greater than MTU ${mtuOf(parent)} of trunk ${parent.id}.`,
  );
}

/** The tag that was asked for, or that of the port's own network. */
function tagOf(asked: AskedSubport, port: PortRow, { networks }: LockedPorts): number {
  if (asked.segmentation_type === 'vlan') return asked.segmentation_id;
  const network = networks.get(port.network_id);
  if (network?.network_type === 'vlan' && network.segmentation_id !== null) return network.segmentation_id;
  throw invalidInput(`Unknown segmentation_type '${network?.network_type}'`);
}

async function checkSubport(tx: Transaction, joining: Joining, port: PortRow): Promise<void> {
  if (port.id === joining.parent.id) throw parentInUse(port.id);
  checkMtu(joining, port);
  await checkInNoTrunk(tx, port.id);
  if (port.device_id === '' && !port.device_owner.startsWith('network:')) return;
  throw new Fault(
    'PortInUse',
    `Unable to complete operation on port ${port.id} for network ${port.network_id}. Port already has an attached device ${port.device_id}.`,
  );
}

/** Makes ports subports of a trunk that is there. */
async function join(tx: Transaction, call: Call, joining: Joining): Promise<void> {
  const { trunkId: trunk_id, parent, asked, locked } = joining;
  const ports: PortRow[] = [];
  for (const one of asked) {
    const port = ownPort(call, locked, one.port_id);
    await checkSubport(tx, joining, port);
    const segmentation_id = tagOf(one, port, locked);
    await insertSubport(tx, { port_id: port.id, trunk_id, segmentation_type: 'vlan', segmentation_id });
    ports.push(port);
  }
  await attach(tx, call, { trunkId: trunk_id, host: parent.host, ports, networks: locked.networks });
}

async function insertSubport(tx: Transaction, row: SubportRow): Promise<void> {
  try {
    await tx.subports.insert([row]);
  } catch (error) {
    if (!(error instanceof UniqueViolation)) throw error;
    const { trunk_id, segmentation_type: type, segmentation_id: id } = row;
    const message = `segmentation_type ${type} and segmentation_id ${id} already in use on trunk ${trunk_id}.`;
    throw new Fault('DuplicateSubPort', message);
  }
}

const portsIn = ({ port_id, sub_ports = [] }: TrunkCreate): string[] => [
  ...(port_id ? [port_id] : []),
  ...sub_ports.map((one) => one.port_id),
];

/** Creates all or none. */
export async function createTrunk(
  tx: Transaction,
  call: Call,
  asked: readonly TrunkCreate[],
): Promise<TrunkView[]> {
  const rows = asked.map((one): TrunkRow => {
    const { name, admin_state_up, port_id } = one;
    const own = { name: name ?? '', admin_state_up: admin_state_up ?? true, port_id: port_id ?? '' };
    return { ...newAttributes(call, one), ...own };
  });
  await checkQuota(tx, call, { resource: 'trunk', rows });
  const locked = await lockPorts(tx, [...new Set(asked.flatMap(portsIn))]);
  for (const [i, row] of rows.entries()) {
    const parent = ownPort(call, locked, row.port_id);
    await checkParent(tx, parent);
    await tx.trunks.insert([row]);
    const subports = asked[i]?.sub_ports ?? [];
    await join(tx, call, { trunkId: row.id, parent, asked: subports, locked });
  }
  return withSubports(tx, rows);
}

/** Refuses while it is administratively down, as Neutron does: then nothing of it moves. */
function checkEnabled(trunk: TrunkRow): void {
  if (!trunk.admin_state_up) throw new Fault('TrunkDisabled', `Trunk ${trunk.id} is currently disabled.`);
}

export interface SubportsRequest extends DeleteRequest {
  readonly subports: readonly AskedSubport[];
}

export async function addSubports(
  tx: Transaction,
  call: Call,
  { subports, ...named }: SubportsRequest,
): Promise<TrunkView> {
  const row = await changeRow(tx, { it: trunks, call }, { ...named, rule: 'add_subports', change: enabled });
  const locked = await lockPorts(tx, [row.port_id, ...subports.map((one) => one.port_id)]);
  const [state] = (await trunkStates(tx, [row])).values();
  if (state?.status === 'ERROR') {
    const message = `Trunk ${row.id} is in error state. Attempt to resolve the error condition before proceeding.`;
    throw new Fault('TrunkInErrorState', message);
  }
  const parent = locked.ports.get(row.port_id);
  if (!parent) throw portNotFound(row.port_id);
  await join(tx, call, { trunkId: row.id, parent, asked: subports, locked });
  return one(await withSubports(tx, [row]));
}

const enabled = (trunk: TrunkRow): Partial<TrunkRow> => {
  checkEnabled(trunk);
  return {};
};

export async function removeSubports(
  tx: Transaction,
  call: Call,
  { portIds, ...named }: DeleteRequest & { readonly portIds: readonly string[] },
): Promise<TrunkView> {
  const row = await changeRow(
    tx,
    { it: trunks, call },
    { ...named, rule: 'remove_subports', change: enabled },
  );
  const present = new Set((await tx.subports.find({ trunk_id: row.id })).map((one) => one.port_id));
  const absent = portIds.find((id) => !present.has(id));
  if (absent !== undefined) {
    const message = `SubPort on trunk ${row.id} with parent port ${absent} could not be found.`;
    throw new Fault('SubPortNotFound', message);
  }
  await release(tx, call, portIds);
  return one(await withSubports(tx, [row]));
}

async function release(tx: Transaction, call: Call, portIds: readonly string[]): Promise<void> {
  const { ports, networks } = await lockPorts(tx, portIds);
  await tx.subports.remove({ port_id: portIds });
  await detach(tx, call, { ports: [...ports.values()], networks });
}

async function releaseAll(tx: Transaction, call: Call, trunk: TrunkRow): Promise<void> {
  checkEnabled(trunk);
  const subports = await tx.subports.find({ trunk_id: trunk.id });
  await release(
    tx,
    call,
    subports.map((one) => one.port_id),
  );
}

function one<Row>([row]: readonly Row[]): Row {
  return row as Row;
}

async function withSubports(tables: Tables, rows: readonly TrunkRow[]): Promise<TrunkView[]> {
  if (rows.length === 0) return [];
  const subports = await tables.subports.find({ trunk_id: rows.map((row) => row.id) });
  const byTrunk = groupBy(subports, (subport) => subport.trunk_id);
  return rows.map((row) => {
    const own = (byTrunk.get(row.id) ?? []).map(({ trunk_id: _own, ...shown }) => shown);
    return { ...row, sub_ports: own.sort((a, b) => a.segmentation_id - b.segmentation_id) };
  });
}

export async function updateTrunk(
  tx: Transaction,
  call: Call,
  { changes, ...named }: UpdateRequest<Partial<TrunkRow>>,
): Promise<TrunkView> {
  const row = await changeRow(tx, { it: trunks, call }, { ...named, change: () => changes });
  return one(await withSubports(tx, [row]));
}

export const deleteTrunk = plainOperations(trunks).remove;

export async function showTrunk(tables: Tables, call: Call, id: string): Promise<TrunkView> {
  return one(await withSubports(tables, [await showRow(tables, { it: trunks, call }, id)]));
}

export async function listTrunks(
  tables: Tables,
  call: Call,
  query: ListQuery<TrunkRow>,
): Promise<TrunkView[]> {
  return withSubports(tables, await listRows(tables, { it: trunks, call }, query));
}

/** By the id of each trunk. Of what a host cannot do, only the agent that would do it tells. */
export async function trunkStates(
  tables: Tables,
  rows: readonly TrunkRow[],
): Promise<Map<string, TrunkState>> {
  if (rows.length === 0) return new Map();
  const subports = await tables.subports.find({ trunk_id: rows.map((row) => row.id) });
  const ids = [...rows, ...subports].map((it) => it.port_id);
  const ports = new Map((await tables.ports.find({ id: ids })).map((port) => [port.id, port]));
  const hosts = [...new Set(rows.flatMap((row) => ports.get(row.port_id)?.host || []))];
  const agents = hosts.length === 0 ? [] : await tables.agents.find({ host: hosts, role: 'l2' });
  const failed = new Map(
    agents.flatMap(({ exceptions }) =>
      exceptions
        .filter(({ object, state }) => state === 'failed' && object.startsWith('port/'))
        .map(({ object, reason }): [string, string] => [object.slice('port/'.length), reason]),
    ),
  );
  const byTrunk = groupBy(subports, (subport) => subport.trunk_id);
  const states = rows.flatMap((row): [string, TrunkState][] => {
    const parent = ports.get(row.port_id);
    const own = (byTrunk.get(row.id) ?? []).flatMap(({ port_id }) => ports.get(port_id) ?? []);
    return parent ? [[row.id, trunkState(parent, own, failed)]] : [];
  });
  return new Map(states);
}

/** `trunk_details` of those ports that are parents. */
export async function trunkDetails(tables: Tables, portIds: readonly string[]): Promise<Map<string, object>> {
  if (portIds.length === 0) return new Map();
  const rows = await tables.trunks.find({ port_id: portIds });
  const views = await withSubports(tables, rows);
  const ids = views.flatMap((view) => view.sub_ports.map((one) => one.port_id));
  const ports = ids.length === 0 ? [] : await tables.ports.find({ id: ids });
  const macs = new Map(ports.map((port) => [port.id, port.mac_address]));
  return new Map(
    views.map(({ id, port_id, sub_ports }) => [
      port_id,
      { trunk_id: id, sub_ports: sub_ports.map((it) => ({ ...it, mac_address: macs.get(it.port_id) })) },
    ]),
  );
}
