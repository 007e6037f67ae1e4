/**
 * One agent's open watch, at the server: what it has been told, and what waits until its connection drains. What waits
 * is named, not copied: the text is in the parts that all streams share.
 */
import type { Group } from '../resources/agent-view.ts';
import { type Place, samePlace } from '../resources/place.ts';
import { batchLine, groupLine, type Parts } from './parts.ts';

/** The connection, as the feed sees it. */
export interface Sink {
  /** The watch is granted; lines follow. */
  open(): void;
  /** It is not; nothing follows. */
  refuse(refusal: { readonly reason: string; readonly retryAfterMs: number }): void;
  /** false: taken, but wait for `drained` before the next. */
  write(line: string): boolean;
  /** Closes once what was written is out. */
  end(): void;
  /** Closes at once. */
  abort(): void;
}

/** Something to be sent. Its parts say whether it still can be. */
type Item =
  | {
      readonly type: 'batch';
      readonly parts: Parts;
      readonly from: Place;
      readonly enter: readonly Group[];
      readonly leave: readonly Group[];
      /** Groups whose changes are in the parts, or JSON of this stream's own. */
      readonly changes: readonly Group[] | string;
    }
  | { readonly type: 'group'; readonly parts: Parts; readonly group: Group }
  | { readonly type: 'line'; readonly parts: Parts; readonly line: string };

export type BatchContent = Pick<Extract<Item, { type: 'batch' }>, 'enter' | 'leave' | 'changes'>;

export const NO_CONTENT: BatchContent = { enter: [], leave: [], changes: [] };

function encode(item: Item): string {
  switch (item.type) {
    case 'line':
      return item.line;
    case 'group':
      return groupLine(item.parts.to, item.group, item.parts.whole(item.group));
    case 'batch': {
      const { parts, from, enter, leave, changes } = item;
      return batchLine({
        from,
        to: parts.to,
        enter: enter.length === 0 ? '{}' : parts.wholes(enter),
        leave,
        changes: typeof changes === 'string' ? changes : changes.length === 0 ? '{}' : parts.changes(changes),
      });
    }
  }
}

export interface StreamOptions {
  readonly host: string;
  readonly incarnation: number;
  readonly sink: Sink;
  readonly scope: ReadonlySet<Group>;
  readonly takesRemedies: boolean;
  /** Where the mirror stands, or will when what is queued first has come. */
  readonly told: Place;
  readonly now: number;
  readonly nextBookmarkAt: number;
}

export class Stream {
  readonly host: string;
  readonly incarnation: number;
  readonly takesRemedies: boolean;
  readonly #sink: Sink;
  /** As told: what the mirror has in scope once everything queued has come. */
  scope: ReadonlySet<Group>;
  told: Place;
  isClosed = false;
  wroteAt: number;
  nextBookmarkAt: number;
  /** There was a hint in its scope that changed nothing: it has not been told, and by the rows it owes it. */
  isLeftOut = false;
  /** When the connection last stopped taking; null while it takes. */
  blockedAt: number | null = null;
  bytes = 0;
  #waiting: Item[] = [];

  constructor(options: StreamOptions) {
    this.host = options.host;
    this.incarnation = options.incarnation;
    this.takesRemedies = options.takesRemedies;
    this.#sink = options.sink;
    this.scope = options.scope;
    this.told = options.told;
    this.wroteAt = options.now;
    this.nextBookmarkAt = options.nextBookmarkAt;
  }

  /** Whether what it waits for is gone from the ring. */
  get fellOut(): boolean {
    return this.#waiting[0]?.parts.isGone ?? false;
  }

  batch(parts: Parts, content: BatchContent, now: number): void {
    this.#send({ type: 'batch', parts, from: this.told, ...content }, now);
    this.told = parts.to;
    this.isLeftOut = false;
  }

  /** An empty batch, if the mirror does not stand at the parts' place already. */
  bring(parts: Parts, now: number): void {
    if (!samePlace(this.told, parts.to)) this.batch(parts, NO_CONTENT, now);
  }

  group(parts: Parts, group: Group, now: number): void {
    this.#send({ type: 'group', parts, group }, now);
  }

  line(parts: Parts, line: string, now: number): void {
    this.#send({ type: 'line', parts, line }, now);
  }

  /** The connection takes again. */
  drained(now: number): void {
    this.blockedAt = null;
    let sent = 0;
    for (const item of this.#waiting) {
      if (this.blockedAt !== null || item.parts.isGone) break;
      this.#write(item, now);
      sent++;
    }
    this.#waiting = this.#waiting.slice(sent);
  }

  /** Says goodbye if the connection still takes. */
  end(line: string): void {
    if (this.blockedAt === null) {
      this.#sink.write(line);
      this.#sink.end();
    } else {
      this.#sink.abort();
    }
  }

  abort(): void {
    this.#sink.abort();
  }

  #send(item: Item, now: number): void {
    if (this.isClosed) return;
    if (this.blockedAt === null && this.#waiting.length === 0) this.#write(item, now);
    else this.#wait(item);
  }

  #wait(item: Item): void {
    item.parts.isWanted = true;
    this.#waiting.push(item);
  }

  #write(item: Item, now: number): void {
    const line = encode(item);
    this.bytes += line.length;
    this.wroteAt = now;
    if (!this.#sink.write(line)) this.blockedAt = now;
  }
}
