/** The rules that hold: defaults, and what a file says instead of some. */
import { type Facts, type Outcomes, outcomesOf, passes, type Question, type Target } from './evaluate.ts';
import { type Check, leavesOf, parseRule, RuleSyntaxError } from './expression.ts';
import { type FileRule, PolicyFileError, type Problem } from './file.ts';

export interface RuleDefault {
  readonly name: string;
  readonly words: string;
  /** One sentence, for people. */
  readonly description: string;
}

/** Who passes it may do everything, whatever other rules say, as in Neutron. */
export const ADMIN_RULE = 'context_is_admin';

export interface RuleNames {
  readonly defaults: readonly RuleDefault[];
  /** Whether it names a rule that has no default: everybody passes it. */
  readonly isOpen: (name: string) => boolean;
  /** Whether the rule is asked where nothing but the row itself is known. */
  readonly knowsRowOnly: (name: string) => boolean;
}

interface Rule {
  readonly check: Check;
  /** Of the file; null for a default. */
  readonly line: number | null;
}

/** A rule as it holds. */
export interface EffectiveRule {
  readonly name: string;
  readonly words: string;
  readonly description: string;
  readonly isDefault: boolean;
}

const ALWAYS: Check = { kind: 'always' };

export class RuleSet {
  readonly #rules: ReadonlyMap<string, Rule>;
  readonly #changed = new Map<string, boolean>();
  readonly #beside = new Map<string, ReadonlySet<string>>();
  /** By name: defaults in their order, then what the file adds. */
  readonly effective: readonly EffectiveRule[];

  /** Throws PolicyFileError for a file that cannot be taken. */
  constructor(names: RuleNames, file: readonly FileRule[]) {
    const problems: Problem[] = [];
    const rules = new Map<string, Rule>();
    for (const { name, words } of names.defaults) rules.set(name, { check: parseRule(words), line: null });
    for (const { name, words, line } of file) {
      try {
        rules.set(name, { check: parseRule(words), line });
      } catch (error) {
        if (!(error instanceof RuleSyntaxError)) throw error;
        problems.push({ line, what: `${name}: ${error.message}` });
      }
    }
    this.#rules = rules;
    if (problems.length === 0) problems.push(...this.#problems(names, file));
    if (problems.length > 0) throw new PolicyFileError(problems);
    const said = new Map(file.map((rule) => [rule.name, rule.words]));
    const known = new Set(names.defaults.map(({ name }) => name));
    this.effective = [
      ...names.defaults.map((rule) => ({
        ...{ ...rule, words: said.get(rule.name) ?? rule.words, isDefault: !said.has(rule.name) },
      })),
      ...file
        .filter(({ name }) => !known.has(name))
        .map(({ name, words }) => ({ name, words, description: '', isDefault: false })),
    ];
  }

  has(name: string): boolean {
    return this.#rules.has(name);
  }

  /** Whether it may say something else than by default: it is in the file, or refers to what is. */
  isChanged(name: string): boolean {
    const known = this.#changed.get(name);
    if (known !== undefined) return known;
    const rule = this.#rules.get(name);
    // who is no admin does not pass the admins' rule, whatever it says
    const refers = (to: string) => to !== ADMIN_RULE && this.isChanged(to);
    const changed = rule !== undefined && (rule.line !== null || referencesOf(rule.check).some(refers));
    this.#changed.set(name, changed);
    return changed;
  }

  /** The resources beside the target whose attributes it asks for: `network`. */
  beside(name: string): ReadonlySet<string> {
    const known = this.#beside.get(name);
    if (known) return known;
    const found = new Set<string>();
    this.#beside.set(name, found);
    for (const check of leavesOf(this.#rules.get(name)?.check ?? ALWAYS)) {
      if (check.kind === 'rule') for (const one of this.beside(check.name)) found.add(one);
      if (check.kind === 'field' && check.resource === 'networks' && check.field === 'shared')
        found.add('network');
      if (check.kind === 'role' || check.kind === 'match')
        for (const part of check.words)
          if (typeof part === 'object' && part.key.includes(':')) found.add(part.key.split(':')[0] as string);
    }
    return found;
  }

  /** Whether who has these facts passes; a rule that nobody wrote everybody passes. */
  passes(name: string, facts: Facts, target: Target = {}): boolean {
    return this.#passes(name, { facts, target });
  }

  /** Whether who has these facts passes for some target or other. */
  couldPass(name: string, facts: Facts): boolean {
    const ofRule = (rule: string): Outcomes =>
      outcomesOf(this.#rules.get(rule)?.check ?? ALWAYS, facts, ofRule);
    return ofRule(name).yes;
  }

  #passes = (name: string, asked: Question): boolean => {
    const rule = this.#rules.get(name);
    return rule === undefined || passes(rule.check, asked, this.#passes);
  };

  #problems(names: RuleNames, file: readonly FileRule[]): Problem[] {
    const used = new Set([...this.#rules.values()].flatMap(({ check }) => referencesOf(check)));
    const known = new Set(names.defaults.map(({ name }) => name));
    const problems: Problem[] = [];
    for (const { name, line } of file) {
      const check = this.#rules.get(name)?.check ?? ALWAYS;
      if (!known.has(name) && !names.isOpen(name) && !used.has(name)) {
        const like = closest(name, known);
        problems.push({
          line,
          what: `${name}: there is no such rule, and no other refers to it${like === undefined ? '' : `; ${like}?`}`,
        });
      }
      for (const to of referencesOf(check))
        if (!this.#rules.has(to))
          problems.push({ line, what: `${name}: there is no rule ${to} to refer to` });
      const circle = this.#circle(name);
      if (circle) problems.push({ line, what: `${name}: it goes in a circle: ${circle.join(' -> ')}` });
      else if (names.knowsRowOnly(name) && this.beside(name).size > 0)
        problems.push({
          line,
          what: `${name}: what is shown is judged by itself, not by its network or parent`,
        });
    }
    return problems;
  }

  /** From the rule by those that it refers to back to itself, if there is such a way. */
  #circle(name: string): string[] | undefined {
    const seen = new Set<string>();
    const way = (at: string): string[] | undefined => {
      for (const to of referencesOf(this.#rules.get(at)?.check ?? ALWAYS)) {
        if (to === name) return [at, to];
        if (seen.has(to)) continue;
        seen.add(to);
        const rest = way(to);
        if (rest) return [at, ...rest];
      }
      return undefined;
    };
    return way(name);
  }
}

const referencesOf = (check: Check): string[] =>
  [...leavesOf(check)].flatMap((leaf) => (leaf.kind === 'rule' ? [leaf.name] : []));

/** A known name that differs in two letters at most. */
function closest(name: string, known: ReadonlySet<string>): string | undefined {
  for (const limit of [1, 2]) for (const one of known) if (distance(name, one) <= limit) return one;
  return undefined;
}

/** Letters to change, add or take away, with neighbours that changed places counted once (Damerau). */
function distance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > 2) return 3;
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= one.length; i++) {
    const row = [i];
    for (let j = 1; j <= other.length; j++) {
      const same = one[i - 1] === other[j - 1] ? 0 : 1;
      const [above, left, across] = [rows[i - 1]?.[j] ?? 0, row[j - 1] ?? 0, rows[i - 1]?.[j - 1] ?? 0];
      let least = Math.min(above + 1, left + 1, across + same);
      if (i > 1 && j > 1 && one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1])
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      row.push(least);
    }
    rows.push(row);
  }
  return rows[one.length]?.[other.length] ?? 3;
}
