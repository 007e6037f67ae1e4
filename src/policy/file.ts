/** A policy file's text: YAML, or JSON, which is YAML too; a flat map of rules' names to their words. */
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';

/** What a file says of one rule. */
export interface FileRule {
  readonly name: string;
  readonly words: string;
  /** From 1. */
  readonly line: number;
}

/** What is wrong with a file, and where; the line is null where it is nowhere in particular. */
export interface Problem {
  readonly line: number | null;
  readonly what: string;
}

/** The file is refused, for all of these reasons. */
export class PolicyFileError extends Error {
  override readonly name = 'PolicyFileError';
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const sorted = [...problems].sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
    super(sorted.map(({ line, what }) => (line === null ? what : `line ${line}: ${what}`)).join('; '));
    this.problems = sorted;
  }
}

/** Reads a file's text. Nothing in it is no rule. Throws PolicyFileError. */
export function readPolicyFile(text: string): FileRule[] {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, prettyErrors: false });
  const lineAt = (range: readonly number[] | null | undefined) => counter.linePos(range?.[0] ?? 0).line;
  if (document.errors.length > 0)
    throw new PolicyFileError(
      document.errors.map(({ message, pos }) => ({ line: counter.linePos(pos[0]).line, what: message })),
    );
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return [];
  if (!isMap(contents))
    throw new PolicyFileError([{ line: lineAt(contents.range), what: 'no map of rules' }]);
  const problems: Problem[] = [];
  const rules: FileRule[] = [];
  for (const { key, value } of contents.items) {
    const line = lineAt(isScalar(key) ? key.range : contents.range);
    if (!isScalar(key) || typeof key.value !== 'string')
      problems.push({ line, what: 'a name of a rule is a text' });
    // a bare ! is YAML for an empty text, which would let everybody pass
    else if (!isScalar(value) || typeof value.value !== 'string' || value.tag !== undefined)
      problems.push({
        line,
        what: `${key.value}: what it says is a text: in quotation marks where it is empty, or begins with ! or @`,
      });
    else rules.push({ name: key.value, words: value.value, line });
  }
  if (problems.length > 0) throw new PolicyFileError(problems);
  return rules;
}
