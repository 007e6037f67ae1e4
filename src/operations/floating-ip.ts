import { Fault } from '../resources/errors.ts';
import type { FloatingIpRow } from '../resources/floating-ip.ts';
import type { PortRow } from '../resources/port.ts';
import { INTERFACE_OWNERS, ROUTER_GATEWAY_OWNER } from '../resources/router.ts';
import { canonicalUuid } from '../resources/values.ts';
import { type ListQuery, RunAgain, type Tables, type Transaction, UniqueViolation } from '../store/store.ts';
import { floatingIpNames } from './dns.ts';
import { badRequest, floatingIpNotFound, networkNotFound, portNotFound } from './faults.ts';
import { seesNetwork } from './network-sharing.ts';
import type { Call } from './operation.ts';
import { showPort } from './port.ts';
import { DISASSOCIATED, FLOATING_IP_OWNER, mayBeReached } from './port-routing.ts';
import { checkPolicyChange } from './qos-policy.ts';
import { checkQuota } from './quota.ts';
import { createRouterPort } from './router-ports.ts';
import {
  checkRevision,
  type DeleteRequest,
  given,
  newAttributes,
  owns,
  touched,
  type UpdateRequest,
} from './standard.ts';

export interface FloatingIpCreate {
  readonly id?: string;
  readonly project_id?: string;
  readonly description?: string | null;
  readonly floating_network_id?: string;
  readonly floating_ip_address?: string | null;
  readonly subnet_id?: string | null;
  readonly port_id?: string | null;
  readonly fixed_ip_address?: string | null;
  readonly qos_policy_id?: string | null;
  readonly dns_name?: string;
  readonly dns_domain?: string;
}

export interface FloatingIpChanges {
  readonly description?: string;
  readonly port_id?: string | null;
  readonly fixed_ip_address?: string | null;
  readonly qos_policy_id?: string | null;
}

const bad = (why: string): Fault => badRequest('floatingip', why);

/** Which address of which port a floating IP is to stand for, by which router. */
export interface Association {
  readonly port: PortRow;
  readonly address: string;
  readonly routerId: string;
}

/**
 * A router that leads from the port's subnet to the external network: the subnet's gateway rather than another. Undefined
 * where there is none.
 */
export async function routerBetween(
  tables: Tables,
  {
    port,
    subnetId,
    externalId,
  }: { readonly port: PortRow; readonly subnetId: string; readonly externalId: string },
): Promise<string | undefined> {
  const subnet = await tables.subnets.get({ id: subnetId });
  const own = await tables.ports.find({ network_id: port.network_id, device_owner: INTERFACE_OWNERS });
  const interfaces = own.filter((one) => one.fixed_ips.some((ip) => ip.subnet_id === subnetId));
  const ids = interfaces.flatMap((one) => canonicalUuid(one.device_id) ?? []);
  if (ids.length === 0) return undefined;
  const gateways = await tables.ports.find({
    ...{ device_id: ids, device_owner: ROUTER_GATEWAY_OWNER, network_id: externalId },
  });
  const leading = new Set(gateways.map((one) => one.device_id));
  const fits = interfaces.filter((one) => leading.has(one.device_id));
  const isGateway = (one: PortRow) => one.fixed_ips.some((ip) => ip.ip_address === subnet?.gateway_ip);
  return (fits.find(isGateway) ?? fits[0])?.device_id;
}

function addressOf(
  port: PortRow,
  asked: string | null | undefined,
): { subnet_id: string; ip_address: string } {
  const v4 = port.fixed_ips.filter((ip) => !ip.ip_address.includes(':'));
  if (asked) {
    if (asked.includes(':'))
      throw bad(`Cannot process floating IP association with ${asked}, since that is not an IPv4 address`);
    const found = port.fixed_ips.find((ip) => ip.ip_address === asked);
    if (!found) throw bad(`Port ${port.id} does not have fixed ip ${asked}`);
    return found;
  }
  const [only] = v4;
  if (!only) throw bad(`Cannot add floating IP to port ${port.id} that has no fixed IPv4 addresses`);
  if (v4.length > 1) {
    throw bad(
      `Port ${port.id} has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP`,
    );
  }
  return only;
}

interface AssociationRequest {
  readonly portId: string;
  readonly address: string | null | undefined;
  readonly externalId: string;
  readonly projectId: string;
}

