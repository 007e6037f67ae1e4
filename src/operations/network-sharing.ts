/**
 * Who sees and uses which networks: their owners; every project if shared; and by RBAC policies single ones. A policy
 * `access_as_external` lets its targets have gateways and floating IPs on it and see it; a network is external as long as it
 * has one. An external network without any is from before there were such policies: every project sees it.
 */
import type { NetworkRow } from '../resources/network.ts';
import { EVERY_PROJECT } from '../resources/rbac-policy.ts';
import { ROUTER_GATEWAY_OWNER } from '../resources/router.ts';
import type { ListFilter, ListQuery, Tables } from '../store/store.ts';
import { networkNotFound } from './faults.ts';
import type { Call } from './operation.ts';
import { sharedWithCaller } from './sharing.ts';
import { owns } from './standard.ts';

const AS_EXTERNAL = { object_type: 'network', action: 'access_as_external' } as const;

const isFor = (call: Call, target: string): boolean =>
  target === EVERY_PROJECT || target === call.caller.projectId;

/** Whether the caller may have ports on it, and so sees its subnets. */
export async function usesNetwork(tables: Tables, call: Call, network: NetworkRow): Promise<boolean> {
  if (owns(call, network) || network.shared) return true;
  return (await sharedWithCaller(tables, call, { type: 'network', id: network.id })).length > 0;
}

export async function seesNetwork(tables: Tables, call: Call, network: NetworkRow): Promise<boolean> {
  if (await usesNetwork(tables, call, network)) return true;
  if (!network.external) return false;
  const policies = await tables.rbacPolicies.find({ ...AS_EXTERNAL, object_id: network.id });
  return policies.length === 0 || policies.some(({ target_tenant }) => isFor(call, target_tenant));
}

/** The network, if it is there and the caller may see it; `shared` is true to whom it is shared with. */
export async function visibleNetwork(tables: Tables, call: Call, id: string): Promise<NetworkRow> {
  const network = await tables.networks.get({ id });
  if (!network || !(await seesNetwork(tables, call, network))) throw networkNotFound(id);
  return owns(call, network) || network.shared
    ? network
    : { ...network, shared: await usesNetwork(tables, call, network) };
}

/** The external networks that the caller sees, as a filter. */
async function externalFilter(tables: Tables, call: Call): Promise<ListFilter<NetworkRow>> {
  const policies = await tables.rbacPolicies.find(AS_EXTERNAL);
  const targets = Map.groupBy(policies, ({ object_id }) => object_id);
  const hidden = [...targets].filter(([, own]) => !own.some((one) => isFor(call, one.target_tenant)));
  if (hidden.length === 0) return { column: 'external', operator: 'in', values: [true] };
  const external = await tables.networks.find({ external: true });
  const hiddenIds = new Set(hidden.map(([id]) => id));
  return {
    column: 'id',
    operator: 'in',
    values: external.map(({ id }) => id).filter((id) => !hiddenIds.has(id)),
  };
}

/** The ids of all external networks that the caller sees; an admin sees all. */
export async function visibleExternalNetworkIds(tables: Tables, call: Call): Promise<string[]> {
  const external = await tables.networks.find({ external: true });
  const seen = await Promise.all(external.map((network) => seesNetwork(tables, call, network)));
  return external.flatMap(({ id }, at) => (seen[at] ? [id] : []));
}

/** The ids of networks on which the caller may have ports though they are another's. */
export async function usableNetworkIds(tables: Tables, call: Call): Promise<string[]> {
  const shared = await tables.networks.find({ shared: true });
  return [...shared.map(({ id }) => id), ...(await sharedWithCaller(tables, call, { type: 'network' }))];
}

/** A page of the networks that a member sees: their own, shared and external ones. */
export async function listVisibleNetworks(
  tables: Tables,
  call: Call,
  query: ListQuery<NetworkRow>,
): Promise<NetworkRow[]> {
  const ids = await sharedWithCaller(tables, call, { type: 'network' });
  const filters = await Promise.all(query.filters.map((one) => sharedFilter(tables, ids, one)));
  const rows = await tables.networks.list({
    ...query,
    filters: filters.flat(),
    anyOf: [
      { column: 'project_id', operator: 'in', values: [call.caller.projectId] },
      { column: 'shared', operator: 'in', values: [true] },
      { column: 'id', operator: 'in', values: ids },
      await externalFilter(tables, call),
    ],
  });
  return rows.map((row) => (ids.includes(row.id) && !owns(call, row) ? { ...row, shared: true } : row));
}

/** What a filter by `shared` means to someone with whom these are shared as well. */
async function sharedFilter(
  tables: Tables,
  ids: readonly string[],
  filter: ListFilter<NetworkRow>,
): Promise<ListFilter<NetworkRow>[]> {
  if (filter.column !== 'shared' || ids.length === 0) return [filter];
  if (filter.values.length > 1) return [];
  if (filter.values[0] === false) return [filter, { column: 'id', operator: 'not in', values: ids }];
  const withAll = await tables.networks.find({ shared: true });
  return [{ column: 'id', operator: 'in', values: [...ids, ...withAll.map(({ id }) => id)] }];
}

/** The ids of a member's own networks in which others may have ports. */
export async function ownNetworksUsedByOthers(tables: Tables, call: Call): Promise<string[]> {
  const own = await tables.networks.find({ project_id: call.caller.projectId });
  if (own.length === 0) return [];
  const ids = own.map(({ id }) => id);
  const policies = await tables.rbacPolicies.find({ object_type: 'network', object_id: ids });
  const targeted = new Set(policies.map(({ object_id }) => object_id));
  return own.filter(({ id, shared }) => shared || targeted.has(id)).map(({ id }) => id);
}

/** The projects that have ports or subnets on the network. */
export async function projectsOnNetwork(tables: Tables, network: NetworkRow): Promise<Set<string>> {
  const ports = await tables.ports.find({ network_id: network.id });
  const subnets = await tables.subnets.find({ network_id: network.id });
  const users = [...ports.filter((port) => !port.device_owner.startsWith('network:')), ...subnets];
  return new Set(users.map(({ project_id }) => project_id));
}

/** The projects that have gateways or floating IPs on the external network. */
export async function projectsOutBy(tables: Tables, network: NetworkRow): Promise<Set<string>> {
  const gateways = await tables.ports.find({ network_id: network.id, device_owner: ROUTER_GATEWAY_OWNER });
  const ids = gateways.map(({ device_id }) => device_id);
  const routers = ids.length === 0 ? [] : await tables.routers.find({ id: ids });
  const floatingIps = await tables.floatingIps.find({ floating_network_id: network.id });
  return new Set([...routers, ...floatingIps].map(({ project_id }) => project_id));
}
