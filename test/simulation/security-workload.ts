/** What users ask of security groups: part of workload.ts. */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import { updatePort } from '../../src/operations/port.ts';
import { securityGroupOperations } from '../../src/operations/security-group.ts';
import { createRules, type RuleCreate, removeRule } from '../../src/operations/security-group-rule.ts';
import type { MemoryStore } from '../../src/store/memory/memory-store.ts';
import { pick } from './weather.ts';
import type { Action } from './workload.ts';

const MOST_GROUPS = 6;
const short = (id: string) => id.slice(0, 8);

const groupsOf = (store: MemoryStore) => store.rows('securityGroups');

/** A port that users have: the network's own devices are in no group. */
const anyPort = (random: Random, store: MemoryStore) =>
  pick(
    random,
    store.rows('ports').filter((port) => !port.device_owner.startsWith('network:')),
  );

const addGroup: Action = ({ random, store }) => {
  if (groupsOf(store).length >= MOST_GROUPS) return undefined;
  const id = random.uuid();
  const stateful = random.next() < 0.8;
  return {
    label: `create security group ${short(id)}`,
    work: (tx, call) => securityGroupOperations.create(tx, call, [{ id, name: 'group', stateful }]),
  };
};

/** Mostly with a remote: which hosts hear of what follows from these. */
const addRule: Action = ({ random, store }) => {
  const group = pick(random, groupsOf(store));
  const remote = pick(random, groupsOf(store));
  if (!group || !remote) return undefined;
  const port = integerBetween(random, 1, 9_000);
  const isGroup = random.next() < 0.7;
  const rule: RuleCreate = {
    ...{ security_group_id: group.id, direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp' },
    ...{ port_range_min: port, port_range_max: port, remote_address_group_id: null },
    remote_group_id: isGroup ? remote.id : null,
    remote_ip_prefix: isGroup ? null : '10.0.0.0/8',
  };
  return {
    label: `let ${isGroup ? short(remote.id) : rule.remote_ip_prefix} into ${short(group.id)}`,
    work: (tx, call) => createRules(tx, call, [rule]),
  };
};

const dropRule: Action = ({ random, store }) => {
  const rule = pick(random, store.rows('securityGroupRules'));
  if (!rule) return undefined;
  return {
    label: `delete rule ${short(rule.id)} of ${short(rule.security_group_id)}`,
    work: (tx, call) => removeRule(tx, call, { id: rule.id }),
  };
};

const changeGroups: Action = ({ random, store }) => {
  const port = anyPort(random, store);
  if (!port?.port_security_enabled) return undefined;
  const isStateful = random.next() < 0.8;
  const among = groupsOf(store).filter((group) => group.stateful === isStateful);
  const groups = among.filter(() => random.next() < 0.4).map(({ id }) => id);
  return {
    label: `put port ${short(port.id)} into ${groups.map(short).join(' ')}`,
    work: (tx, call) => updatePort(tx, call, { id: port.id, changes: { security_groups: groups } }),
  };
};

const changePairs: Action = ({ random, store }) => {
  const port = anyPort(random, store);
  if (!port?.port_security_enabled) return undefined;
  const pair = { ip_address: `10.7.0.${integerBetween(random, 1, 9)}` };
  const changes = { allowed_address_pairs: random.next() < 0.7 ? [pair] : [] };
  return {
    label: `update port ${short(port.id)} ${JSON.stringify(changes)}`,
    work: (tx, call) => updatePort(tx, call, { id: port.id, changes }),
  };
};

const switchSecurity: Action = ({ random, store }) => {
  const port = anyPort(random, store);
  if (!port) return undefined;
  const isOn = !port.port_security_enabled;
  const without = { port_security_enabled: false, security_groups: [], allowed_address_pairs: [] };
  return {
    label: `port security of ${short(port.id)} ${isOn ? 'on' : 'off'}`,
    work: (tx, call) =>
      updatePort(tx, call, { id: port.id, changes: isOn ? { port_security_enabled: true } : without }),
  };
};

const dropGroup: Action = ({ random, store }) => {
  const group = pick(random, groupsOf(store));
  if (!group) return undefined;
  return {
    label: `delete security group ${short(group.id)}`,
    work: (tx, call) => securityGroupOperations.remove(tx, call, { id: group.id }),
  };
};

/** As ACTIONS in workload.ts. */
export const SECURITY_ACTIONS: Readonly<
  Record<string, { readonly weight: number; readonly action: Action }>
> = {
  'add-group': { weight: 3, action: addGroup },
  'add-rule': { weight: 5, action: addRule },
  'drop-rule': { weight: 4, action: dropRule },
  'change-groups': { weight: 8, action: changeGroups },
  'change-pairs': { weight: 3, action: changePairs },
  'switch-security': { weight: 2, action: switchSecurity },
  'drop-group': { weight: 1, action: dropGroup },
};
