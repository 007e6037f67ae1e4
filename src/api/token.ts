/** What a token of Keystone's says of its bearer, and who that is here. */
import type { Caller, Credentials } from '../operations/operation.ts';
import { isPlainObject } from '../resources/values.ts';

export interface RoleNames {
  readonly admin: readonly string[];
  readonly member: readonly string[];
  readonly reader: readonly string[];
}

/** As Keystone's own roles are called. */
export const ROLE_NAMES: RoleNames = { admin: ['admin'], member: ['member'], reader: ['reader'] };

/** What a valid token says of its bearer. */
export interface TokenFacts {
  readonly expiresAt: number;
  readonly userId: string;
  /** '' where the token is for a domain, the system or nothing. */
  readonly projectId: string;
  /** In lower case. */
  readonly roles: readonly string[];
  /** The domains and the scope, as far as the token names them: under the names that policy files have for them. */
  readonly scope: Readonly<Record<string, string>>;
}

const idIn = (value: unknown): string =>
  isPlainObject(value) && typeof value['id'] === 'string' ? value['id'] : '';

const domainOf = (value: unknown): string => (isPlainObject(value) ? idIn(value['domain']) : '');

function scopeOf(token: Readonly<Record<string, unknown>>): Record<string, string> {
  const { system } = token;
  const named = {
    user_domain_id: domainOf(token['user']),
    project_domain_id: domainOf(token['project']),
    domain_id: idIn(token['domain']),
    system_scope: isPlainObject(system) && system['all'] === true ? 'all' : '',
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== ''));
}

/** Reads the body of an answer to a validation; undefined if it is none. */
export function readToken(body: unknown): TokenFacts | undefined {
  const token = isPlainObject(body) ? body['token'] : undefined;
  if (!isPlainObject(token) || typeof token['expires_at'] !== 'string') return undefined;
  const expiresAt = Date.parse(token['expires_at']);
  const userId = idIn(token['user']);
  if (Number.isNaN(expiresAt) || userId === '') return undefined;
  const given = Array.isArray(token['roles']) ? token['roles'] : [];
  const roles = given.flatMap((role) =>
    isPlainObject(role) && typeof role['name'] === 'string' ? [role['name'].toLowerCase()] : [],
  );
  return { expiresAt, userId, projectId: idIn(token['project']), roles, scope: scopeOf(token) };
}

/** Whether one of these roles is among the facts', whatever their case. */
export const hasOneOf = ({ roles }: Pick<TokenFacts, 'roles'>, some: readonly string[]): boolean =>
  some.some((name) => roles.includes(name.toLowerCase()));

/** What rules of policy files know of the bearer of a token, and of the service that speaks for it, if one does. */
export function credentialsOf(facts: TokenFacts, service?: TokenFacts): Credentials {
  const of = { user_id: facts.userId, project_id: facts.projectId, roles: facts.roles, ...facts.scope };
  if (!service) return of;
  return {
    ...of,
    ...{
      service_user_id: service.userId,
      service_project_id: service.projectId,
      service_roles: service.roles,
    },
  };
}

/**
 * Who the bearer is here, by Neutron's defaults: an admin is one whatever the token is for, members and readers are such of the
 * token's project. Who has none of these roles there is nobody, unless a policy file says otherwise.
 */
export function callerOf(facts: TokenFacts, names: RoleNames, service?: TokenFacts): Caller {
  const { projectId, userId } = facts;
  const who = { projectId, userId, credentials: credentialsOf(facts, service) };
  if (hasOneOf(facts, names.admin)) return { ...who, isAdmin: true };
  if (projectId !== '' && hasOneOf(facts, names.member)) return { ...who, isAdmin: false };
  const isReader = projectId !== '' && hasOneOf(facts, names.reader);
  return { ...who, isAdmin: false, mayOnlyRead: true, ...(isReader ? {} : { hasNoRole: true }) };
}
