/** Attaching networks to routers, by subnet or by port. */
import { inRanges, rangesOf } from '../ipam/pool.ts';
import { parseAddress } from '../ipam/address.ts';
import { Fault } from '../resources/errors.ts';
import type { PortRow } from '../resources/port.ts';
import { INTERFACE_OWNERS, type RouterRow } from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import { RunAgain, type Transaction } from '../store/store.ts';
import { badRequest, portNotFound, subnetNotFound } from './faults.ts';
import { scheduleRouter } from './l3-scheduling.ts';
import { leaveGroups, UNSECURED } from './port-security.ts';
import type { Call } from './operation.ts';
import { changePortAddresses, showPort } from './port.ts';
import { interfaceOwner, lockRouter } from './router.ts';
import { checkFloatingKept, removeAttached } from './port-routing.ts';
import { attachedTo, haSubnets } from './router-attached.ts';
import { bindRouterPorts, createRouterPort, preferredHost } from './router-ports.ts';
import {
  type Attached,
  checkAddressMode,
  checkOneIpv4Subnet,
  checkOneIpv6Port,
  checkOverlaps,
  ipv6PortIn,
} from './router-rules.ts';
import { checkUnused } from './router-use.ts';
import { refuseTrunkPort } from './trunk-ports.ts';
import { owns, touched } from './standard.ts';
import { showSubnet } from './subnet.ts';

export interface InterfaceRequest {
  readonly routerId: string;
  readonly subnetId?: string | undefined;
  readonly portId?: string | undefined;
}

/** What Neutron answers. */
export interface InterfaceInfo {
  readonly id: string;
  readonly tenant_id: string;
  readonly project_id: string;
  readonly port_id: string;
  readonly network_id: string;
  readonly subnet_id: string;
  readonly subnet_ids: readonly string[];
}

const bad = (why: string): Fault => badRequest('router', why);

function infoOf(router: RouterRow, port: PortRow, subnets: readonly SubnetRow[]): InterfaceInfo {
  const ids = subnets.map((subnet) => subnet.id);
  return {
    ...{ id: router.id, tenant_id: port.project_id, project_id: port.project_id },
    ...{ port_id: port.id, network_id: port.network_id, subnet_id: ids.at(-1) ?? '', subnet_ids: ids },
  };
}

interface Context {
  readonly router: RouterRow;
  readonly attached: Attached;
}

async function addBySubnet(
  tx: Transaction,
  call: Call,
  { router, attached, subnetId }: Context & { readonly subnetId: string },
): Promise<InterfaceInfo> {
  const subnet = await showSubnet(tx, call, subnetId);
  if (subnet.gateway_ip === null) throw bad('Subnet for router interface must have a gateway IP');
  if (!owns(call, subnet)) {
    throw bad(
      `Cannot add interface to router because subnet ${subnetId} is not owned by project making the request`,
    );
  }
  checkAddressMode(subnet);
  checkOverlaps([subnet], attached, await haSubnets(tx, router));
  const [network] = await tx.networks.lock({ id: subnet.network_id });
  if (!network || !(await tx.subnets.get({ id: subnetId }))) throw subnetNotFound(subnetId);
  const fixedIp = { subnet_id: subnet.id, ip_address: subnet.gateway_ip };
  const owner = interfaceOwner(router);
  const shared = subnet.ip_version === 6 ? ipv6PortIn(attached.ports, network.id, owner) : undefined;
  const [port] = shared ? await tx.ports.lock({ id: shared.id }) : [];
  if (port) {
    const requests = [...port.fixed_ips, fixedIp];
    const changed = await changePortAddresses(tx, call, { port, requests });
    return infoOf(router, changed, [subnet]);
  }
  const bindings = await tx.routerBindings.find({ router_id: router.id });
  const made = await createRouterPort(tx, call, {
    network,
    asked: {
      ...{ project_id: router.project_id, network_id: network.id, fixed_ips: [fixedIp] },
      ...{
        device_id: router.id,
        device_owner: owner,
        host: preferredHost(bindings),
        port_security_enabled: false,
      },
    },
  });
  return infoOf(router, made, [subnet]);
}

function checkAddressesOwned(call: Call, port: PortRow, subnets: readonly SubnetRow[]): void {
  if (call.caller.isAdmin) return;
  for (const { subnet_id, ip_address } of port.fixed_ips) {
    const subnet = subnets.find((one) => one.id === subnet_id);
    const address = parseAddress(ip_address);
    if (!subnet || !address || subnet.project_id === call.caller.projectId) continue;
    if (inRanges(rangesOf(subnet.allocation_pools), address.value)) continue;
    throw bad(
      `Cannot add interface to router because specified port ${port.id} has an IP address out of the allocation pool of subnet ${subnet_id}, which is not owned by the project making the request`,
    );
  }
}

