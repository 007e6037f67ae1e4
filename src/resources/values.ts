/**
 * Value types: what an attribute may hold, how a request's JSON (or a query string's text) is read into it, and what
 * OpenAPI says of it. Each is pure; the sentences are Neutron's (neutron_lib.api.validators), as clients and their
 * tests look at them.
 */

import type { FaultType } from './errors.ts';

/** A JSON Schema (2020-12), as in OpenAPI 3.1. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export type Reading =
  | { readonly value: unknown }
  /** `conversion`: Neutron says "Invalid input for operation: ..." instead of naming the attribute. */
  | {
      readonly reason: string;
      readonly conversion?: true;
      /** The reason is a whole sentence, and the fault has this type. */
      readonly fault?: FaultType;
    };

export interface ValueType {
  readonly schema: JsonSchema;
  /** Takes a value of a JSON body to the stored form. */
  read(value: unknown): Reading;
  /**
   * Takes the text of a query string to the stored form. `undefined`: no stored value can equal it, so nothing matches
   * (Neutron answers with an empty list, not with a complaint). A reason: Neutron complains.
   */
  filter(text: string): Reading | undefined;
}

/** A value as Neutron's sentences print it (Python's way for the bare words), cut at a length that a human reads. */
export function display(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 500 ? `${text.slice(0, 500)}...` : text;
}

/** Text that JSON can carry but PostgreSQL cannot store: NUL, or half of a surrogate pair. */
export function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

export const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A string of at most `max` characters. */
export function text(max: number): ValueType {
  return {
    schema: { type: 'string', maxLength: max },
    read(value) {
      if (typeof value !== 'string' || !isStorable(value))
        return { reason: `'${display(value)}' is not a valid string` };
      if (value.length > max) return { reason: `'${display(value)}' exceeds maximum length of ${max}` };
      return { value };
    },
    filter: (given) => (isStorable(given) ? { value: given } : undefined),
  };
}

/** As `text`, printable on one line, without blanks at either end (Neutron's name_string). */
export function name(max: number): ValueType {
  const plain = text(max);
  return {
    ...plain,
    read(value) {
      const reading = plain.read(value);
      if ('reason' in reading) return reading;
      // separators other than the plain space, control and format characters, private use, unassigned
      if (/[\p{C}\p{Zl}\p{Zp}]/u.test(value as string) || (value as string).trim() !== value)
        return { reason: `'${display(value)}' is not a valid string` };
      return reading;
    },
  };
}

/** Text that matches a grammar, because it will stand in a file or a key. */
export function matching(pattern: RegExp, max: number, what: string): ValueType {
  const plain = text(max);
  return {
    schema: { type: 'string', maxLength: max, pattern: pattern.source },
    read(value) {
      const reading = plain.read(value);
      if ('reason' in reading) return reading;
      return pattern.test(value as string) ? reading : { reason: `'${display(value)}' is not ${what}` };
    },
    filter: plain.filter,
  };
}

const TRUE_WORDS = new Set(['1', 't', 'true', 'on', 'y', 'yes']);
const FALSE_WORDS = new Set(['0', 'f', 'false', 'off', 'n', 'no']);

/** Accepts what oslo's strict bool_from_string does: booleans, 0 and 1, and the usual words. */
export const boolean: ValueType = {
  schema: { type: 'boolean' },
  read(value) {
    const word =
      typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string'
        ? String(value).trim().toLowerCase()
        : '';
    if (TRUE_WORDS.has(word)) return { value: true };
    if (FALSE_WORDS.has(word)) return { value: false };
    return { reason: `'${display(value)}' cannot be converted to boolean`, conversion: true };
  },
  filter: (given) => boolean.read(given),
};

