/**
 * The language of rules, as oslo.policy has it:
 *
 *     rule:NAME           what another rule says              @   everybody       !   nobody
 *     role:NAME           a role of the caller                ''  (no words) everybody
 *     KEY:WORDS           a fact of the caller (user_id, project_id, is_admin) is that text
 *     'TEXT':WORDS        so is a text, number, True, False or None
 *     field:RESOURCE:ATTRIBUTE=VALUE    what it is about has that value; with ~ in front a regular expression for its beginning
 *     not, and, or, ( )   not binds most, or least
 *
 * In WORDS `%(NAME)s` stands for an attribute of what it is about; `%(network:project_id)s` for one of its network.
 */

/** Text with places for attributes of the target. */
export type Template = readonly (string | { readonly key: string })[];

export type Check =
  | { readonly kind: 'always' | 'never' }
  | { readonly kind: 'and' | 'or'; readonly checks: readonly Check[] }
  | { readonly kind: 'not'; readonly check: Check }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'role'; readonly words: Template }
  | {
      readonly kind: 'field';
      readonly resource: string;
      readonly field: string;
      readonly value: string | RegExp;
    }
  /** A fact of the caller by its path, or a text that stands for itself. */
  | { readonly kind: 'match'; readonly fact: readonly string[] | string; readonly words: Template };

/** The words are no rule; the message says where and why. */
export class RuleSyntaxError extends Error {
  override readonly name = 'RuleSyntaxError';
}

type Token = '(' | ')' | 'and' | 'or' | 'not' | { readonly check: string };

/** Parentheses count at a word's ends only: those of `%(name)s` are inside. */
function tokensOf(text: string): Token[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .flatMap((word) => {
      const bare = word.replace(/^\(+/, '');
      const inner = bare.replace(/\)+$/, '');
      const lower = inner.toLowerCase();
      const token: Token[] =
        lower === 'and' || lower === 'or' || lower === 'not'
          ? [lower]
          : inner === ''
            ? []
            : [{ check: inner }];
      return [
        ...Array.from({ length: word.length - bare.length }, () => '(' as const),
        ...token,
        ...Array.from({ length: bare.length - inner.length }, () => ')' as const),
      ];
    });
}

const wrong = (why: string): RuleSyntaxError => new RuleSyntaxError(why);

function templateOf(words: string): Template {
  const parts: (string | { key: string })[] = [];
  const pattern = /%\(([^()]+)\)s|%%|%/g;
  let from = 0;
  for (const match of words.matchAll(pattern)) {
    if (match.index > from) parts.push(words.slice(from, match.index));
    if (match[1] !== undefined) parts.push({ key: match[1] });
    else if (match[0] === '%%') parts.push('%');
    else throw wrong(`"${words}": after % comes (NAME)s, or another %`);
    from = match.index + match[0].length;
  }
  if (from < words.length) parts.push(words.slice(from));
  return parts;
}

function fieldOf(rest: string): Check {
  const found = /^([^:=]+):([^=]+)=(.*)$/s.exec(rest);
  if (!found) throw wrong(`"field:${rest}" is not field:RESOURCE:ATTRIBUTE=VALUE`);
  const [, resource = '', field = '', value = ''] = found;
  if (!value.startsWith('~')) return { kind: 'field', resource, field, value };
  try {
    return { kind: 'field', resource, field, value: new RegExp(`^(?:${value.slice(1)})`, 'u') };
  } catch (error) {
    throw wrong(`"field:${rest}": ${(error as Error).message}`);
  }
}

/** A text, number or name of Python's that stands for itself; undefined where it is the path of a fact. */
function literalOf(kind: string): string | undefined {
  const quoted = /^(['"])(.*)\1$/s.exec(kind);
  if (quoted) return quoted[2];
  return /^(True|False|None|-?\d+(\.\d+)?)$/.test(kind) ? kind : undefined;
}

function checkOf(word: string): Check {
  if (word === '@') return { kind: 'always' };
  if (word === '!') return { kind: 'never' };
  const colon = word.indexOf(':');
  if (colon < 1) throw wrong(`"${word}" is no check: there is none without a ":" but @ and !`);
  const [kind, rest] = [word.slice(0, colon), word.slice(colon + 1)];
  if (kind === 'field') return fieldOf(rest);
  if (/[()]/.test(word.replaceAll(/%\([^()]+\)s/g, '')))
    throw wrong(`"${word}": blanks go before "(" and behind ")"`);
  if (kind === 'rule') return { kind, name: rest };
  if (kind === 'role') return { kind, words: templateOf(rest) };
  if (kind === 'http' || kind === 'https') throw wrong(`"${word}": nobody outside is asked here`);
  return { kind: 'match', fact: literalOf(kind) ?? kind.split('.'), words: templateOf(rest) };
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  whole(): Check {
    const check = this.#joined('or', () => this.#joined('and', () => this.#single()));
    const token = this.#tokens[this.#at];
    if (token === ')') throw wrong('a ")" too many');
    if (token !== undefined) throw wrong(`and, or ")" before ${this.#shown(token)}?`);
    return check;
  }

  #joined(kind: 'and' | 'or', part: () => Check): Check {
    const first = part();
    const checks = [first];
    while (this.#tokens[this.#at] === kind) {
      this.#at++;
      checks.push(part());
    }
    return checks.length === 1 ? first : { kind, checks };
  }

  #single(): Check {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw wrong('a check is missing at the end');
    if (token === 'not') return { kind: 'not', check: this.#single() };
    if (typeof token === 'object') return checkOf(token.check);
    if (token !== '(') throw wrong(`a check is missing before ${this.#shown(token)}`);
    const check = this.#joined('or', () => this.#joined('and', () => this.#single()));
    const end = this.#tokens[this.#at++];
    if (end === undefined) throw wrong('a ")" is missing');
    if (end !== ')') throw wrong(`and, or ")" before ${this.#shown(end)}?`);
    return check;
  }

  #shown(token: Token): string {
    return `"${typeof token === 'object' ? token.check : token}"`;
  }
}

/** Reads a rule. Throws RuleSyntaxError. */
export function parseRule(text: string): Check {
  return text.trim() === '' ? { kind: 'always' } : new Parser(text).whole();
}

/** All checks of a tree that are no joints. */
export function* leavesOf(check: Check): Generator<Check> {
  if (check.kind === 'and' || check.kind === 'or') for (const one of check.checks) yield* leavesOf(one);
  else if (check.kind === 'not') yield* leavesOf(check.check);
  else yield check;
}
