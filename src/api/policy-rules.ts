/** The policy file's rules as they hold now, and callers with what these say of them. */
import type { Caller, Credentials } from '../operations/operation.ts';
import type { FileRule } from '../policy/file.ts';
import { ADMIN_RULE, type RuleNames, RuleSet } from '../policy/rules.ts';

/** The rules that say what makes a member and a reader. */
export const MEMBER_RULE = 'member';
export const READER_RULE = 'reader';

/** Of an identity that knows nothing of roles: those that come to the same. */
function credentialsOf({ credentials, ...caller }: Caller): Credentials {
  const roles = [
    ...(caller.isAdmin ? ['admin'] : []),
    ...(caller.mayOnlyRead ? [] : ['member']),
    ...(caller.hasNoRole ? [] : ['reader']),
  ];
  return { user_id: caller.userId, project_id: caller.projectId, roles, ...credentials };
}

/** Who the caller is by these rules, as far as they say something else than by default. */
function roleOf(rules: RuleSet, caller: Caller, facts: Credentials): Caller {
  if (![ADMIN_RULE, MEMBER_RULE, READER_RULE].some((rule) => rules.isChanged(rule))) return caller;
  const { projectId, userId } = caller;
  const who = { projectId, userId };
  if (rules.passes(ADMIN_RULE, facts)) return { ...who, isAdmin: true };
  const isOfProject = projectId !== '';
  if (isOfProject && rules.passes(MEMBER_RULE, facts)) return { ...who, isAdmin: false };
  const isReader = isOfProject && rules.passes(READER_RULE, facts);
  return { ...who, isAdmin: false, mayOnlyRead: true, ...(isReader ? {} : { hasNoRole: true }) };
}

/** What a caller has of the rules; one request has one set of them, whatever becomes of the file meanwhile. */
export function callerUnder(rules: RuleSet, caller: Caller): Caller {
  const known = { ...credentialsOf(caller), tenant_id: caller.projectId };
  const found = roleOf(rules, caller, { ...known, is_admin: false });
  const credentials = { ...known, is_admin: found.isAdmin };
  return {
    ...found,
    credentials,
    overrides: {
      changes: (rule) => rules.isChanged(rule),
      allows: (rule, target) => found.isAdmin || rules.passes(rule, credentials, target),
      couldPass: (rule) => found.isAdmin || rules.couldPass(rule, credentials),
      beside: (rule) => rules.beside(rule),
    },
  };
}

/** Who may do what by a policy file, which may change while it is asked. */
export class Policy {
  readonly #names: RuleNames;
  #rules: RuleSet;

  /** Throws PolicyFileError. */
  constructor(names: RuleNames, file: readonly FileRule[]) {
    this.#names = names;
    this.#rules = new RuleSet(names, file);
  }

  get rules(): RuleSet {
    return this.#rules;
  }

  /** Takes another file's rules. Throws PolicyFileError, and keeps those that hold. */
  change(file: readonly FileRule[]): void {
    this.#rules = new RuleSet(this.#names, file);
  }

  admit(caller: Caller): Caller {
    return callerUnder(this.#rules, caller);
  }
}
