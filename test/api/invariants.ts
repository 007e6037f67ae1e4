/**
 * What is always so in a database, whatever was accepted in whatever order. Pure: functions of all rows (`readWorld`).
 * What constraints of the tables see to is asked too, lest one goes.
 */
import { DESCRIPTIONS } from '../../src/store/tables.ts';
import { EVERY_PROJECT } from '../../src/resources/rbac-policy.ts';
import type { Invariant, World } from './invariants/world.ts';
import { ADDRESS_INVARIANTS } from './invariants/addresses.ts';
import { PORT_INVARIANTS } from './invariants/ports.ts';
import { ROUTER_INVARIANTS } from './invariants/routers.ts';

export { readWorld, type World } from './invariants/world.ts';

type TableName = Exclude<keyof World, 'scopes' | 'heard'>;
type Row = Readonly<Record<string, unknown>>;

/** Columns with the id of a row of another table, or null. */
const REFERENCES: readonly (readonly [from: TableName, column: string, to: TableName, key?: string])[] = [
  ['subnets', 'network_id', 'networks'],
  ['subnets', 'subnetpool_id', 'subnetPools'],
  ['subnetPools', 'address_scope_id', 'addressScopes'],
  ['ports', 'network_id', 'networks'],
  ['ports', 'qos_policy_id', 'qosPolicies'],
  ['networks', 'qos_policy_id', 'qosPolicies'],
  ['floatingIps', 'qos_policy_id', 'qosPolicies'],
  ['routers', 'qos_policy_id', 'qosPolicies'],
  ['routers', 'flavor_id', 'flavors'],
  ['routers', 'ha_network_id', 'networks'],
  ['routers', 'gw_port_id', 'ports'],
  ['floatingIps', 'router_id', 'routers'],
  ['floatingIps', 'port_id', 'ports'],
  ['floatingIps', 'floating_network_id', 'networks'],
  ['portForwardings', 'floating_ip_id', 'floatingIps'],
  ['provisioningBlocks', 'port_id', 'ports'],
  ['dhcpBindings', 'network_id', 'networks'],
  ['dhcpBindings', 'agent_id', 'agents'],
  ['routerBindings', 'router_id', 'routers'],
  ['routerBindings', 'agent_id', 'agents'],
  ['haNetworks', 'network_id', 'networks'],
  ['portSecurityGroups', 'port_id', 'ports'],
  ['portSecurityGroups', 'security_group_id', 'securityGroups'],
  ['securityGroupRules', 'security_group_id', 'securityGroups'],
  ['securityGroupRules', 'remote_group_id', 'securityGroups'],
  ['securityGroupRules', 'remote_address_group_id', 'addressGroups'],
  ['qosRules', 'qos_policy_id', 'qosPolicies'],
  ['trunks', 'port_id', 'ports'],
  ['subports', 'port_id', 'ports'],
  ['subports', 'trunk_id', 'trunks'],
  ['flavorProfiles', 'flavor_id', 'flavors'],
  ['flavorProfiles', 'service_profile_id', 'serviceProfiles'],
  ['autoAllocatedTopologies', 'network_id', 'networks'],
  ['meteringLabelRules', 'metering_label_id', 'meteringLabels'],
  ['agents', 'host', 'hosts', 'name'],
];

function* referencesAreThere(world: World) {
  for (const [from, column, to, key = 'id'] of REFERENCES) {
    const known = new Set((world[to] as readonly unknown[]).map((row) => (row as Row)[key]));
    for (const row of world[from] as unknown as readonly Row[])
      if (row[column] !== null && !known.has(row[column])) yield `${from}.${column}: ${row[column]}`;
  }
}

const SHARED: Readonly<Record<string, TableName>> = {
  address_group: 'addressGroups',
  address_scope: 'addressScopes',
  network: 'networks',
  qos_policy: 'qosPolicies',
  security_group: 'securityGroups',
  subnetpool: 'subnetPools',
};

