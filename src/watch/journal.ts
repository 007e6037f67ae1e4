/**
 * The mirror on disk: one append-only text, a record a line, each `<checksum> <json>`. The first record names format
 * and host; the others are the very frames that changed the mirror, so a batch's place stands inside its record and
 * the two cannot come apart. Loading stops at the first record that is torn, damaged or out of sequence: what came
 * before it is a state that the agent once had, and the watch goes on from there.
 *
 * When the text has grown to several times what the mirror itself takes, it is written anew, whole.
 */
import { hash } from 'node:crypto';
import { type DurableFrame, Mirror } from './mirror.ts';

/** Where the text is kept. */
export interface JournalStorage {
  /** The whole text; null when there is none. */
  read(): Promise<string | null>;
  /** Adds to the end, durably. */
  append(text: string): Promise<void>;
  /** Puts the text in place of the old, durably and atomically. */
  replace(text: string): Promise<void>;
}

interface Header {
  readonly journal: 1;
  readonly host: string;
}

const CHECKSUM_DIGITS = 16;

/** One line of the journal. */
export function encodeRecord(record: Header | DurableFrame): string {
  const json = JSON.stringify(record);
  return `${hash('sha256', json).slice(0, CHECKSUM_DIGITS)} ${json}\n`;
}

/** The record on a line; undefined if it is torn or damaged. */
export function decodeRecord(line: string): unknown {
  const json = line.slice(CHECKSUM_DIGITS + 1);
  if (line.charAt(CHECKSUM_DIGITS) !== ' ') return undefined;
  if (hash('sha256', json).slice(0, CHECKSUM_DIGITS) !== line.slice(0, CHECKSUM_DIGITS)) return undefined;
  return JSON.parse(json);
}

/** The text of a journal that holds just this mirror. */
export function encodeMirror(mirror: Mirror): string {
  let text = encodeRecord({ journal: 1, host: mirror.host });
  for (const frame of mirror.frames()) text += encodeRecord(frame);
  return text;
}

export interface Loaded {
  readonly mirror: Mirror;
  /** How many characters of the text were good. */
  readonly good: number;
}

/** Rebuilds the mirror of `host`. A journal of another host or format is as none. */
export function decodeMirror(host: string, text: string): Loaded {
  const mirror = new Mirror(host);
  let at = 0;
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', at)) {
    const record = decodeRecord(text.slice(at, end)) as Header | DurableFrame | undefined;
    if (record === undefined) break;
    const fits =
      at === 0
        ? 'journal' in record && record.journal === 1 && record.host === host
        : 'type' in record && mirror.replay(record);
    if (!fits) break;
    at = end + 1;
  }
  return { mirror, good: at };
}

/** Never compact below this size: a rewrite costs more than it saves. */
const COMPACT_FLOOR = 1 << 20;
const COMPACT_GROWTH = 4;

/** Writes behind: records that come while a write is under way go together in the next. */
export class Journal {
  readonly mirror: Mirror;
  readonly #storage: JournalStorage;
  #queue: string[] = [];
  #size: number;
  #compactAt: number;
  /** The text on disk may not end where we think: the next write is a whole one. */
  #broken: boolean;
  #writing: Promise<void> | undefined;

  private constructor(storage: JournalStorage, mirror: Mirror, state: { size: number; broken: boolean }) {
    this.#storage = storage;
    this.mirror = mirror;
    this.#size = state.size;
    this.#broken = state.broken;
    this.#compactAt = Math.max(COMPACT_FLOOR, state.size * COMPACT_GROWTH);
  }

  /** Reads what there is. A damaged end is cut off with the first write. */
  static async open(storage: JournalStorage, host: string): Promise<Journal> {
    const text = (await storage.read()) ?? '';
    const { mirror, good } = decodeMirror(host, text);
    return new Journal(storage, mirror, { size: good, broken: good === 0 || good < text.length });
  }

  /**
   * Records a frame that the mirror has just applied; resolves once it is durable. If storage fails it rejects, and
   * the next record writes the whole mirror anew.
   */
  append(frame: DurableFrame): Promise<void> {
    this.#queue.push(encodeRecord(frame));
    this.#writing ??= this.#write();
    return this.#writing;
  }

  /** Resolves once everything so far is durable, or has failed to be. */
  async settled(): Promise<void> {
    // a failure was told to whoever appended
    await this.#writing?.catch(() => undefined);
  }

  async #write(): Promise<void> {
    // what the same turn appends goes along
    await Promise.resolve();
    try {
      while (this.#queue.length > 0) await this.#writeOnce();
    } finally {
      this.#writing = undefined;
    }
  }

  async #writeOnce(): Promise<void> {
    const lines = this.#queue.join('');
    this.#queue = [];
    const whole = this.#broken || this.#size + lines.length > this.#compactAt;
    const text = whole ? encodeMirror(this.mirror) : lines;
    this.#broken = true;
    await (whole ? this.#storage.replace(text) : this.#storage.append(text));
    this.#broken = false;
    this.#size = whole ? text.length : this.#size + text.length;
    if (whole) this.#compactAt = Math.max(COMPACT_FLOOR, text.length * COMPACT_GROWTH);
  }
}
