/**
 * Who may set and see which attribute, and ask for what: admins all, members what the attribute maps leave to them; readers
 * see what members see and write nothing. The rules are Neutron's defaults. A policy file may say something else of each
 * (`Caller.overrides`, docs/operate/policy.md): of a rule that it changes the file decides, and what is here is not looked at.
 * Whose resource may be seen (else 404) or written (else 403) by default the operations decide.
 */
import type { Call, Caller } from '../operations/operation.ts';
import type { Attribute, AttributeMap, ReadBody } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { isPlainObject } from '../resources/values.ts';
import type { Target } from '../policy/evaluate.ts';

export function forbidden(rule: string): Fault {
  return new Fault('PolicyNotAuthorized', `(rule:${rule}) is disallowed by policy`);
}

/** What the rule says of the caller; undefined where no policy file changes it. An admin passes every one, as in Neutron. */
export function verdictOf(caller: Caller, rule: string, target: Target = {}): boolean | undefined {
  if (caller.isAdmin) return true;
  return caller.overrides?.changes(rule) ? caller.overrides.allows(rule, target) : undefined;
}

/** Whether a policy file says something of the rule by which the caller may pass: for what it is about, that is to be seen then. */
export const mayPass = (caller: Caller, rule: string): boolean =>
  caller.overrides?.changes(rule) === true && caller.overrides.couldPass(rule);

/** The parts of a value that have rules of their own: `external_gateway_info:enable_snat`. */
function partsOf(value: unknown): string[] {
  const objects = Array.isArray(value) ? value.filter(isPlainObject) : isPlainObject(value) ? [value] : [];
  return [...new Set(objects.flatMap((one) => Object.keys(one)))];
}

/** An attribute is judged only if it says something: in a create, something else than its default. */
const isSaid = (attribute: Attribute, value: unknown, verb: AttributeWrite['verb']): boolean =>
  verb === 'update' || JSON.stringify(value) !== JSON.stringify(attribute.default);

export interface AttributeWrite {
  readonly verb: 'create' | 'update';
  readonly map: AttributeMap;
  readonly body: ReadBody;
  /** Whether the caller's project owns the network concerned; asked only where it matters. */
  readonly ownsNetwork: () => Promise<boolean>;
  /** What a rule is told of what is written. */
  readonly target: (rule: string) => Promise<Target>;
  /** The verb's own rule is a policy file's, which by default is the admins': so are the attributes. */
  readonly isOpened?: boolean;
}

/** Throws Fault PolicyNotAuthorized unless the caller may set each attribute that it gave. */
export async function checkAttributes(caller: Caller, write: AttributeWrite): Promise<void> {
  if (caller.isAdmin) return;
  for (const [attribute, value] of write.body.given) {
    if (!isSaid(attribute, value, write.verb)) continue;
    const rule = `${write.verb}_${write.map.singular}:${attribute.name}`;
    const { limitedTo } = attribute;
    const isLimited =
      limitedTo === undefined || (limitedTo instanceof RegExp && limitedTo.test(String(value)));
    await checkOne(caller, write, { attribute, rule, isLimited });
    for (const part of partsOf(value)) {
      const isPartLimited = Array.isArray(limitedTo) && limitedTo.includes(part);
      await checkOne(caller, write, { attribute, rule: `${rule}:${part}`, isLimited: isPartLimited });
    }
  }
}

async function checkOne(
  caller: Caller,
  write: AttributeWrite,
  asked: { readonly attribute: Attribute; readonly rule: string; readonly isLimited: boolean },
): Promise<void> {
  const { attribute, rule, isLimited } = asked;
  if (caller.overrides?.changes(rule)) {
    if (!caller.overrides.allows(rule, await write.target(rule))) throw forbidden(rule);
    return;
  }
  const setter = write.verb === 'create' ? attribute.post : attribute.put;
  if (!isLimited || setter === undefined || setter === 'owner' || write.isOpened) return;
  if (setter === 'admin' || !(await write.ownsNetwork())) throw forbidden(rule);
}

/**
 * In a create, only an admin may say that another project owns it, and who has no project (an admin of a domain or of the
 * system) must say which one does (400, as Neutron says it).
 */