function* whatIsSharedHasItsPolicy(world: World) {
  const policies = Map.groupBy(world.rbacPolicies, (one) => `${one.action} ${one.object_id}`);
  for (const { id, object_type, object_id } of world.rbacPolicies) {
    const rows = world[SHARED[object_type] ?? 'networks'] as readonly { readonly id: string }[];
    if (!rows.some((row) => row.id === object_id)) yield `policy ${id} is for ${object_type} ${object_id}`;
  }
  const targetsOf = (action: string, id: string) =>
    (policies.get(`${action} ${id}`) ?? []).map((one) => one.target_tenant);
  for (const [type, table] of Object.entries(SHARED))
    for (const { id, shared } of world[table] as unknown as readonly { id: string; shared: boolean }[])
      if (shared !== targetsOf('access_as_shared', id).includes(EVERY_PROJECT))
        yield `${type} ${id} says shared: ${shared}`;
  for (const { id, external } of world.networks)
    if (external !== targetsOf('access_as_external', id).length > 0) yield `${id} says external: ${external}`;
}

const hasTags = (row: object): row is { id: string; tags: string[] } => 'tags' in row;

/** All rows with standard attributes, by what they are and their id. */
const standardRows = (world: World): [string, Row][] =>
  (Object.keys(DESCRIPTIONS) as TableName[]).flatMap((table) =>
    (world[table] as readonly object[])
      .filter(hasTags)
      .map((row): [string, Row] => [`${table} ${row.id}`, row as unknown as Row]),
  );

function* tagsAreFew(world: World) {
  for (const [name, { tags }] of standardRows(world)) {
    const list = tags as string[];
    const isRight = list.every((tag, at) => tag !== '' && tag.length <= 255 && tag !== list[at - 1]);
    if (!isRight || list.length > 200 || list.join() !== list.toSorted().join()) yield `of ${name}: ${list}`;
  }
}

/** Of each kind of object that agents hear, where its row is. */
const HEARD: Readonly<Record<string, TableName>> = {
  network: 'networks',
  subnet: 'subnets',
  port: 'ports',
  lease: 'ports',
  router: 'routers',
  'security-group': 'securityGroups',
  'address-group': 'addressGroups',
};

/** Attributes of what agents hear that name something else that they have to hear of, or that is a row at least. */
const NAMES: readonly (readonly [attribute: string, table: TableName])[] = [
  ['network_id', 'networks'],
  ['port_id', 'ports'],
  ['remote_group_id', 'securityGroups'],
  ['remote_address_group_id', 'addressGroups'],
];

function* whatAgentsHearIsThere(world: World) {
  const ids = (table: TableName) =>
    new Set((world[table] as readonly unknown[]).map((row) => (row as Row)['id']));
  const known = new Map<TableName, Set<unknown>>();
  const has = (table: TableName, id: unknown) => {
    if (!known.has(table)) known.set(table, ids(table));
    return known.get(table)?.has(id);
  };
  for (const [group, objects] of world.heard)
    for (const [key, body] of objects) {
      const [kind = '', id] = key.split('/');
      const table = HEARD[kind];
      if (table && !has(table, id)) yield `${group}: ${key}`;
      const rules = 'rules' in body ? (body.rules as unknown as readonly Row[]) : [];
      for (const it of [body as unknown as Row, ...rules])
        for (const [attribute, of] of NAMES)
          if (typeof it[attribute] === 'string' && !has(of, it[attribute]))
            yield `${group}: ${attribute} ${it[attribute]} of ${key}`;
    }
}

