/** Security groups for `watch-world.ts`: what a host should hold of them, and random changes of them. */
import { integerBetween } from '../../src/lib/random.ts';
import {
  addressGroupBody,
  type Body,
  type Group,
  hostGroup,
  memberBody,
  portBody,
  securityGroupBody,
} from '../../src/resources/agent-view.ts';
import type { AddressGroupRow } from '../../src/resources/address-group.ts';
import type { SecurityGroupRow } from '../../src/resources/security-group.ts';
import type { SecurityGroupRuleRow } from '../../src/resources/security-group-rule.ts';
import type { RowOf } from '../../src/store/memory/memory-store.ts';
import type { TableName } from '../../src/store/memory/schema.ts';
import type { WatchWorld } from './watch-world.ts';

type Rows = <Name extends TableName>(table: Name) => readonly RowOf<Name>[];

/** The host's ports, the groups that they are in, and the remotes of those groups' rules. */
export function putSecurity(groups: Map<Group, Map<string, Body>>, host: string, rows: Rows): void {
  const associations = rows('portSecurityGroups');
  const inGroup = (id: string) => associations.filter((one) => one.security_group_id === id);
  const own = new Set<string>();
  for (const port of rows('ports').filter((one) => one.host === host)) {
    const of = associations.filter((one) => one.port_id === port.id).map((one) => one.security_group_id);
    groups.get(hostGroup(host))?.set(`port/${port.id}`, portBody(port, of));
    for (const id of of) own.add(id);
  }
  const rules = rows('securityGroupRules').filter((one) => own.has(one.security_group_id));
  const only = (name: string, body: Body) => groups.set(name, new Map([[name, body]]));
  for (const row of rows('securityGroups').filter((one) => own.has(one.id))) {
    const its = rules.filter((one) => one.security_group_id === row.id);
    only(`security-group/${row.id}`, securityGroupBody(row, its));
  }
  for (const id of new Set(rules.flatMap((one) => one.remote_group_id ?? []))) {
    const members = rows('ports').filter((port) => inGroup(id).some((one) => one.port_id === port.id));
    groups.set(`members/${id}`, new Map(members.map((port) => [`member/${port.id}`, memberBody(port)])));
  }
  const named = new Set(rules.flatMap((one) => one.remote_address_group_id ?? []));
  for (const row of rows('addressGroups').filter((one) => named.has(one.id)))
    only(`address-group/${row.id}`, addressGroupBody(row));
}

const standard = {
  ...{ project_id: 'p', description: '', revision_number: 1, created_at: '', updated_at: '' },
  ...{ tags: [], shared: false },
};

export const securityGroupRow = (id: string): SecurityGroupRow => ({
  ...{ id, ...standard, name: 'group', stateful: true, default_of: null },
});

export const ruleRow = (
  id: string,
  security_group_id: string,
  fields: Partial<SecurityGroupRuleRow> = {},
): SecurityGroupRuleRow => ({
  ...{ id, ...standard, security_group_id, direction: 'ingress', ethertype: 'IPv4', protocol: null },
  ...{ port_range_min: null, port_range_max: null, remote_ip_prefix: null, remote_group_id: null },
  remote_address_group_id: null,
  ...fields,
});

export const addressGroupRow = (id: string): AddressGroupRow => ({
  ...{ id, ...standard, name: 'addresses', addresses: ['10.1.0.0/16'] },
});

const addressOf = (world: WatchWorld) => `10.0.${integerBetween(world.random, 0, 9)}.1`;

/** A group, mostly with its own members let in; sometimes an address group. */
async function makeGroup(world: WatchWorld): Promise<void> {
  const { random } = world;
  const id = random.uuid();
  await world.transact(async (tx) => {
    if (random.next() < 0.2) return tx.addressGroups.insert([addressGroupRow(id)]);
    await tx.securityGroups.insert([securityGroupRow(id)]);
    if (random.next() < 0.7)
      await tx.securityGroupRules.insert([ruleRow(random.uuid(), id, { remote_group_id: id })]);
  });
}

/** A rule more or less, mostly one with a remote. */
async function changeRules(world: WatchWorld): Promise<void> {
  const { random } = world;
  const group = world.pick(world.store.rows('securityGroups'));
  const other = world.pick(world.store.rows('securityGroups'));
  const addresses = world.pick(world.store.rows('addressGroups'));
  if (!group || !other) return;
  const rules = world.store.rows('securityGroupRules').filter((one) => one.security_group_id === group.id);
  await world.transact(async (tx) => {
    const rule = world.pick(rules);
    if (rule && random.next() < 0.5) return tx.securityGroupRules.remove({ id: rule.id });
    const remote = world.pick([
      { remote_group_id: other.id },
      { remote_group_id: other.id },
      { remote_ip_prefix: '10.0.0.0/8' },
      ...(addresses ? [{ remote_address_group_id: addresses.id }] : []),
    ]);
    await tx.securityGroupRules.insert([ruleRow(random.uuid(), group.id, remote)]);
  });
}

/** A port comes into a group or leaves it. */
async function changeMembership(world: WatchWorld): Promise<void> {
  const group = world.pick(world.store.rows('securityGroups'));
  const port = world.pick(world.store.rows('ports'));
  if (!group || !port) return;
  const row = { port_id: port.id, security_group_id: group.id };
  await world.transact(async (tx) => {
    const removed = await tx.portSecurityGroups.remove(row);
    if (removed.length === 0) await tx.portSecurityGroups.insert([row]);
  });
}

async function changeAddresses(world: WatchWorld): Promise<void> {
  const { random } = world;
  const port = world.pick(world.store.rows('ports'));
  const group = world.pick(world.store.rows('addressGroups'));
  await world.transact(async (tx) => {
    if (group && random.next() < 0.3)
      return tx.addressGroups.update({ id: group.id }, { addresses: [`${addressOf(world)}/32`] });
    if (!port) return;
    const changes = world.pick([
      { fixed_ips: [{ subnet_id: port.network_id, ip_address: addressOf(world) }] },
      { allowed_address_pairs: [{ ip_address: addressOf(world), mac_address: 'fa:16:3e:00:00:01' }] },
      { port_security_enabled: !port.port_security_enabled },
    ]);
    if (changes) await tx.ports.update({ id: port.id }, changes);
  });
}

/** With all that refers to it; sometimes it only becomes another. */
async function dropGroup(world: WatchWorld): Promise<void> {
  const group = world.pick(world.store.rows('securityGroups'));
  if (!group) return;
  await world.transact(async (tx) => {
    if (world.random.next() < 0.5)
      return tx.securityGroups.update({ id: group.id }, { stateful: !group.stateful });
    await tx.portSecurityGroups.remove({ security_group_id: group.id });
    await tx.securityGroups.remove({ id: group.id });
  });
}

export const SECURITY_OPERATIONS: readonly ((world: WatchWorld) => Promise<unknown>)[] = [
  makeGroup,
  changeRules,
  changeRules,
  changeMembership,
  changeMembership,
  changeMembership,
  changeAddresses,
  dropGroup,
];