export function checkProject(caller: Caller, values: Readonly<Record<string, unknown>>): void {
  if (values['project_id'] === '' && caller.projectId === '')
    throw new Fault('HTTPBadRequest', 'Running without keystone AuthN requires that tenant_id is specified');
  if (caller.isAdmin || values['project_id'] === caller.projectId) return;
  throw new Fault(
    'HTTPBadRequest',
    "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges",
  );
}

/** What only admins may by default, beside the verbs of resources: the rules, with what they are about. */
export const ADMIN_RULES = {
  'create_dhcp-network': 'Let a DHCP agent serve a network.',
  'get_dhcp-networks': 'See the networks that a DHCP agent serves.',
  'delete_dhcp-network': 'Let a DHCP agent serve a network no longer.',
  'get_dhcp-agents': 'See the DHCP agents that serve a network.',
  'create_l3-router': 'Give a router to an L3 agent.',
  'get_l3-routers': 'See the routers that an L3 agent has.',
  'delete_l3-router': 'Take a router from an L3 agent.',
  'get_l3-agents': 'See the L3 agents that have a router.',
  update_quota: 'Set limits of a project.',
  delete_quota: "Take a project's own limits away.",
  get_rule_type: 'See what carries rules of a QoS type out.',
  create_flavor_service_profile: 'Give a flavor a profile.',
  delete_flavor_service_profile: 'Take a profile of a flavor away.',
  get_host: 'See the hosts of agents, and how far their drain is.',
  create_host: 'Add a host.',
  update_host: 'Drain a host, or end that.',
  delete_host: 'Remove a host.',
  get_event: 'See deaths, moves, remedies and alerts.',
  get_router_roles: 'See which host serves a router, since when and why.',
  failover_router: 'Move a router to another of its hosts.',
} as const;

export type AdminRule = keyof typeof ADMIN_RULES;

/** Throws Fault PolicyNotAuthorized unless the caller is an admin, or a policy file lets it. */
export function adminOnly(
  caller: Caller,
  rule: AdminRule | 'get_quota' | 'get_agent',
  target: Target = {},
): void {
  if (!(verdictOf(caller, rule, target) ?? false)) throw forbidden(rule);
}

/** The call by which it may be done, of which the file says something for this caller. Throws Fault PolicyNotAuthorized if it is no. */
export function permittedBy(call: Call, rule: string, target: Target = {}): Call {
  const verdict = call.caller.isAdmin ? undefined : verdictOf(call.caller, rule, target);
  if (verdict === undefined) return call;
  if (!verdict) throw forbidden(rule);
  return { ...call, permitted: true };
}

/** Where somebody knocks: the rule that will be asked there, if there is one, and by which name it is known if it writes. */
export interface Door {
  readonly rule?: string;
  readonly writes?: string;
}

/**
 * Throws Fault PolicyNotAuthorized for who has no role that lets read, and for readers where it is about more than reading, whatever
 * it is about; unless a policy file says something of the rule that will be asked there.
 */
export function mustBeLetIn(caller: Caller, { rule, writes }: Door): void {
  if (caller.isAdmin || (caller.projectId !== '' && rule !== undefined && mayPass(caller, rule))) return;
  if (caller.hasNoRole)
    throw new Fault('PolicyNotAuthorized', 'The token has no role in a project that allows to read here.');
  if (caller.mayOnlyRead && writes !== undefined) throw forbidden(writes);
}

/** Whether the caller sees the attribute of what it sees: of this row, or whatever the row. */
export function maySee(caller: Caller, { map, attribute, target }: Shown): boolean {
  if (attribute.see === 'nobody') return false;
  const rule = `get_${map.singular}:${attribute.name}`;
  return verdictOf(caller, rule, target) ?? attribute.see === undefined;
}

export interface Shown {
  readonly map: AttributeMap;
  readonly attribute: Attribute;
  readonly target?: Target;
}

/** Whether lists may be asked for by it: what others do not see would be told to them by what is found. */
export const mayAskBy = (caller: Caller, asked: Omit<Shown, 'target'>): boolean =>
  asked.attribute.see === 'nobody' || maySee(caller, asked);