/** A host that has a port hears all that the port is made of. */
function* hostsHearTheirPorts(world: World) {
  const rules = Map.groupBy(world.securityGroupRules, ({ security_group_id }) => security_group_id);
  const groups = Map.groupBy(world.portSecurityGroups, ({ port_id }) => port_id);
  for (const { id, host, network_id } of world.ports) {
    if (host === '' || !world.scopes.has(host)) continue;
    const own = groups.get(id)?.map(({ security_group_id }) => security_group_id) ?? [];
    const remotes = own.flatMap((one) => rules.get(one) ?? []);
    const needed = [
      `network/${network_id}`,
      ...own.map((one) => `security-group/${one}`),
      ...remotes.flatMap(({ remote_group_id: one }) => (one === null ? [] : [`members/${one}`])),
      ...remotes.flatMap(({ remote_address_group_id: one }) =>
        one === null ? [] : [`address-group/${one}`],
      ),
    ];
    const missing = needed.find((group) => !world.scopes.get(host)?.includes(group));
    if (missing !== undefined) yield `${host} has port ${id} and not ${missing}`;
  }
}

export const INVARIANTS: Readonly<Record<string, Invariant>> = {
  'what is referred to is there': referencesAreThere,
  ...ADDRESS_INVARIANTS,
  ...ROUTER_INVARIANTS,
  ...PORT_INVARIANTS,
  'what is shared has its policy': whatIsSharedHasItsPolicy,
  'tags are different, sorted and few': tagsAreFew,
  'what agents hear is there': whatAgentsHearIsThere,
  'a host hears what its ports are made of': hostsHearTheirPorts,
};

/** What is broken, a sentence each. */
export const broken = (world: World): string[] =>
  Object.entries(INVARIANTS).flatMap(([name, invariant]) =>
    [...invariant(world)].map((what) => `${name}: ${what}`),
  );

/** By resource with a quota: its rows but for those that come by themselves, which no quota refuses. */
const COUNTED: Readonly<Record<string, (world: World) => readonly { readonly project_id: string }[]>> = {
  network: (world) => world.networks,
  subnet: (world) => world.subnets,
  port: (world) => world.ports.filter((port) => !port.device_owner.startsWith('network:')),
  router: (world) => world.routers,
  floatingip: (world) => world.floatingIps,
  rbac_policy: (world) => world.rbacPolicies,
  subnetpool: (world) => world.subnetPools,
  trunk: (world) => world.trunks,
  security_group: (world) => world.securityGroups.filter((group) => group.default_of === null),
};

function* quotasHold(before: World, after: World) {
  for (const { project_id, resource, limit } of after.quotas) {
    const had = before.quotas.find((one) => one.project_id === project_id && one.resource === resource);
    if (limit < 0 || had?.limit !== limit) continue;
    const count = (world: World) =>
      COUNTED[resource]?.(world).filter((row) => row.project_id === project_id).length ?? 0;
    if (count(after) > limit && count(after) > count(before))
      yield `${project_id} has ${count(after)} of ${limit} ${resource}`;
  }
}

/** Columns that change without being another revision: what agents report, and what never is shown. */
const UNREVISED = ['status', 'tag', 'position', 'updated_at', 'generation', 'shared', 'external'];

function* revisionsRise(before: World, after: World) {
  const old = new Map(standardRows(before));
  const text = (row: Row) =>
    JSON.stringify(row, (key, value) => (UNREVISED.includes(key) ? undefined : value));
  for (const [name, row] of standardRows(after)) {
    const was = old.get(name);
    if (!was) continue;
    const [from, to] = [Number(was['revision_number']), Number(row['revision_number'])];
    if (to < from) yield `${name} fell from ${from} to ${to}`;
    else if (to === from && text(was) !== text(row)) yield `${name} changed: ${text(was)} to ${text(row)}`;
    if (was['created_at'] !== row['created_at']) yield `${name} was created at another time`;
  }
}

/** What is wrong with having come from one state to another by accepted requests. */
export const brokenBetween = (before: World, after: World): string[] => [
  ...[...quotasHold(before, after)].map((what) => `a quota is a limit: ${what}`),
  ...[...revisionsRise(before, after)].map((what) => `what changes is another revision: ${what}`),
];
