/** Frames as lines of JSON: one object a line, blank lines mean nothing. */
import { AGENT_TYPES } from '../resources/agent.ts';
import { type Frame, MAX_REMEDY_KEYS } from './protocol.ts';

/** Longest line that is taken; a group of 100,000 leases is a third of it. */
export const MAX_LINE_CHARACTERS = 128 * 1024 * 1024;

/** Cuts a stream of text into lines. Holds at most one unfinished line, bounded. */
export class LineSplitter {
  readonly #max: number;
  #parts: string[] = [];
  #length = 0;

  constructor(maxCharacters: number = MAX_LINE_CHARACTERS) {
    this.#max = maxCharacters;
  }

  /** The lines that this piece completes, blank ones left out; undefined: a line is too long, give up. */
  push(text: string): string[] | undefined {
    const lines: string[] = [];
    let at = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
      this.#parts.push(text.slice(at, end));
      const line = this.#parts.length === 1 ? (this.#parts[0] as string) : this.#parts.join('');
      this.#parts = [];
      this.#length = 0;
      at = end + 1;
      if (line !== '') lines.push(line);
    }
    if (at < text.length) {
      this.#parts.push(at === 0 ? text : text.slice(at));
      this.#length += text.length - at;
    }
    return this.#length > this.#max ? undefined : lines;
  }
}

export function encodeFrame(frame: Frame): string {
  return `${JSON.stringify(frame)}\n`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isPlace = (value: unknown): boolean =>
  isRecord(value) && Number.isSafeInteger(value.position) && Number.isSafeInteger(value.tag);
const isRecordOf = (check: (value: unknown) => boolean) => (value: unknown) =>
  isRecord(value) && Object.values(value).every(check);
const isText = (value: unknown): boolean => typeof value === 'string';
const isNames = (value: unknown): boolean => Array.isArray(value) && value.every(isText);
const isKeys = (value: unknown): boolean =>
  isNames(value) && (value as string[]).length > 0 && (value as string[]).length <= MAX_REMEDY_KEYS;
const isBodyOrNull = (value: unknown): boolean => value === null || isRecord(value);

const isDurationIfAny = (value: unknown): boolean =>
  value === undefined || (Number.isFinite(value) && (value as number) > 0);

const FRAME_TYPE = /^[a-z][a-z-]{0,31}$/;

const SHAPES: Readonly<Record<Frame['type'], Readonly<Record<string, (value: unknown) => boolean>>>> = {
  hello: {
    version: Number.isSafeInteger,
    server: isText,
    mode: (value) => value === 'deltas' || value === 'groups',
    heartbeatMs: isDurationIfAny,
    idleMs: isDurationIfAny,
  },
  group: { at: isPlace, group: isText, objects: isRecordOf(isRecord) },
  synced: { at: isPlace, scope: isNames, sent: isNames },
  batch: {
    from: isPlace,
    to: isPlace,
    enter: isRecordOf(isRecordOf(isRecord)),
    leave: isNames,
    changes: isRecordOf(isRecordOf(isBodyOrNull)),
  },
  digest: { at: isPlace, groups: isRecordOf(isText) },
  goodbye: { reason: isText, retryAfterMs: Number.isFinite },
  remedy: {
    id: isText,
    role: (value) => typeof value === 'string' && Object.hasOwn(AGENT_TYPES, value),
    keys: isKeys,
    how: (value) => value === 'resync' || value === 'rebuild',
  },
};

/** The frame on a line; 'unknown' for one of a type that came later than this; undefined if it is none at all. */
export function parseFrame(line: string): Frame | 'unknown' | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || typeof value.type !== 'string') return undefined;
  if (!Object.hasOwn(SHAPES, value.type)) return FRAME_TYPE.test(value.type) ? 'unknown' : undefined;
  const shape = SHAPES[value.type as Frame['type']];
  for (const [field, check] of Object.entries(shape)) {
    if (!check(value[field])) return undefined;
  }
  return value as unknown as Frame;
}
