/** Invariants of what ports are in: security groups, QoS policies, trunks. */
import { completeRule, ruleKey } from '../../../src/operations/rule-checks.ts';
import { SUBPORT_OWNER } from '../../../src/resources/trunk.ts';
import { byId, type Invariant, twice, type World } from './world.ts';

function* groupsNeedPortSecurity({ ports, portSecurityGroups, securityGroups }: World) {
  const groupOf = byId(securityGroups);
  const groupsOf = Map.groupBy(portSecurityGroups, ({ port_id }) => port_id);
  for (const port of ports) {
    const own = (groupsOf.get(port.id) ?? []).map((one) => groupOf.get(one.security_group_id));
    const isTrusted = port.device_owner.startsWith('network:');
    if (isTrusted && port.port_security_enabled) yield `${port.id} is the network’s own and secured`;
    if (!port.port_security_enabled && own.length > 0) yield `${port.id} is in groups`;
    if (!port.port_security_enabled && port.allowed_address_pairs.length > 0) yield `${port.id} has pairs`;
    if (new Set(own.map((group) => group?.stateful)).size > 1) yield `${port.id} is in groups of two kinds`;
    for (const pair of twice(port.allowed_address_pairs, (one) => `${one.mac_address} ${one.ip_address}`))
      yield `${port.id} has ${pair} twice`;
  }
}

function* defaultGroupsAreOne({ securityGroups, ports }: World) {
  for (const { id, name, default_of, project_id } of securityGroups) {
    if (default_of !== null && default_of !== project_id) yield `${id} is not of ${default_of}`;
    if ((name === 'default') !== (default_of !== null)) yield `${id} is named ${name}`;
  }
  yield* twice(securityGroups, ({ default_of }) => default_of);
  const known = new Set(securityGroups.map(({ default_of }) => default_of));
  const secured = ports.filter((port) => port.port_security_enabled && port.project_id !== '');
  for (const project of new Set(secured.map(({ project_id }) => project_id)))
    if (!known.has(project)) yield `project ${project} has none`;
}

function* rulesSayOneThing({ securityGroupRules, securityGroups }: World) {
  yield* twice(securityGroupRules, (rule) => `${rule.security_group_id} ${ruleKey(rule)}`);
  const groupOf = byId(securityGroups);
  for (const rule of securityGroupRules) {
    if (JSON.stringify(completeRule(rule)) !== JSON.stringify(rule)) yield `rule ${rule.id}`;
    if (!groupOf.has(rule.security_group_id)) yield `the group of rule ${rule.id}`;
  }
}

function* addressGroupsHaveEachOnce({ addressGroups }: World) {
  for (const { id, addresses } of addressGroups)
    for (const one of twice(addresses, (it) => it)) yield `${one} of ${id}`;
}

function* policiesHaveOneOfEach({ qosPolicies, qosRules }: World) {
  yield* twice(qosRules, (rule) => `${rule.qos_policy_id} ${rule.type} ${rule.direction}`);
  yield* twice(qosPolicies, ({ default_of }) => default_of);
  for (const { id, is_default, default_of, project_id } of qosPolicies)
    if (default_of !== (is_default ? project_id : null)) yield `default: ${id}`;
}

function* trunksHaveTheirPorts({ trunks, subports, ports }: World) {
  const portOf = byId(ports);
  const trunkOf = byId(trunks);
  yield* twice([...trunks, ...subports], ({ port_id }) => port_id);
  yield* twice(subports, (one) => `${one.trunk_id} ${one.segmentation_type} ${one.segmentation_id}`);
  for (const { port_id, trunk_id, segmentation_id } of subports) {
    const [port, parent] = [portOf.get(port_id), portOf.get(trunkOf.get(trunk_id)?.port_id ?? '')];
    if (port?.device_id !== trunk_id || port.device_owner !== SUBPORT_OWNER) yield `${port_id} is another’s`;
    if (port?.host !== parent?.host) yield `${port_id} is not on the host of its trunk ${trunk_id}`;
    if (segmentation_id < 1 || segmentation_id > 4094) yield `tag ${segmentation_id} of ${port_id}`;
  }
  const joined = new Set(subports.map(({ port_id }) => port_id));
  for (const { id, device_id, device_owner } of ports)
    if (device_owner === SUBPORT_OWNER && trunkOf.has(device_id) && !joined.has(id))
      yield `${id} looks like a subport of ${device_id}`;
  for (const { id, port_id } of trunks)
    if (portOf.get(port_id)?.device_owner.startsWith('network:')) yield `the parent of ${id}`;
}

function* boundPortsAreSomewhere({ ports, hosts, provisioningBlocks }: World) {
  const known = new Set(hosts.map(({ name }) => name));
  const blocked = new Set(provisioningBlocks.map(({ port_id }) => port_id));
  for (const { id, host, vif_type, status } of ports) {
    if (host === '' && vif_type !== 'unbound') yield `${id} is on no host and ${vif_type}`;
    if (host !== '' && vif_type === 'unbound') yield `${id} is unbound on ${host}`;
    if (host !== '' && vif_type !== 'binding_failed' && !known.has(host)) yield `${id} is on ${host}`;
    if (status === 'ACTIVE' && blocked.has(id)) yield `${id} is ACTIVE, and waits`;
  }
}

export const PORT_INVARIANTS = {
  'only secured ports are in groups': groupsNeedPortSecurity,
  'a project has one default group': defaultGroupsAreOne,
  'a group has each rule once': rulesSayOneThing,
  'an address group has each address once': addressGroupsHaveEachOnce,
  'a policy has one rule of a type and direction': policiesHaveOneOfEach,
  'a port is in one trunk': trunksHaveTheirPorts,
  'a bound port is on a host': boundPortsAreSomewhere,
} satisfies Record<string, Invariant>;
