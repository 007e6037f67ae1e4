/** Port forwardings: some ports of a floating IP that is not associated lead to ports of machines, each to another if wished. */
import { Fault } from '../resources/errors.ts';
import type { FloatingIpRow } from '../resources/floating-ip.ts';
import type { PortForwardingRow, PortForwardingView } from '../resources/port-forwarding.ts';
import { shownForwarding } from '../resources/port-forwarding.ts';
import type { PortRow } from '../resources/port.ts';
import { RunAgain, type Tables, type Transaction, UniqueViolation } from '../store/store.ts';
import { badRequest, floatingIpNotFound, portNotFound } from './faults.ts';
import { routerBetween, showFloatingIp } from './floating-ip.ts';
import type { Call } from './operation.ts';
import { showPort } from './port.ts';
import { mayBeReached, removeForwardings } from './port-routing.ts';
import { given, touched } from './standard.ts';

type Asked = Partial<Omit<PortForwardingView, 'id' | 'floating_ip_id'>>;

interface Named {
  readonly floatingIpId: string;
  readonly id: string;
}

const bad = (why: string): Fault => badRequest('port_forwarding', why);

const forwardingNotFound = (id: string): Fault =>
  new Fault('PortForwardingNotFound', `Port Forwarding ${id} could not be found.`);

type Ranges = Pick<
  PortForwardingRow,
  'external_port_first' | 'external_port_last' | 'internal_port_first' | 'internal_port_last'
>;

/** The first and the last, of a port or a range; undefined where neither is named. */
function rangeIn(port: number | undefined, range: string | undefined): [number, number] | undefined {
  if (range !== undefined) {
    const [first = 0, last = 0] = range.split(':').map(Number);
    if (port !== undefined && (port !== first || port !== last))
      throw bad('A port and another range of ports are named');
    return [first, last];
  }
  return port === undefined ? undefined : [port, port];
}

function rangesIn(asked: Asked, before?: Ranges): Ranges {
  const external =
    rangeIn(asked.external_port, asked.external_port_range) ??
    (before && [before.external_port_first, before.external_port_last]);
  const internal =
    rangeIn(asked.internal_port, asked.internal_port_range) ??
    (before && [before.internal_port_first, before.internal_port_last]);
  if (!external || !internal) throw bad('Both an external and an internal port or range of ports are needed');
  const [external_port_first = 0, external_port_last = 0] = external;
  const [internal_port_first = 0, internal_port_last = 0] = internal;
  const width = internal_port_last - internal_port_first;
  if (width > 0 && width !== external_port_last - external_port_first) {
    throw bad(
      'Invalid ranges of internal and/or external ports. The relation between internal and external ports must be N-N or 1-N',
    );
  }
  return { external_port_first, external_port_last, internal_port_first, internal_port_last };
}

function checkCollisions(
  row: PortForwardingRow,
  others: readonly PortForwardingRow[],
  kind: 'external' | 'internal',
): void {
  const range = (it: PortForwardingRow) => [it[`${kind}_port_first`], it[`${kind}_port_last`]] as const;
  const [first, last] = range(row);
  for (const other of others) {
    const [from, to] = range(other);
    if (other.id === row.id || other.protocol !== row.protocol || to < first || last < from) continue;
    throw bad(
      `There is a port collision with the ${kind}_port_range. The following ranges collide: ${from}:${to} and ${first}:${last}`,
    );
  }
}

function addressIn(port: PortRow, asked: string | undefined): { subnet_id: string; ip_address: string } {
  const v4 = port.fixed_ips.filter((ip) => !ip.ip_address.includes(':'));
  const [first] = v4;
  if (!first) throw bad(`Requested internal port ${port.id} must allocate an IPv4 address at least.`);
  if (asked === undefined) return first;
  const found = v4.find((ip) => ip.ip_address === asked);
  if (found) return found;
  throw bad(
    `Requested internal IP address ${asked} is not suitable for internal neutron port ${port.id}, as its fixed_ips are ${JSON.stringify(v4)}`,
  );
}

interface Target {
  readonly router_id: string;
  readonly internal_port_id: string;
  readonly internal_ip_address: string;
}

/** Where it leads, by which router; both are locked. */
async function targetOf(
  tx: Transaction,
  call: Call,
  {
    fip,
    portId,
    address,
  }: { readonly fip: FloatingIpRow; readonly portId: string; readonly address: string | undefined },
): Promise<Target> {
  const [bound] = await tx.floatingIps.find({ port_id: portId });
  if (bound) {
    throw new Fault(
      'PortHasBindingFloatingIP',
      `Cannot create port forwarding to floating IP ${bound.floating_ip_address} (${bound.id}) with port ${portId} using fixed IP ${bound.fixed_ip_address}, as that port already has a binding floating IP.`,
    );
  }
  const seen = await showPort(tx, call, portId);
  if (!mayBeReached(seen)) throw bad(`Port ${portId} is unable to be the internal port of a port forwarding`);
  const { subnet_id, ip_address } = addressIn(seen, address);
  const between = { port: seen, subnetId: subnet_id, externalId: fip.floating_network_id };
  const router_id = await routerBetween(tx, between);
  if (router_id === undefined) {
    throw bad(
      `External network ${fip.floating_network_id} is not reachable from subnet ${subnet_id}. Cannot set Port forwarding for port ${portId} with Floating IP ${fip.id}`,
    );
  }
  await tx.routers.lock({ id: router_id });
  const [port] = await tx.ports.lock({ id: portId });
  if (!port) throw portNotFound(portId);
  const isSame = port.fixed_ips.some((ip) => ip.ip_address === ip_address);
  if (!isSame || (await routerBetween(tx, between)) !== router_id) throw new RunAgain();
  return { router_id, internal_port_id: portId, internal_ip_address: ip_address };
}

