/**
 * Who may set and see which attribute, in its first form: admins all, members what the attribute maps leave to them; readers
 * see what members see and write nothing.
 * The rules are Neutron's defaults. Whose resource may be seen (else 404) or written (else 403) the operations decide.
 */
import type { Caller } from '../operations/operation.ts';
import type { Attribute, AttributeMap, ReadBody } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';

export function forbidden(rule: string): Fault {
  return new Fault('PolicyNotAuthorized', `(rule:${rule}) is disallowed by policy`);
}

/** An attribute is judged only if it says something: in a create, something else than its default. */
function isJudged(attribute: Attribute, value: unknown, verb: 'create' | 'update'): boolean {
  if (attribute.limitedTo && !attribute.limitedTo(value)) return false;
  return verb === 'update' || JSON.stringify(value) !== JSON.stringify(attribute.default);
}

export interface AttributeWrite {
  readonly verb: 'create' | 'update';
  readonly body: ReadBody;
  /** Whether the caller's project owns the network concerned; asked only where it matters. */
  readonly ownsNetwork: () => Promise<boolean>;
}

/** Throws Fault PolicyNotAuthorized unless the caller may set each attribute that it gave. */
export async function checkAttributes(
  caller: Caller,
  map: AttributeMap,
  write: AttributeWrite,
): Promise<void> {
  if (caller.isAdmin) return;
  for (const [attribute, value] of write.body.given) {
    const setter = write.verb === 'create' ? attribute.post : attribute.put;
    if (setter === undefined || setter === 'owner' || !isJudged(attribute, value, write.verb)) continue;
    if (setter === 'admin' || !(await write.ownsNetwork()))
      throw forbidden(`${write.verb}_${map.singular}:${attribute.name}`);
  }
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

/** Throws Fault PolicyNotAuthorized unless the caller is an admin. */
export function adminOnly(caller: Caller, rule: string): void {
  if (!caller.isAdmin) throw forbidden(rule);
}

/** Throws Fault PolicyNotAuthorized for readers: they may read, and nothing else, whatever it is about. */
export function mustWrite(caller: Caller, rule: string): void {
  if (caller.mayOnlyRead) throw forbidden(rule);
}

/** Throws Fault PolicyNotAuthorized for who has no role that allows anything here. */
export function mustHaveRole(caller: Caller): void {
  if (caller.hasNoRole)
    throw new Fault('PolicyNotAuthorized', 'The token has no role in a project that allows to read here.');
}

export function maySee(caller: Caller, attribute: Attribute): boolean {
  return attribute.see === undefined || (attribute.see === 'admin' && caller.isAdmin);
}

/** Whether lists may be asked for by it: what only admins see would be told to others by what is found. */
export const mayAskBy = (caller: Caller, attribute: Attribute): boolean =>
  attribute.see !== 'admin' || caller.isAdmin;
