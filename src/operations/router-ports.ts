/** The ports that routers have, and the host to which they are bound: that of the preferred replica. */
import type { NetworkRow } from '../resources/network.ts';
import type { PortRow } from '../resources/port.ts';
import {
  INTERFACE_OWNERS,
  ROUTER_GATEWAY_OWNER,
  type RouterBindingRow,
  type RouterRow,
} from '../resources/router.ts';
import type { Transaction } from '../store/store.ts';
import { bind, bindingFacts, UNBOUND } from './binding.ts';
import type { Call } from './operation.ts';
import { insertPorts, planPorts, type PortCreate } from './port.ts';
import { reopenBlocks } from './provisioning.ts';
import { touched } from './standard.ts';

/** The host of the replica that is preferred; '' where there is none. */
export function preferredHost(bindings: readonly RouterBindingRow[]): string {
  const [first] = [...bindings].sort((a, b) => Number(a.leaving) - Number(b.leaving) || a.rank - b.rank);
  return first?.host ?? '';
}

/** Makes a port in a network, which is locked here. */
export async function createRouterPort(
  tx: Transaction,
  call: Call,
  { network, asked }: { readonly network: NetworkRow; readonly asked: PortCreate },
): Promise<PortRow> {
  const subnets = await tx.subnets.find({ network_id: network.id });
  const facts = await bindingFacts(tx, [asked.host ?? '']);
  const ports = await planPorts(tx, call, { network, subnets, facts, asked: [asked] });
  await insertPorts(tx, ports, subnets);
  return ports[0]!;
}

/** Binds the router's interfaces and gateway to the host of its preferred replica. The router is locked. */
export async function bindRouterPorts(
  tx: Transaction,
  call: Call,
  routers: readonly RouterRow[],
): Promise<void> {
  const ids = routers.map((router) => router.id);
  if (ids.length === 0) return;
  const bindings = Map.groupBy(await tx.routerBindings.find({ router_id: ids }), (one) => one.router_id);
  const hostOf = new Map(ids.map((id) => [id, preferredHost(bindings.get(id) ?? [])]));
  const owners = [...INTERFACE_OWNERS, ROUTER_GATEWAY_OWNER];
  const found = await tx.ports.find({ device_id: ids, device_owner: owners });
  const stray = found.filter((port) => port.host !== hostOf.get(port.device_id));
  if (stray.length === 0) return;
  const networks = await tx.networks.find({ id: [...new Set(stray.map((port) => port.network_id))] });
  const networkOf = new Map(networks.map((network) => [network.id, network]));
  const facts = await bindingFacts(tx, [...hostOf.values()]);
  for (const port of await tx.ports.lock({ id: stray.map((one) => one.id) })) {
    const network = networkOf.get(port.network_id);
    const host = hostOf.get(port.device_id) ?? '';
    const binding =
      network && host !== '' ? bind(facts, { host, network, vnicType: port.vnic_type }) : UNBOUND;
    const changes = { ...binding, generation: port.generation + 1, status: 'DOWN' as const };
    await reopenBlocks(tx, await tx.ports.update({ id: port.id }, { ...changes, ...touched(call, port) }));
  }
}