/** Finds the router, locks it and the port, and makes sure that all is still so. */
async function associate(tx: Transaction, call: Call, asked: AssociationRequest): Promise<Association> {
  const { portId, externalId, projectId } = asked;
  const found = await showPort(tx, call, portId);
  if (found.project_id !== projectId && !call.caller.isAdmin) {
    throw bad(
      `Cannot process floating IP association with Port ${portId}, since that port is owned by a different project`,
    );
  }
  if (!mayBeReached(found)) throw bad(`Port ${portId} is unable to be assigned a floating IP`);
  const { subnet_id, ip_address } = addressOf(found, asked.address);
  const between = { port: found, subnetId: subnet_id, externalId };
  const routerId = await routerBetween(tx, between);
  if (routerId === undefined) {
    throw new Fault(
      'ExternalGatewayForFloatingIPNotFound',
      `External network ${externalId} is not reachable from subnet ${subnet_id}.  Therefore, cannot associate Port ${portId} with a Floating IP.`,
    );
  }
  await tx.routers.lock({ id: routerId });
  const [port] = await tx.ports.lock({ id: portId });
  if (!port) throw portNotFound(portId);
  const isSame =
    addressOf(port, asked.address).ip_address === ip_address &&
    (await routerBetween(tx, between)) === routerId;
  if (!isSame) throw new RunAgain();
  return { port, address: ip_address, routerId };
}

const alreadyAssociated = (fip: FloatingIpRow, address: string): Fault =>
  new Fault(
    'FloatingIPPortAlreadyAssociated',
    `Cannot associate floating IP ${fip.floating_ip_address} (${fip.id}) with port ${fip.port_id} using fixed IP ${address}, as that fixed IP already has a floating IP on external network ${fip.floating_network_id}.`,
  );

/** The columns of an association; refuses an address that another floating IP of the network stands for. */
async function associated(
  tx: Transaction,
  fip: FloatingIpRow,
  { port, address, routerId }: Association,
): Promise<Partial<FloatingIpRow>> {
  const place = { port_id: port.id, fixed_ip_address: address };
  const [other] = await tx.floatingIps.find({ floating_network_id: fip.floating_network_id, ...place });
  if (other && other.id !== fip.id) throw alreadyAssociated({ ...fip, ...place }, address);
  return { ...place, router_id: routerId, status: 'DOWN', tag: tx.tag, position: null };
}

async function createFloatingPort(
  tx: Transaction,
  call: Call,
  { asked, id }: { readonly asked: FloatingIpCreate; readonly id: string },
): Promise<{ port: PortRow; address: string }> {
  const networkId = asked.floating_network_id ?? '';
  const [network] = await tx.networks.lock({ id: networkId });
  if (!network || !(await seesNetwork(tx, call, network))) throw networkNotFound(networkId);
  if (!network.external) throw bad(`Network ${networkId} is not a valid external network`);
  if ((await tx.subnets.count({ network_id: networkId, ip_version: 4 })) === 0)
    throw bad(`Network ${networkId} does not contain any IPv4 subnet`);
  const fixedIp = {
    ...(asked.subnet_id ? { subnet_id: asked.subnet_id } : {}),
    ...(asked.floating_ip_address ? { ip_address: asked.floating_ip_address } : {}),
  };
  const port = await createRouterPort(tx, call, {
    network,
    asked: {
      ...{ project_id: '', network_id: networkId, device_id: id, device_owner: FLOATING_IP_OWNER },
      ...(Object.keys(fixedIp).length > 0 ? { fixed_ips: [fixedIp] } : {}),
      port_security_enabled: false,
    },
  });
  const address = port.fixed_ips.find((ip) => !ip.ip_address.includes(':'))?.ip_address;
  if (address === undefined) {
    throw new Fault(
      'ExternalIpAddressExhausted',
      `Unable to find any IP address on external network ${networkId}.`,
    );
  }
  return { port, address };
}

async function createOne(tx: Transaction, call: Call, asked: FloatingIpCreate): Promise<FloatingIpRow> {
  const standard = newAttributes(call, asked);
  const names = floatingIpNames(asked);
  if (asked.fixed_ip_address && !asked.port_id)
    throw bad('fixed_ip_address cannot be specified without a port_id');
  const externalId = asked.floating_network_id ?? '';
  const network = await tx.networks.get({ id: externalId });
  if (!network || !(await seesNetwork(tx, call, network))) throw networkNotFound(externalId);
  if (!network.external) throw bad(`Network ${externalId} is not a valid external network`);
  const qos_policy_id = asked.qos_policy_id ?? null;
  await checkPolicyChange(tx, call, { before: null, after: qos_policy_id });
  // Its router first: locks are taken in the order of the tables.
  const found = asked.port_id
    ? await associate(tx, call, {
        ...{ portId: asked.port_id, address: asked.fixed_ip_address },
        ...{ externalId, projectId: standard.project_id },
      })
    : undefined;
  const { port, address } = await createFloatingPort(tx, call, { asked, id: standard.id });
  const free: FloatingIpRow = {
    ...standard,
    ...{ floating_network_id: externalId, floating_ip_address: address, floating_port_id: port.id },
    ...DISASSOCIATED,
    ...{ tag: tx.tag, position: null, qos_policy_id },
    ...names,
  };
  const row = found ? { ...free, ...(await associated(tx, free, found)) } : free;
  await insertOrRunAgain(() => tx.floatingIps.insert([row]));
  return row;
}