/** A whole number in [low, high]; digits in a string are accepted as Neutron does. */
export function integer(low: number, high: number): ValueType {
  function whole(value: unknown): number | undefined {
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
    if (typeof value === 'string' && /^\s*[+-]?\d{1,15}\s*$/.test(value)) return Number(value);
    return undefined;
  }
  return {
    schema: { type: 'integer', minimum: low, maximum: high },
    read(value) {
      const found = whole(value);
      if (found === undefined) return { reason: `'${display(value)}' is not an integer`, conversion: true };
      if (found < low) return { reason: `'${found}' is too small - must be at least '${low}'` };
      if (found > high) return { reason: `'${found}' is too large - must be no larger than '${high}'` };
      return { value: found };
    },
    filter(given) {
      if (/^\s*[+-]?\d{16,}\s*$/.test(given)) return undefined;
      const found = whole(given);
      if (found === undefined) return { reason: `'${display(given)}' is not an integer`, conversion: true };
      return found >= low && found <= high ? { value: found } : undefined;
    },
  };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** The canonical (lower case) form of a UUID, or undefined for anything else. */
export function canonicalUuid(value: unknown): string | undefined {
  return typeof value === 'string' && UUID.test(value) ? value.toLowerCase() : undefined;
}

export const uuid: ValueType = {
  schema: { type: 'string', format: 'uuid' },
  read(value) {
    const found = canonicalUuid(value);
    return found === undefined ? { reason: `'${display(value)}' is not a valid UUID` } : { value: found };
  },
  filter(given) {
    const found = canonicalUuid(given);
    return found === undefined ? undefined : { value: found };
  },
};

/** One of a few words. */
export function oneOf(words: readonly string[]): ValueType {
  return {
    schema: { type: 'string', enum: words },
    read: (value) =>
      words.includes(value as string)
        ? { value }
        : { reason: `'${display(value)}' is not in [${words.map((word) => `'${word}'`).join(', ')}]` },
    filter: (given) => (words.includes(given) ? { value: given } : undefined),
  };
}

/** One of a few numbers; digits in a string are accepted. */
export function oneOfNumbers(numbers: readonly number[]): ValueType {
  const any = integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return {
    schema: { type: 'integer', enum: numbers },
    read(value) {
      const reading = any.read(value);
      if ('reason' in reading || numbers.includes(reading.value as number)) return reading;
      return { reason: `'${display(value)}' is not in [${numbers.join(', ')}]` };
    },
    filter: (given) => any.filter(given),
  };
}

/** `type`, or null; `instead` is stored for null. */
export function nullable(type: ValueType, instead: unknown = null): ValueType {
  return {
    schema: { anyOf: [type.schema, { type: 'null' }] },
    read: (value) => (value === null ? { value: instead } : type.read(value)),
    filter: (given) => type.filter(given),
  };
}

/** `type`; null is as if the attribute had not been given (some clients send every key they know). */
export function nullIsAbsent(type: ValueType): ValueType {
  return {
    schema: { anyOf: [type.schema, { type: 'null' }] },
    read: (value) => (value === null ? { value: undefined } : type.read(value)),
    filter: (given) => type.filter(given),
  };
}

/** At most `max` different items; `instead` is stored for null, which is refused without it. */
export function listOf(item: ValueType, options: { max: number; what: string; nullIs?: unknown }): ValueType {
  const array = { type: 'array', items: item.schema, maxItems: options.max, uniqueItems: true };
  return {
    schema: options.nullIs === undefined ? array : { anyOf: [array, { type: 'null' }] },
    read(value) {
      if (value === null && options.nullIs !== undefined) return { value: options.nullIs };
      if (!Array.isArray(value))
        return { reason: `Invalid data format for ${options.what}: '${display(value)}'` };
      if (value.length > options.max)
        return { reason: `'${value.length}' items exceed the maximum of ${options.max} for ${options.what}` };
      const seen = new Set<string>();
      const items: unknown[] = [];
      for (const given of value) {
        const reading = item.read(given);
        if ('reason' in reading) return { reason: reading.reason };
        const key = JSON.stringify(reading.value);
        if (seen.has(key)) return { reason: `Duplicate ${options.what} '${display(given)}'` };
        seen.add(key);
        items.push(reading.value);
      }
      return { value: items };
    },
    filter: () => undefined,
  };
}

/** An object with exactly these keys (`optional` ones may be absent). */
export function record(
  keys: Readonly<Record<string, ValueType>>,
  options: { what: string; optional?: readonly string[] },
): ValueType {
  const required = Object.keys(keys).filter((key) => !options.optional?.includes(key));
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(Object.entries(keys).map(([key, type]) => [key, type.schema])),
      required,
      additionalProperties: false,
    },
    read(value) {
      if (!isPlainObject(value))
        return { reason: `Invalid data format for ${options.what}: '${display(value)}'` };
      const missing = required.filter((key) => !(key in value));
      const unknown = Object.keys(value).filter((key) => !Object.hasOwn(keys, key));
      if (missing.length > 0 || unknown.length > 0) {
        const provided = display(Object.keys(value).join(', '));
        return {
          reason: `Validation of dictionary's keys failed. Expected keys: ${Object.keys(keys).join(', ')} Provided keys: ${provided}`,
        };
      }
      const result: Record<string, unknown> = {};
      for (const [key, type] of Object.entries(keys)) {
        if (!(key in value)) continue;
        const reading = type.read(value[key]);
        if ('reason' in reading) return { reason: reading.reason };
        result[key] = reading.value;
      }
      return { value: result };
    },
    filter: () => undefined,
  };
}

/** Whether PostgreSQL can store it as jsonb: all its text (`isStorable`), and nested at most 20 deep. */
export function isStorableJson(value: unknown): boolean {
  return storableJson(value, 0);
}

function storableJson(value: unknown, depth: number): boolean {
  if (depth > 20) return false;
  if (typeof value === 'string') return isStorable(value);
  if (typeof value === 'number') return Number.isFinite(value);
  if (Array.isArray(value)) return value.every((item) => storableJson(item, depth + 1));
  if (isPlainObject(value))
    return Object.entries(value).every(([key, item]) => isStorable(key) && storableJson(item, depth + 1));
  return true;
}

/** Any JSON object of at most `maxCharacters` when written out. */
export function jsonObject(maxCharacters: number): ValueType {
  return {
    schema: { type: 'object' },
    read(value) {
      if (!isPlainObject(value)) return { reason: `'${display(value)}' is not a dictionary` };
      if (!isStorableJson(value)) return { reason: `'${display(value)}' holds values that cannot be stored` };
      if (JSON.stringify(value).length > maxCharacters)
        return { reason: `'${display(value)}' exceeds maximum length of ${maxCharacters}` };
      return { value };
    },
    filter: () => undefined,
  };
}

export interface ConstantType extends ValueType {
  readonly constant: unknown;
}

/** The one value that there is so far; anything else is refused with `why`. */
export function constant(value: unknown, why: string): ConstantType {
  const written = JSON.stringify(value);
  return {
    constant: value,
    schema: { const: value },
    read: (given) =>
      JSON.stringify(given) === written ? { value } : { reason: `'${display(given)}' is refused: ${why}` },
    filter: (given) => (given === display(value) || given === String(value) ? { value } : undefined),
  };
}

/** What is only shown: never read from a request. `filter` compares as text. */
export function shown(schema: JsonSchema): ValueType {
  return {
    schema,
    read: (value) => ({ value }),
    filter: (given) => (isStorable(given) ? { value: given } : undefined),
  };
}
