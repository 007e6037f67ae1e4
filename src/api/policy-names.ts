/** The rules that there are, under Neutron's names, and what each says by default: made from the attribute maps. */
import type { Attribute, Setter } from '../resources/attribute.ts';
import { ADMIN_RULE, type RuleDefault, type RuleNames } from '../policy/rules.ts';
import { ALIASED, QOS_RULE_TYPES } from '../resources/qos-rule.ts';
import type { Collection } from './collection.ts';
import { ruleOfRules } from './qos-rules.ts';
import { ADMIN_RULES } from './policy.ts';
import { MEMBER_RULE, READER_RULE } from './policy-rules.ts';
import { tagRules } from './tags.ts';
import type { RoleNames } from './token.ts';

const rolesIn = (names: readonly string[]): string =>
  names.length === 0 ? '!' : names.map((name) => `role:${name}`).join(' or ');

/** Rules for others to refer to: Neutron's, and who is a member and a reader here. */
function baseRules(roles: RoleNames): RuleDefault[] {
  const rule = (name: string, words: string, description: string) => ({ name, words, description });
  return [
    rule(ADMIN_RULE, rolesIn(roles.admin), 'Who may do everything, whatever other rules say.'),
    rule('admin_only', `rule:${ADMIN_RULE}`, 'Admins.'),
    rule(MEMBER_RULE, rolesIn(roles.member), 'Who has the role of a member, in whichever project.'),
    rule(
      READER_RULE,
      `rule:member or ${rolesIn(roles.reader)}`,
      'Who has the role of a reader, or is a member.',
    ),
    rule('owner', 'tenant_id:%(tenant_id)s', 'Whoever is of the project that owns it.'),
    rule('project_member', 'rule:member and rule:owner', 'Members of the project that owns it.'),
    rule('project_reader', 'rule:reader and rule:owner', 'Readers and members of the project that owns it.'),
    rule('admin_or_owner', `rule:${ADMIN_RULE} or rule:owner`, 'Admins, and the project that owns it.'),
    rule(
      'network_owner',
      'tenant_id:%(network:tenant_id)s',
      'The project that owns the network that it is in.',
    ),
    rule(
      'admin_or_network_owner',
      `rule:${ADMIN_RULE} or rule:network_owner`,
      "Admins, and the network's owner.",
    ),
    rule(
      'admin_owner_or_network_owner',
      'rule:owner or rule:admin_or_network_owner',
      "Admins, its owner, its network's.",
    ),
    rule(
      'ext_parent_owner',
      'tenant_id:%(ext_parent:tenant_id)s',
      'The project that owns what it is a part of.',
    ),
    rule(
      'admin_or_ext_parent_owner',
      `rule:${ADMIN_RULE} or rule:ext_parent_owner`,
      'Admins, and the owner of what it is a part of.',
    ),
    rule('sg_owner', 'tenant_id:%(security_group:tenant_id)s', 'The project that owns the security group.'),
    rule('admin_or_sg_owner', `rule:${ADMIN_RULE} or rule:sg_owner`, "Admins, and the group's owner."),
    rule(
      'admin_owner_or_sg_owner',
      'rule:owner or rule:admin_or_sg_owner',
      "Admins, its owner, its group's.",
    ),
    rule('regular_user', '', 'Everybody.'),
    rule('default', 'rule:admin_or_owner', "Neutron's rule for what has none; nothing here refers to it."),
    rule('context_is_advsvc', 'role:advsvc', 'Services such as load balancers, in Neutron.'),
    rule(
      'shared',
      'field:networks:shared=True',
      'A network that the caller may use though it may be of another project.',
    ),
    rule('external', 'field:networks:router:external=True', 'An external network.'),
    rule(
      'shared_firewalls',
      'field:firewalls:shared=True',
      'In Neutron, a firewall that is shared; there are none here.',
    ),
    rule('network_device', 'field:port:device_owner=~^network:', 'A port of the network itself.'),
    rule('shared_subnetpools', 'field:subnetpools:shared=True', 'A subnet pool that is shared.'),
    rule('shared_address_scopes', 'field:address_scopes:shared=True', 'An address scope that is shared.'),
    rule('shared_address_groups', 'field:address_groups:shared=True', 'An address group that is shared.'),
    rule('shared_security_group', 'field:security_groups:shared=True', 'A security group that is shared.'),
    rule(
      'restrict_wildcard',
      `(not field:rbac_policy:target_tenant=*) or rule:admin_only`,
      'Whoever does not share with every project.',
    ),
  ];
}

