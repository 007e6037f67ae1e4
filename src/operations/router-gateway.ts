/** A router's way out: its port on an external network. */
import { Fault } from '../resources/errors.ts';
import type { NetworkRow } from '../resources/network.ts';
import type { FixedIp, PortRow } from '../resources/port.ts';
import {
  type GatewayInfo,
  type GatewayRequest,
  ROUTER_GATEWAY_OWNER,
  type RouterRow,
  type RouterView,
} from '../resources/router.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { badRequest, networkNotFound } from './faults.ts';
import { seesNetwork } from './network-sharing.ts';
import type { Call } from './operation.ts';
import { changePortAddresses } from './port.ts';
import { removeAttached } from './port-routing.ts';
import { checkPolicyChange } from './qos-policy.ts';
import { attachedTo, haSubnets } from './router-attached.ts';
import { createRouterPort, preferredHost } from './router-ports.ts';
import { checkOverlaps, checkRoutesKept } from './router-rules.ts';

/** Routers as the API shows them. */
export async function viewRouters(tables: Tables, routers: readonly RouterRow[]): Promise<RouterView[]> {
  const ids = routers.flatMap((router) => router.gw_port_id ?? []);
  const ports = ids.length === 0 ? [] : await tables.ports.find({ id: ids });
  const portOf = new Map(ports.map((port) => [port.id, port]));
  return routers.map((router) => ({
    ...router,
    external_gateway_info: infoOf(router, portOf.get(router.gw_port_id ?? '')),
  }));
}

function infoOf(router: RouterRow, port: PortRow | undefined): GatewayInfo | null {
  if (!port) return null;
  const external_fixed_ips = port.fixed_ips.map(({ subnet_id, ip_address }) => ({ subnet_id, ip_address }));
  const { enable_snat, qos_policy_id } = router;
  return { network_id: port.network_id, enable_snat, external_fixed_ips, qos_policy_id };
}

/** The external network, locked, if the caller may go out by it. */
async function lockExternal(tx: Transaction, call: Call, id: string): Promise<NetworkRow> {
  const [network] = await tx.networks.lock({ id });
  if (!network || !(await seesNetwork(tx, call, network))) throw networkNotFound(id);
  if (!network.external) throw badRequest('router', `Network ${id} is not an external network`);
  return network;
}

function checkNotTheirGateway(asked: GatewayRequest, subnets: readonly SubnetRow[]): void {
  for (const { ip_address } of asked.external_fixed_ips ?? []) {
    if (ip_address === undefined || !subnets.some((subnet) => subnet.gateway_ip === ip_address)) continue;
    throw badRequest('router', `External IP ${ip_address} is the same as the gateway IP`);
  }
}

/** Whether other addresses are asked for than the gateway has. */
function asksForOthers(asked: GatewayRequest, has: readonly FixedIp[]): boolean {
  const wanted = asked.external_fixed_ips ?? [];
  if (wanted.length === 0) return false;
  const differ = (one: readonly (string | undefined)[], other: readonly string[]) =>
    JSON.stringify([...new Set(one.filter((it) => it !== undefined))].sort()) !==
    JSON.stringify([...new Set(other)].sort());
  return (
    differ(
      wanted.map((ip) => ip.subnet_id),
      has.map((ip) => ip.subnet_id),
    ) ||
    differ(
      wanted.map((ip) => ip.ip_address),
      has.map((ip) => ip.ip_address),
    )
  );
}

/** Takes the gateway of a router away, which is locked; refused while floating IPs need it. */
export async function removeGateway(
  tx: Transaction,
  call: Call,
  { router, port }: { readonly router: RouterRow; readonly port: PortRow },
): Promise<RouterRow> {
  if ((await tx.floatingIps.count({ router_id: router.id })) > 0) {
    throw new Fault(
      'RouterExternalGatewayInUseByFloatingIp',
      `Gateway cannot be updated for router ${router.id}, since a gateway to external network ${port.network_id} is required by one or more floating IPs.`,
    );
  }
  const [updated = router] = await tx.routers.update(
    { id: router.id },
    { gw_port_id: null, qos_policy_id: null },
  );
  await removeAttached(tx, call, [port.id]);
  return updated;
}

async function addGateway(
  tx: Transaction,
  call: Call,
  { router, asked }: { readonly router: RouterRow; readonly asked: GatewayRequest },
): Promise<RouterRow> {
  const network = await lockExternal(tx, call, asked.network_id);
  const subnets = await tx.subnets.find({ network_id: network.id });
  checkNotTheirGateway(asked, subnets);
  const attached = await attachedTo(tx, router.id);
  checkOverlaps(subnets, attached, await haSubnets(tx, router));
  const bindings = await tx.routerBindings.find({ router_id: router.id });
  const port = await createRouterPort(tx, call, {
    network,
    asked: {
      // Of no project: it is not the tenant's to see.
      ...{ project_id: '', network_id: network.id, device_id: router.id, device_owner: ROUTER_GATEWAY_OWNER },
      ...{ host: preferredHost(bindings), port_security_enabled: false },
      ...(asked.external_fixed_ips?.length ? { fixed_ips: asked.external_fixed_ips } : {}),
    },
  });
  const [updated = router] = await tx.routers.update({ id: router.id }, { gw_port_id: port.id });
  return updated;
}

/** Gives what goes by the gateway this QoS policy. */
async function setPolicy(
  tx: Transaction,
  call: Call,
  { router, policyId }: { readonly router: RouterRow; readonly policyId: string | null },
): Promise<RouterRow> {
  await checkPolicyChange(tx, call, { before: router.qos_policy_id, after: policyId });
  const [updated = router] = await tx.routers.update({ id: router.id }, { qos_policy_id: policyId });
  return updated;
}

/** Sets or takes away the gateway of a router, which is locked. */
export async function setGateway(
  tx: Transaction,
  call: Call,
  { router, asked }: { readonly router: RouterRow; readonly asked: GatewayRequest | null },
): Promise<RouterRow> {
  const enable_snat = asked?.enable_snat ?? true;
  let now: RouterRow = router;
  if (enable_snat !== router.enable_snat) {
    [now = router] = await tx.routers.update({ id: router.id }, { enable_snat });
  }
  const [port] = router.gw_port_id === null ? [] : await tx.ports.find({ id: router.gw_port_id });
  if (asked && port?.network_id === asked.network_id) {
    if (asksForOthers(asked, port.fixed_ips)) {
      await tx.networks.lock({ id: port.network_id });
      checkNotTheirGateway(asked, await tx.subnets.find({ network_id: port.network_id }));
      const [locked] = await tx.ports.lock({ id: port.id });
      if (locked)
        await changePortAddresses(tx, call, { port: locked, requests: asked.external_fixed_ips ?? [] });
    }
  } else {
    if (port) now = await removeGateway(tx, call, { router: now, port });
    if (asked) now = await addGateway(tx, call, { router: now, asked });
  }
  if (asked?.qos_policy_id !== undefined)
    now = await setPolicy(tx, call, { router: now, policyId: asked.qos_policy_id });
  if (now.routes.length > 0) checkRoutesKept(now.routes, await attachedTo(tx, router.id));
  return now;
}