async function addByPort(
  tx: Transaction,
  call: Call,
  { router, attached, portId }: Context & { readonly portId: string },
): Promise<InterfaceInfo> {
  await showPort(tx, call, portId);
  const [port] = await tx.ports.lock({ id: portId });
  if (!port || !owns(call, port)) throw portNotFound(portId);
  if (port.device_id !== '') {
    throw new Fault(
      'PortInUse',
      `Unable to complete operation on port ${port.id} for network ${port.network_id}. Port already has an attached device ${port.device_id}.`,
    );
  }
  await refuseTrunkPort(tx, portId);
  if (port.fixed_ips.length === 0) throw bad('Router port must have at least one fixed IP');
  const all = await tx.subnets.find({ network_id: port.network_id });
  const subnets = port.fixed_ips.flatMap((ip) => all.find((subnet) => subnet.id === ip.subnet_id) ?? []);
  for (const subnet of subnets) checkAddressMode(subnet);
  checkOneIpv6Port(port, attached.ports);
  checkOverlaps(subnets, attached, await haSubnets(tx, router));
  checkOneIpv4Subnet(subnets);
  checkAddressesOwned(call, port, subnets);
  const changes = { device_id: router.id, device_owner: interfaceOwner(router), ...UNSECURED };
  await leaveGroups(tx, portId);
  await tx.ports.update({ id: portId }, { ...changes, ...touched(call, port) });
  await bindRouterPorts(tx, call, [router]);
  return infoOf(router, port, subnets);
}

/** Attaches a subnet by its gateway's address, or a port with the addresses that it has. */
export async function addRouterInterface(
  tx: Transaction,
  call: Call,
  { routerId, subnetId, portId }: InterfaceRequest,
): Promise<InterfaceInfo> {
  const router = await lockRouter(tx, call, routerId);
  const attached = await attachedTo(tx, routerId);
  let info: InterfaceInfo;
  if (portId !== undefined) info = await addByPort(tx, call, { router, attached, portId });
  else if (subnetId !== undefined) info = await addBySubnet(tx, call, { router, attached, subnetId });
  else throw bad('Either subnet_id or port_id must be specified');
  await tx.routers.update({ id: routerId }, touched(call, router));
  await scheduleRouter(tx, call, router);
  return info;
}

const notThere = (routerId: string, portId: string): Fault =>
  new Fault('RouterInterfaceNotFound', `Router ${routerId} does not have an interface with id ${portId}`);

async function removeByPort(
  tx: Transaction,
  call: Call,
  {
    router,
    attached,
    portId,
    subnetId,
  }: Context & { readonly portId: string; readonly subnetId: string | undefined },
): Promise<InterfaceInfo> {
  const port = attached.ports.find((one) => one.id === portId && INTERFACE_OWNERS.includes(one.device_owner));
  if (!port) throw notThere(router.id, portId);
  const subnets = attached.subnets.filter((one) => port.fixed_ips.some((ip) => ip.subnet_id === one.id));
  if (subnetId !== undefined && !subnets.some((subnet) => subnet.id === subnetId)) {
    throw new Fault(
      'SubnetMismatchForPort',
      `Subnet on port ${portId} does not match the requested subnet ${subnetId}.`,
    );
  }
  for (const subnet of subnets) await checkUnused(tx, router, subnet);
  await removeAttached(tx, call, [portId]);
  return infoOf(router, port, subnets);
}

async function removeBySubnet(
  tx: Transaction,
  call: Call,
  { router, attached, subnetId }: Context & { readonly subnetId: string },
): Promise<InterfaceInfo> {
  const subnet = await tx.subnets.get({ id: subnetId });
  if (!subnet) throw subnetNotFound(subnetId);
  const port = attached.ports.find(
    (one) =>
      INTERFACE_OWNERS.includes(one.device_owner) && one.fixed_ips.some((ip) => ip.subnet_id === subnetId),
  );
  if (!port) {
    throw new Fault(
      'RouterInterfaceNotFoundForSubnet',
      `Router ${router.id} has no interface on subnet ${subnetId}`,
    );
  }
  await checkUnused(tx, router, subnet);
  const rest = port.fixed_ips.filter((ip) => ip.subnet_id !== subnetId);
  if (rest.length === 0) await removeAttached(tx, call, [port.id]);
  else {
    await tx.networks.lock({ id: port.network_id });
    const [locked] = await tx.ports.lock({ id: port.id });
    if (!locked) throw new RunAgain();
    await checkFloatingKept(tx, call, { port: locked, fixedIps: rest });
    await changePortAddresses(tx, call, { port: locked, requests: rest });
  }
  return infoOf(router, port, [subnet]);
}

/** Detaches a subnet or a port (which is deleted); both may be named where they agree. */
export async function removeRouterInterface(
  tx: Transaction,
  call: Call,
  { routerId, subnetId, portId }: InterfaceRequest,
): Promise<InterfaceInfo> {
  const router = await lockRouter(tx, call, routerId);
  const attached = await attachedTo(tx, routerId);
  let info: InterfaceInfo;
  if (portId !== undefined) info = await removeByPort(tx, call, { router, attached, portId, subnetId });
  else if (subnetId !== undefined) info = await removeBySubnet(tx, call, { router, attached, subnetId });
  else throw bad('Either subnet_id or port_id must be specified');
  await tx.routers.update({ id: routerId }, touched(call, router));
  return info;
}