const NETWORK_OWNER = 'rule:admin_only or (rule:member and rule:network_owner)';
const MEMBER = 'rule:admin_only or rule:project_member';
const SETTERS: Readonly<Record<Exclude<Setter, 'owner'>, string>> = {
  admin: 'rule:admin_only',
  'network owner': NETWORK_OWNER,
};

/** Who sees one of a collection: what the operations decide, in the words of rules. */
function getWords({ map, adminOnly, seenByAll, ownsNetwork, wholeOwner }: Collection): string {
  if (adminOnly) return 'rule:admin_only';
  if (seenByAll) return 'rule:admin_only or rule:reader';
  const shared = map.byName.get('shared');
  const ofNetwork = ownsNetwork !== undefined && map.byName.has('network_id');
  const others = [
    ...(ofNetwork ? ['rule:network_owner'] : []),
    ...(wholeOwner ? [`rule:${wholeOwner}`] : []),
    ...(shared === undefined
      ? []
      : shared.column === null || map.plural === 'networks'
        ? ['rule:shared']
        : [`field:${map.plural}:shared=True`]),
    ...(map.byName.has('router:external') ? ['rule:external'] : []),
  ];
  const own = 'rule:admin_only or rule:project_reader';
  return others.length === 0 ? own : `${own} or (rule:reader and (${others.join(' or ')}))`;
}

/** What limits who may set an attribute, as rules: of the whole, or of its parts. */
function setterRules({ map }: Collection, attribute: Attribute, verb: 'create' | 'update'): RuleDefault[] {
  const setter = verb === 'create' ? attribute.post : attribute.put;
  if (setter === undefined || setter === 'owner') return [];
  const name = `${verb}_${map.singular}:${attribute.name}`;
  const { limitedTo } = attribute;
  const what = `${verb === 'create' ? 'Give' : 'Change'} ${attribute.name} of ${wordsOf(map.singular)}`;
  const words = SETTERS[setter];
  if (limitedTo === undefined) return [{ name, words, description: `${what}.` }];
  if (Array.isArray(limitedTo))
    return limitedTo.map((part: string) => ({
      ...{ name: `${name}:${part}`, words, description: `${what}, with ${part}.` },
    }));
  const matches = `field:${map.plural}:${attribute.name}=~${(limitedTo as RegExp).source}`;
  return [{ name, words: `not ${matches} or ${words}`, description: `${what}.` }];
}

const wordsOf = (singular: string): string =>
  `a ${singular.replaceAll('_', ' ')}`.replace(/^a (?=[aeiou])/, 'an ');

/** The rules of one collection. */
function rulesOf(it: Collection): RuleDefault[] {
  const { map, adminOnly } = it;
  const one = wordsOf(map.singular);
  const owner = it.wholeOwner ? `rule:admin_only or (rule:member and rule:${it.wholeOwner})` : MEMBER;
  const write = adminOnly || it.adminWrites ? 'rule:admin_only' : owner;
  const rules: RuleDefault[] = [];
  const add = (name: string, words: string, description: string) => rules.push({ name, words, description });
  const setters = (verb: 'create' | 'update') => {
    if (!adminOnly) rules.push(...map.attributes.flatMap((attribute) => setterRules(it, attribute, verb)));
  };
  if (it.create) {
    add(`create_${map.singular}`, it.ofNetworkOwner ? NETWORK_OWNER : write, `Create ${one}.`);
    setters('create');
  }
  add(`get_${map.singular}`, getWords(it), `See ${one}.`);
  for (const { name, see } of map.attributes)
    if (see === 'admin') add(`get_${map.singular}:${name}`, 'rule:admin_only', `See ${name} of ${one}.`);
  if (it.update) {
    add(`update_${map.singular}`, write, `Change ${one}.`);
    setters('update');
  }
  if (it.remove) add(`delete_${map.singular}`, write, `Delete ${one}.`);
  for (const { name, summary } of it.actions) add(name, write, summary);
  if (map.byName.has('tags') && it.table !== undefined) {
    const tags = tagRules(map);
    add(tags.get, `rule:get_${map.singular}`, `See the tags of ${one}.`);
    const words = it.taggedBySeers ? `rule:admin_only or (rule:member and rule:get_${map.singular})` : write;
    add(tags.update, words, `Set tags of ${one}.`);
    add(tags.delete, words, `Take tags of ${one} away.`);
  }
  return rules;
}