/** Locks the floating IP, and makes sure that this router is or may be its own. */
async function takeFloatingIp(
  tx: Transaction,
  call: Call,
  { fip: seen, target }: { readonly fip: FloatingIpRow; readonly target: Target },
): Promise<void> {
  const [fip] = await tx.floatingIps.lock({ id: seen.id });
  if (!fip) throw floatingIpNotFound(seen.id);
  if (fip.port_id !== null) {
    throw new Fault(
      'FloatingIPPortAlreadyAssociated',
      `Cannot associate floating IP ${fip.floating_ip_address} (${fip.id}) with port ${target.internal_port_id} using fixed IP ${target.internal_ip_address}, as that fixed IP already has a floating IP on external network ${fip.floating_network_id}.`,
    );
  }
  if (fip.router_id === target.router_id) return;
  if (fip.router_id !== null) {
    throw bad(
      `The Floating IP ${fip.id} had been set on router ${fip.router_id}, the internal Neutron port ${target.internal_port_id} can not reach it`,
    );
  }
  const changes = { router_id: target.router_id, tag: tx.tag, position: null };
  await tx.floatingIps.update({ id: fip.id }, { ...changes, ...touched(call, fip) });
}

async function checkFree(tx: Transaction, row: PortForwardingRow): Promise<void> {
  const { floating_ip_id, internal_port_id, internal_ip_address } = row;
  checkCollisions(row, await tx.portForwardings.find({ internal_port_id, internal_ip_address }), 'internal');
  checkCollisions(row, await tx.portForwardings.find({ floating_ip_id }), 'external');
}

/** Two of them at the same moment: the second finds the first when it runs again. */
async function orRunAgain<Result>(write: Promise<Result>): Promise<Result> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof UniqueViolation) throw new RunAgain();
    throw error;
  }
}

export async function createPortForwarding(
  tx: Transaction,
  call: Call,
  { floatingIpId, asked }: { readonly floatingIpId: string; readonly asked: Asked },
): Promise<PortForwardingView> {
  const fip = await showFloatingIp(tx, call, floatingIpId);
  const ranges = rangesIn(asked);
  const portId = asked.internal_port_id ?? '';
  const target = await targetOf(tx, call, { fip, portId, address: asked.internal_ip_address });
  await takeFloatingIp(tx, call, { fip, target });
  const row: PortForwardingRow = {
    ...{ id: call.random.uuid(), floating_ip_id: floatingIpId, protocol: asked.protocol ?? '' },
    ...{ ...ranges, ...target, description: asked.description ?? '' },
  };
  await checkFree(tx, row);
  await orRunAgain(tx.portForwardings.insert([row]));
  return shownForwarding(row);
}

async function forwardingOf(tables: Tables, { floatingIpId, id }: Named): Promise<PortForwardingRow> {
  const row = await tables.portForwardings.get({ id });
  if (!row || row.floating_ip_id !== floatingIpId) throw forwardingNotFound(id);
  return row;
}

export async function updatePortForwarding(
  tx: Transaction,
  call: Call,
  { changes, ...named }: Named & { readonly changes: Asked },
): Promise<PortForwardingView> {
  const fip = await showFloatingIp(tx, call, named.floatingIpId);
  const before = await forwardingOf(tx, named);
  const wanted = given(changes);
  const portId = wanted.internal_port_id ?? before.internal_port_id;
  const isOther = portId !== before.internal_port_id;
  const address = wanted.internal_ip_address ?? (isOther ? undefined : before.internal_ip_address);
  const target = await targetOf(tx, call, { fip, portId, address });
  await takeFloatingIp(tx, call, { fip, target });
  const after: PortForwardingRow = {
    ...{ ...before, ...rangesIn(wanted, before), ...target },
    protocol: wanted.protocol ?? before.protocol,
    description: wanted.description ?? before.description,
  };
  await checkFree(tx, after);
  const [updated] = await orRunAgain(tx.portForwardings.update({ id: before.id }, after));
  if (!updated) throw forwardingNotFound(before.id);
  return shownForwarding(updated);
}

export async function deletePortForwarding(tx: Transaction, call: Call, named: Named): Promise<void> {
  await showFloatingIp(tx, call, named.floatingIpId);
  await tx.floatingIps.lock({ id: named.floatingIpId });
  const row = await forwardingOf(tx, named);
  await removeForwardings(tx, call, [row.id]);
}

export async function showPortForwarding(
  tables: Tables,
  call: Call,
  named: Named,
): Promise<PortForwardingView> {
  await showFloatingIp(tables, call, named.floatingIpId);
  return shownForwarding(await forwardingOf(tables, named));
}

export async function listPortForwardings(
  tables: Tables,
  call: Call,
  floatingIpId: string,
): Promise<PortForwardingView[]> {
  await showFloatingIp(tables, call, floatingIpId);
  return (await tables.portForwardings.find({ floating_ip_id: floatingIpId })).map(shownForwarding);
}
