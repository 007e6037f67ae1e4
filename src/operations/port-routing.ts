/** What routers and floating IPs mean for their ports: what the ports API may not do, and what goes with a port. */
import { Fault } from '../resources/errors.ts';
import type { FloatingIpRow } from '../resources/floating-ip.ts';
import type { FixedIp, PortRow } from '../resources/port.ts';
import { INTERFACE_OWNERS, ROUTER_HA_OWNER, ROUTER_PORT_OWNERS } from '../resources/router.ts';
import { canonicalUuid } from '../resources/values.ts';
import type { Transaction } from '../store/store.ts';
import { badRequest } from './faults.ts';
import type { Call } from './operation.ts';
import { touched } from './standard.ts';

export const FLOATING_IP_OWNER = 'network:floatingip';

/**
 * For their ports no floating IP stands, and no forwarding leads to them. Neutron refuses the ports of DHCP only; the other two come and go
 * by themselves as well, and no router leads to them.
 */
const UNREACHED_OWNERS: readonly string[] = ['network:dhcp', ROUTER_HA_OWNER, FLOATING_IP_OWNER];

/** Whether floating IPs and forwardings may lead to the port. */
export const mayBeReached = ({ device_owner }: Pick<PortRow, 'device_owner'>): boolean =>
  !UNREACHED_OWNERS.includes(device_owner);

async function isInUse(tx: Transaction, { id, device_id, device_owner }: PortRow): Promise<boolean> {
  if (device_owner === FLOATING_IP_OWNER) return (await tx.floatingIps.count({ floating_port_id: id })) > 0;
  if (!ROUTER_PORT_OWNERS.includes(device_owner)) return false;
  const router = canonicalUuid(device_id);
  return router !== undefined && (await tx.routers.count({ id: router })) > 0;
}

/** A router's ports, and those of floating IPs, go by the router's and the floating IP's own requests. */
export async function refuseRouterPort(tx: Transaction, port: PortRow): Promise<void> {
  if (!(await isInUse(tx, port))) return;
  throw new Fault(
    'ServicePortInUse',
    `Port ${port.id} cannot be deleted directly via the port API: has device owner ${port.device_owner}.`,
  );
}

type Device = Pick<PortRow, 'device_id' | 'device_owner'>;

/**
 * A port becomes a router's by being attached to it, and stops by being detached: not by its device_owner. Neutron lets an admin write
 * what is not so; here nobody can.
 */
export async function checkRouterDevice(
  tx: Transaction,
  call: Call,
  { before, after }: { readonly before?: PortRow; readonly after: Device },
): Promise<void> {
  const isSame = before?.device_id === after.device_id && before.device_owner === after.device_owner;
  if (isSame) return;
  if (before && (await isInUse(tx, before))) {
    throw new Fault(
      'PortInUse',
      `Unable to complete operation on port ${before.id} for network ${before.network_id}. Port already has an attached device ${before.device_id}.`,
    );
  }
  const id = canonicalUuid(after.device_id);
  if (id === undefined || !ROUTER_PORT_OWNERS.includes(after.device_owner)) return;
  const router = await tx.routers.get({ id });
  if (!router) return;
  if (
    INTERFACE_OWNERS.includes(after.device_owner) &&
    !call.caller.isAdmin &&
    router.project_id !== call.caller.projectId
  ) {
    throw new Fault(
      'DeviceIDNotOwnedByTenant',
      `The following device_id ${id} is not owned by your tenant or matches another tenants router.`,
    );
  }
  throw badRequest('port', `device_owner ${after.device_owner} is set by attaching the port to router ${id}`);
}

/** Refuses to take an address away for which a floating IP stands. */
export async function checkFloatingKept(
  tx: Transaction,
  call: Call,
  { port, fixedIps }: { readonly port: PortRow; readonly fixedIps: readonly FixedIp[] },
): Promise<void> {
  const kept = new Set(fixedIps.map((ip) => ip.ip_address));
  if (port.fixed_ips.every((ip) => kept.has(ip.ip_address))) return;
  const floating = await tx.floatingIps.find({ port_id: port.id });
  if (floating.some((one) => one.fixed_ip_address !== null && !kept.has(one.fixed_ip_address))) {
    throw badRequest(
      'port',
      `Cannot update the fixed_ips of the port ${port.id}, because its original fixed_ip has been associated to a floating ip`,
    );
  }
  const forwardings = await tx.portForwardings.find({ internal_port_id: port.id });
  const gone = forwardings.filter((one) => !kept.has(one.internal_ip_address));
  await removeForwardings(
    tx,
    call,
    gone.map((one) => one.id),
  );
}

export const DISASSOCIATED = {
  ...{ port_id: null, fixed_ip_address: null, router_id: null, status: 'DOWN' },
} as const satisfies Partial<FloatingIpRow>;

/** A floating IP whose last forwarding goes is free again. */
export async function removeForwardings(tx: Transaction, call: Call, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const removed = await tx.portForwardings.remove({ id: ids });
  for (const id of new Set(removed.map((one) => one.floating_ip_id))) {
    if ((await tx.portForwardings.count({ floating_ip_id: id })) === 0) await free(tx, call, id);
  }
}

async function free(tx: Transaction, call: Call, id: string): Promise<void> {
  const [floating] = await tx.floatingIps.lock({ id });
  const changes = { router_id: null, status: 'DOWN' } as const;
  if (floating) await tx.floatingIps.update({ id }, { ...changes, ...touched(call, floating) });
}

/** Frees what stands for a port that is to be deleted, which is locked. Those of other projects are an admin's to free. */
export async function releaseFloatingIps(tx: Transaction, call: Call, port: PortRow): Promise<void> {
  const floating = await tx.floatingIps.lock({ port_id: port.id });
  const { isAdmin, projectId } = call.caller;
  if (!isAdmin && floating.some((one) => one.project_id !== projectId)) {
    throw new Fault(
      'FipAssociated',
      `Unable to complete the operation on port "${port.id}" because the port still has an associated floating IP.`,
    );
  }
  for (const one of floating)
    await tx.floatingIps.update({ id: one.id }, { ...DISASSOCIATED, ...touched(call, one) });
  const forwardings = await tx.portForwardings.find({ internal_port_id: port.id });
  await removeForwardings(
    tx,
    call,
    forwardings.map((one) => one.id),
  );
}

/** Deletes ports of routers, and frees what stands for them. */
export async function removeAttached(tx: Transaction, call: Call, ids: readonly string[]): Promise<void> {
  for (const port of await tx.ports.lock({ id: ids })) await releaseFloatingIps(tx, call, port);
  await tx.ports.remove({ id: ids });
}