/** Rules of QoS policies, which only admins write, below their policy and by alias. */
const qosRules = (): RuleDefault[] =>
  QOS_RULE_TYPES.flatMap((type) =>
    (['policy', 'alias'] as const)
      .filter((of) => of === 'policy' || ALIASED.includes(type as never))
      .flatMap((of) =>
        (of === 'policy' ? ['create', 'get', 'update', 'delete'] : ['get', 'update', 'delete']).map(
          (verb) => ({
            name: ruleOfRules(verb, type, of),
            words: verb === 'get' ? 'rule:admin_only or rule:reader' : 'rule:admin_only',
            description: `QoS rules of type ${type}: ${verb}${of === 'alias' ? ', without naming the policy' : ''}.`,
          }),
        ),
      ),
  );

/** What is not a verb of a collection. */
function otherRules(): RuleDefault[] {
  const parent = (role: string) => `rule:admin_only or (rule:${role} and rule:ext_parent_owner)`;
  const forwarding = (verb: string, role: string, what: string) => ({
    ...{ name: `${verb}_floatingip_port_forwarding`, words: parent(role) },
    description: `${what} a port forwarding of a floating IP.`,
  });
  return [
    { name: 'add_router_interface', words: MEMBER, description: 'Attach a subnet or a port to a router.' },
    {
      name: 'remove_router_interface',
      words: MEMBER,
      description: 'Detach a subnet or a port from a router.',
    },
    { name: 'get_subports', words: 'rule:get_trunk', description: 'See the subports of a trunk.' },
    {
      name: 'get_auto_allocated_topology',
      words: 'rule:admin_only or rule:reader',
      description: "See a project's own topology, or have it made.",
    },
    {
      name: 'delete_auto_allocated_topology',
      words: 'rule:admin_only or rule:member',
      description: "Take a project's own topology away.",
    },
    {
      name: 'get_service_provider',
      words: 'rule:admin_only or rule:reader',
      description: 'See what services are made by.',
    },
    ...qosRules(),
    forwarding('create', 'member', 'Create'),
    forwarding('get', 'reader', 'See'),
    forwarding('update', 'member', 'Change'),
    forwarding('delete', 'member', 'Delete'),
    {
      name: 'get_quota',
      words: 'rule:admin_only or rule:project_reader',
      description: 'See limits of a project.',
    },
    ...Object.entries(ADMIN_RULES).map(([name, description]) => ({
      ...{ name, words: 'rule:admin_only', description },
    })),
  ];
}

/** Whether values of the attribute have parts with names. */
const hasParts = ({ type }: Attribute): boolean => /"(object|array)"/.test(JSON.stringify(type.schema));

/** The names that there are for these collections, with identities that have roles of these names. */
export function ruleNames(collections: readonly Collection[], roles: RoleNames): RuleNames {
  const defaults = [...baseRules(roles), ...collections.flatMap(rulesOf), ...otherRules()];
  const bySingular = new Map(collections.map(({ map }) => [map.singular, map]));
  function isOpen(name: string): boolean {
    const [, verb, singular = '', rest = ''] = /^(create|get|update)_(\w+):(.+)$/.exec(name) ?? [];
    const map = bySingular.get(singular);
    const attribute = map?.attributes.find((one) => rest === one.name || rest.startsWith(`${one.name}:`));
    if (attribute === undefined) return false;
    if (rest !== attribute.name && (verb === 'get' || !hasParts(attribute))) return false;
    if (verb === 'get') return attribute.see !== 'nobody';
    return (verb === 'create' ? attribute.post : attribute.put) !== undefined;
  }
  return { defaults, isOpen, knowsRowOnly: (name) => /^get_\w+:/.test(name) };
}
