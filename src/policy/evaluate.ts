/** Whether a caller passes a check, as oslo.policy and Neutron decide it. */
import type { Check, Template } from './expression.ts';

/** Facts of the caller: `user_id`, `project_id`, `roles`, `is_admin`. */
export type Facts = Readonly<Record<string, unknown>>;

/** What it is about, by attribute names of the API; attributes of what it belongs to as `network:project_id`. */
export type Target = Readonly<Record<string, unknown>>;

export interface Question {
  readonly facts: Facts;
  readonly target: Target;
}

/** As Python writes it, in which policy files are at home. */
function textOf(value: unknown): string {
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (value === null || value === undefined) return 'None';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** The text with the target's attributes in it; undefined if it has one of them not. */
function fill(words: Template, target: Target): string | undefined {
  let text = '';
  for (const part of words) {
    if (typeof part === 'string') text += part;
    else if (!Object.hasOwn(target, part.key)) return undefined;
    else text += textOf(target[part.key]);
  }
  return text;
}

/** Whether what is at the path is that text; of lists one of their members. */
function holds(value: unknown, path: readonly string[], text: string): boolean {
  if (Array.isArray(value)) return value.some((one) => holds(one, path, text));
  const [key, ...rest] = path;
  if (key === undefined) return value !== undefined && textOf(value) === text;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return false;
  return holds((value as Facts)[key], rest, text);
}

const isTrue = (text: string): boolean => /^(true|t|1|yes|y|on)$/i.test(text);

function fieldPasses({ resource, field, value }: Check & { kind: 'field' }, target: Target): boolean {
  // Neutron asks for it of the network of whatever it is about
  const ofNetwork = resource === 'networks' && field === 'shared' ? target['network:shared'] : undefined;
  const found = target[field] ?? ofNetwork;
  if (found === undefined || found === null) return false;
  if (value instanceof RegExp) return value.test(textOf(found));
  return typeof found === 'boolean' ? found === isTrue(value) : textOf(found) === value;
}

/** `passesRule` says the same of a rule by its name. */
export function passes(
  check: Check,
  asked: Question,
  passesRule: (name: string, asked: Question) => boolean,
): boolean {
  switch (check.kind) {
    case 'always':
      return true;
    case 'never':
      return false;
    case 'and':
      return check.checks.every((one) => passes(one, asked, passesRule));
    case 'or':
      return check.checks.some((one) => passes(one, asked, passesRule));
    case 'not':
      return !passes(check.check, asked, passesRule);
    case 'rule':
      return passesRule(check.name, asked);
    case 'role': {
      const role = fill(check.words, asked.target)?.toLowerCase();
      const { roles } = asked.facts;
      return (
        role !== undefined && Array.isArray(roles) && roles.some((one) => String(one).toLowerCase() === role)
      );
    }
    case 'field':
      return fieldPasses(check, asked.target);
    case 'match': {
      const text = fill(check.words, asked.target);
      if (text === undefined) return false;
      return typeof check.fact === 'string' ? check.fact === text : holds(asked.facts, check.fact, text);
    }
  }
}

/** Whether a check can come out as yes, and as no, for a caller, where what it is about is not known yet. */
export interface Outcomes {
  readonly yes: boolean;
  readonly no: boolean;
}

const EITHER: Outcomes = { yes: true, no: true };
const only = (yes: boolean): Outcomes => ({ yes, no: !yes });

/** `ofRule` says the same of a rule by its name. */
export function outcomesOf(check: Check, facts: Facts, ofRule: (name: string) => Outcomes): Outcomes {
  switch (check.kind) {
    case 'and':
    case 'or': {
      const all = check.checks.map((one) => outcomesOf(one, facts, ofRule));
      const isAnd = check.kind === 'and';
      return {
        yes: isAnd ? all.every(({ yes }) => yes) : all.some(({ yes }) => yes),
        no: isAnd ? all.some(({ no }) => no) : all.every(({ no }) => no),
      };
    }
    case 'not': {
      const { yes, no } = outcomesOf(check.check, facts, ofRule);
      return { yes: no, no: yes };
    }
    case 'rule':
      return ofRule(check.name);
    case 'field':
      return EITHER;
    case 'role':
    case 'match':
      if (check.words.some((part) => typeof part === 'object')) return EITHER;
      return only(passes(check, { facts, target: {} }, () => false));
    case 'always':
    case 'never':
      return only(check.kind === 'always');
  }
}