/** Two that take one fixed address at the same moment: the second finds it taken when it runs again. */
async function insertOrRunAgain<Result>(write: () => Promise<Result>): Promise<Result> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof UniqueViolation && error.constraint === 'floating_ips_fixed') throw new RunAgain();
    throw error;
  }
}

/** Creates all or none. */
export async function createFloatingIp(
  tx: Transaction,
  call: Call,
  asked: readonly FloatingIpCreate[],
): Promise<FloatingIpRow[]> {
  const projects = asked.map((row) => ({ project_id: row.project_id ?? call.caller.projectId }));
  await checkQuota(tx, call, { resource: 'floatingip', rows: projects });
  const rows: FloatingIpRow[] = [];
  for (const one of asked) rows.push(await createOne(tx, call, one));
  return rows;
}

export const fipInUse = (id: string): Fault =>
  new Fault('FipInUseByPortForwarding', `Floating IP ${id} in use by Port Forwarding resources.`);

/** What a floating IP is to stand for after these changes. */
async function changedAssociation(
  tx: Transaction,
  call: Call,
  { fip, changes }: { readonly fip: FloatingIpRow; readonly changes: FloatingIpChanges },
): Promise<Partial<FloatingIpRow>> {
  const { port_id, fixed_ip_address } = changes;
  if (fixed_ip_address && !port_id) throw bad('fixed_ip_address cannot be specified without a port_id');
  if (port_id === undefined) return {};
  const hasForwardings = (await tx.portForwardings.count({ floating_ip_id: fip.id })) > 0;
  if (port_id === null) return hasForwardings || fip.port_id === null ? {} : DISASSOCIATED;
  if (hasForwardings) throw fipInUse(fip.id);
  const { floating_network_id: externalId, project_id: projectId } = fip;
  const asked = { portId: port_id, address: fixed_ip_address, externalId, projectId };
  const columns = await associated(tx, fip, await associate(tx, call, asked));
  const isSame =
    columns.port_id === fip.port_id &&
    columns.fixed_ip_address === fip.fixed_ip_address &&
    columns.router_id === fip.router_id;
  return isSame ? {} : columns;
}

export async function updateFloatingIp(
  tx: Transaction,
  call: Call,
  { id, changes, ifMatch }: UpdateRequest<FloatingIpChanges>,
): Promise<FloatingIpRow> {
  const seen = await showFloatingIp(tx, call, id);
  const wanted = given(changes);
  const association = await changedAssociation(tx, call, { fip: seen, changes: wanted });
  const [fip] = await tx.floatingIps.lock({ id });
  if (!fip) throw floatingIpNotFound(id);
  checkRevision(fip, ifMatch);
  // Routers and ports are locked before it: what was decided from must still be so.
  if (fip.revision_number !== seen.revision_number) throw new RunAgain();
  const { description, qos_policy_id } = wanted;
  if (qos_policy_id !== undefined)
    await checkPolicyChange(tx, call, { before: fip.qos_policy_id, after: qos_policy_id });
  const plain = given({ description, qos_policy_id }) as Partial<FloatingIpRow>;
  const [updated] = await insertOrRunAgain(() =>
    tx.floatingIps.update({ id }, { ...plain, ...association, ...touched(call, fip) }),
  );
  if (!updated) throw floatingIpNotFound(id);
  return updated;
}

export async function deleteFloatingIp(
  tx: Transaction,
  call: Call,
  { id, ifMatch }: DeleteRequest,
): Promise<void> {
  const [fip] = await tx.floatingIps.lock({ id });
  if (!fip || !owns(call, fip)) throw floatingIpNotFound(id);
  checkRevision(fip, ifMatch);
  if ((await tx.portForwardings.count({ floating_ip_id: id })) > 0) throw fipInUse(id);
  await tx.floatingIps.remove({ id });
  await tx.ports.remove({ id: fip.floating_port_id });
}

export async function showFloatingIp(tables: Tables, call: Call, id: string): Promise<FloatingIpRow> {
  const fip = await tables.floatingIps.get({ id });
  if (!fip || !owns(call, fip)) throw floatingIpNotFound(id);
  return fip;
}

/** A page of the caller's own; of all, for an admin. */
export function listFloatingIps(
  tables: Tables,
  call: Call,
  query: ListQuery<FloatingIpRow>,
): Promise<FloatingIpRow[]> {
  const own = { column: 'project_id', operator: 'in', values: [call.caller.projectId] } as const;
  return tables.floatingIps.list(
    call.caller.isAdmin ? query : { ...query, filters: [...query.filters, own] },
  );
}
