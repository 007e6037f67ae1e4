/**
 * The server's end of every watch: reads each change once, tells it to the streams that it concerns.
 *
 *   wake, poll ──> cycle: one view ── log, scopes, bodies (cycle.ts) ──> deliver.ts ──> streams ──> sinks
 *   attach ──> joiners ──────┘ the same cycle answers those who connect, from memory where it can
 *
 * - A cycle reads one consistent state at the head H of the log, and brings each stream that it concerns exactly there.
 * - If the log does not hold the feed's place any more (a standby was promoted without its last commits, a backup was
 *   restored), everything remembered is dropped and every agent reconnects: it is compared group by group.
 * - The first change after a quiet time goes at once; under load cycles are spaced, so that each serves many changes.
 */
import { Bug } from '../lib/assert.ts';
import { sleep } from '../lib/clock.ts';
import { integerBetween } from '../lib/random.ts';
import type { Group } from '../resources/agent-view.ts';
import { TokenBucket } from './admission.ts';
import { AuditSchedule } from './audit.ts';
import { type Entry, type Joiner, type Link, readCycle, type SnapshotReason } from './cycle.ts';
import { deliver } from './deliver.ts';
import { FeedMemory } from './memory.ts';
import { Parts, Ring } from './parts.ts';
import {
  type CutReason,
  FEED_DEFAULTS,
  type FeedLimits,
  type FeedMetrics,
  type FeedOptions,
} from './feed-options.ts';
import type { RemedyFrame, WatchRequest } from './protocol.ts';
import { NO_CONTENT, type Sink, Stream } from './stream.ts';
import { Streams } from './streams.ts';
import { encodeFrame } from './wire.ts';

export {
  FEED_DEFAULTS,
  type FeedLimits,
  type FeedMetrics,
  type FeedOptions,
  type Sent,
} from './feed-options.ts';

/** What the carrier of a watch tells the feed about it. */
export interface WatchHandle {
  /** The sink takes again, after a `write` that returned false. */
  drained(): void;
  /** A heartbeat came. From the first one on they are expected. */
  heard(): void;
  /** The connection is gone. */
  closed(): void;
}

/** Who was told nothing of a hint gets a bookmark by then, so that nothing looks owed for long; not more often. */
const LEFT_OUT_MS = 1_000;

export class Feed {
  readonly #options: FeedOptions;
  readonly #limits: FeedLimits;
  readonly #streams = new Streams();
  readonly #ring: Ring;
  readonly #bucket: TokenBucket;
  readonly #audit: AuditSchedule;
  readonly #heardAt = new Map<Stream, number>();
  #memory: FeedMemory | undefined;
  #joiners: Joiner[] = [];
  #isWanted = false;
  #resume: () => void = () => undefined;
  #hasEnded = false;
  #counts = { cycles: 0, batches: 0, bytes: 0, resumes: 0, refused: 0, mismatches: 0, lineages: 0 };
  #cycleMs = 0;
  readonly #snapshots: Record<SnapshotReason, number> = { empty: 0, lineage: 0, behind: 0 };
  readonly #cuts: Record<CutReason, number> = { stalled: 0, 'fell out': 0, silent: 0, asked: 0 };

  constructor(options: FeedOptions) {
    const now = options.clock.now();
    this.#options = options;
    this.#limits = { ...FEED_DEFAULTS, ...options.limits };
    this.#ring = new Ring(this.#limits.ringBytes);
    this.#bucket = new TokenBucket(this.#limits.snapshots, now);
    this.#audit = new AuditSchedule(this.#limits.audit, now);
  }

  /** Hosts whose agent is connected here. */
  connected(): string[] {
    return this.#streams.hosts();
  }

  /** The groups that a host's agent was told of, if it is connected here. */
  scopeOf(host: string): ReadonlySet<Group> | undefined {
    return this.#streams.of(host)?.scope;
  }

  metrics(): FeedMetrics {
    const open = this.#streams.all().reduce((sum, stream) => sum + stream.bytes, 0);
    return {
      ...this.#counts,
      bytes: this.#counts.bytes + open,
      position: this.#memory?.last.position ?? 0,
      streams: this.#streams.size,
      joining: this.#joiners.length,
      snapshots: { ...this.#snapshots },
      cuts: { ...this.#cuts },
      ringBytes: this.#ring.bytes,
      cycleMs: this.#cycleMs,
      auditPeriodMs: this.#audit.periodMs,
    };
  }

  /**
   * Takes a watch. The sink is opened or refused within some seconds, never before this returns. The caller has
   * made sure that the request is well formed and is the host's own.
   */
  attach(request: WatchRequest, sink: Sink): WatchHandle {
    const now = this.#now();
    const link: Link = { stream: undefined, isClosed: false, beats: false };
    const joiner: Joiner = { request, sink, since: now, link };
    if (this.#hasEnded) this.#options.clock.after(0, () => this.#refuse(joiner, 'the server stops', 0));
    else this.#joiners.push(joiner);
    this.#wake();
    return this.#handleOf(link, request.host);
  }

  #handleOf(link: Link, host: string): WatchHandle {
    return {
      drained: () => link.stream?.drained(this.#now()),
      heard: () => {
        link.beats = true;
        if (link.stream && !link.stream.isClosed) this.#heard(link.stream);
        // it waits for its answer, which may take as long as the database does
        else if (!link.isClosed) this.#options.onHeard?.(host);
      },
      closed: () => {
        link.isClosed = true;
        if (link.stream) this.#forget(link.stream);
      },
    };
  }

  #heard(stream: Stream): void {
    this.#heardAt.set(stream, this.#now());
    this.#options.onHeard?.(stream.host);
  }

  /** Sends the digests of these groups soon to whoever watches them, so much a second. false: too many wait already. */
  auditNow(groups: Iterable<Group>): boolean {
    const taken = this.#audit.ask([...groups].filter((name) => this.#streams.isWatched(name)));
    this.#wake();
    return taken;
  }

  /** Hands a remedy to the host's agent. false: it is not connected here, does not take it, or reads slowly. */
  remedy(host: string, frame: RemedyFrame): boolean {
    const stream = this.#streams.of(host);
    if (!stream?.takesRemedies || stream.blockedAt !== null) return false;
    stream.line(new Parts(stream.told), encodeFrame(frame), this.#now());
    return true;
  }

  /** Ends the host's watch, so that its agent connects anew. false: there is none here. */
  cut(host: string, reason: string): boolean {
    const stream = this.#streams.of(host);
    if (!stream) return false;
    this.#cuts.asked++;
    this.#end(stream, reason, 0);
    return true;
  }

  /** Feeds until `signal` aborts; then every agent is told to go elsewhere. */
  async run(signal: AbortSignal): Promise<void> {
    const stopWaking = this.#options.source.onAppend(() => this.#wake());
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.all([this.#follow(signal), this.#tend(signal)]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      stopWaking();
      this.#hasEnded = true;
      this.#endAll('the server stops', 0);
      for (const joiner of this.#joiners) this.#refuse(joiner, 'the server stops', 0);
      this.#joiners = [];
    }
  }

  /**
   * Takes no more watches, and tells the agents to go elsewhere one after another, all within `spreadMs`. Resolves when
   * every one has been told.
   */
  async release(spreadMs: number): Promise<void> {
    this.#hasEnded = true;
    for (const joiner of this.#joiners.splice(0)) this.#refuse(joiner, 'the server stops', 0);
    const { clock, random } = this.#options;
    const one = async (stream: Stream) => {
      await sleep(clock, random.next() * spreadMs);
      if (!stream.isClosed) this.#end(stream, 'the server stops', 0);
    };
    await Promise.all(this.#streams.all().map(one));
    // whoever came in by the cycle that was under way
    this.#endAll('the server stops', 0);
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #wake(): void {
    this.#isWanted = true;
    this.#resume();
  }

  /** Cycle after cycle: when woken, else by the poll; not faster than the last one's cost allows. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, onError } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      if (!this.#isWanted) await this.#wanted();
      if (signal.aborted) return;
      this.#isWanted = false;
      const began = this.#now();
      try {
        await this.#cycle();
        failures = 0;
      } catch (error) {
        if (error instanceof Bug) throw error;
        failures++;
        onError?.(error);
      }
      this.#cycleMs = this.#now() - began;
      const [shortest, longest] = this.#limits.flushMs;
      const pause = failures > 0 ? 50 * 2 ** Math.min(failures, 6) : this.#cycleMs;
      await sleep(clock, Math.min(longest, Math.max(shortest, pause)), signal);
    }
  }

  /** Resolves when woken, or when it is time to look. */
  #wanted(): Promise<void> {
    return new Promise((resolve) => {
      const { pollMs, aheadMs } = this.#limits;
      // those who are still in line are ahead of the log
      const waitMs = this.#joiners.length > 0 ? Math.min(pollMs, aheadMs) : pollMs;
      const cancel = this.#options.clock.after(waitMs, () => this.#resume());
      this.#resume = () => {
        cancel();
        this.#resume = () => undefined;
        resolve();
      };
    });
  }

  async #cycle(): Promise<void> {
    const { source } = this.#options;
    this.#memory ??= await source.view((view) => FeedMemory.load(view, this.#limits));
    const memory = this.#memory;
    const now = this.#now();
    const joiners = this.#joiners.splice(0, this.#limits.joinersPerCycle);
    const audit = this.#audit.due(now, () => ({
      groups: this.#streams.groups(),
      hosts: this.#streams.hosts(),
    }));
    // what does not get its answer in this cycle stays in line
    let next = joiners;
    let ahead: readonly Joiner[] = [];
    try {
      const reading = await source.view((view) =>
        readCycle(view, {
          memory,
          now,
          streamOf: (host) => this.#streams.of(host),
          isWatched: (group) => this.#streams.isWatched(group),
          joiners,
          admit: (groups) => this.#bucket.take(now, groups),
          aheadMs: this.#limits.aheadMs,
          maxGroups: this.#limits.groupsPerCycle,
          audit,
        }),
      );
      if (!reading) return this.#loseLineage();
      next = [...reading.postponed];
      ahead = reading.ahead;
      memory.advance(reading.hints, reading.scopes);
      const told = deliver({
        reading,
        streams: this.#streams,
        server: this.#options.serverId,
        pace: { heartbeatMs: this.#limits.heartbeatMs, idleMs: this.#limits.idleMs },
        now: this.#now(),
        open: (entry) => this.#open(entry),
        audited: audit.groups,
        newest: (group) => memory.tail.newest(group),
        ...(this.#options.onSent ? { onSent: this.#options.onSent } : {}),
      });
      this.#ring.push(told.parts);
      this.#counts.cycles++;
      this.#counts.batches += told.batches;
      for (const stream of told.removed) this.#end(stream, 'the host was removed', 5_000);
      for (const joiner of reading.refused) {
        this.#refuse(joiner, 'too many whole comparisons at once', this.#bucket.retryAfterMs(now));
      }
    } finally {
      this.#joiners = [...next, ...this.#joiners, ...ahead];
    }
    if (this.#joiners.length > ahead.length) this.#wake();
  }

  /** Opens the stream of a joiner; the newest life of a host takes over from an older one. */
  #open(entry: Entry): Stream | undefined {
    const { joiner, scope } = entry;
    const { request, sink } = joiner;
    if (joiner.link.isClosed) return undefined;
    const other = this.#streams.of(request.host);
    if (other && other.incarnation > request.incarnation) {
      this.#refuse(joiner, "a later life of this host's agent is connected", 5_000);
      return undefined;
    }
    const now = this.#now();
    const { last } = this.#memory as FeedMemory;
    const stream = new Stream({
      host: request.host,
      incarnation: request.incarnation,
      sink,
      scope,
      takesRemedies: request.takes?.includes('remedy') ?? false,
      told: entry.type === 'deltas' && request.place ? request.place : last,
      now,
      nextBookmarkAt: now + this.#options.random.next() * this.#limits.bookmarkMs,
    });
    joiner.link.stream = stream;
    if (other) this.#close(other, 'the agent connected anew', 0);
    this.#streams.add(stream);
    this.#options.onAttached?.(request);
    if (!other) this.#options.onPresence?.(request.host, true);
    if (joiner.link.beats) this.#heard(stream);
    const mismatches = request.mismatched?.length ?? 0;
    this.#counts.mismatches += mismatches;
    if (mismatches > 0) this.#audit.found();
    if (entry.type === 'deltas') this.#counts.resumes++;
    else this.#snapshots[entry.reason]++;
    sink.open();
    return stream;
  }

  #refuse(joiner: Joiner, reason: string, retryAfterMs: number): void {
    if (joiner.link.isClosed) return;
    joiner.link.isClosed = true;
    this.#counts.refused++;
    joiner.sink.refuse({ reason, retryAfterMs });
  }

  /** What was remembered is of a history that is no more. */
  #loseLineage(): void {
    this.#counts.lineages++;
    this.#memory = undefined;
    this.#endAll('the log is another one now', 0);
    this.#wake();
  }

  #endAll(reason: string, retryAfterMs: number): void {
    for (const stream of this.#streams.all()) this.#end(stream, reason, retryAfterMs);
  }

  #end(stream: Stream, reason: string, retryAfterMs: number): void {
    this.#close(stream, reason, retryAfterMs);
    this.#options.onPresence?.(stream.host, false);
  }

  /** Ends the stream and takes it off the books; its host may be present by another. */
  #close(stream: Stream, reason: string, retryAfterMs: number): void {
    stream.end(encodeFrame({ type: 'goodbye', reason, retryAfterMs }));
    this.#takeOff(stream);
  }

  #takeOff(stream: Stream): boolean {
    if (stream.isClosed) return false;
    stream.isClosed = true;
    this.#counts.bytes += stream.bytes;
    this.#heardAt.delete(stream);
    return this.#streams.remove(stream);
  }

  #forget(stream: Stream): void {
    if (this.#takeOff(stream)) this.#options.onPresence?.(stream.host, false);
  }

  /** Twice a second: bookmarks, and streams or joiners that have run out of time. */
  async #tend(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#options.clock, 500, signal);
      if (!signal.aborted) this.#tendOnce(this.#now());
    }
  }

  #tendOnce(now: number): void {
    const { stallMs, heartbeatTimeoutMs, bookmarkMs, answerMs } = this.#limits;
    const parts = this.#memory ? new Parts(this.#memory.last) : undefined;
    const attentiveSince = this.#options.attentiveSince?.(now) ?? 0;
    const isSilent = (heardAt: number | undefined) =>
      heardAt !== undefined && now - Math.max(heardAt, attentiveSince) > heartbeatTimeoutMs;
    let isAnyBlocked = false;
    for (const stream of this.#streams.all()) {
      if (stream.fellOut) this.#cut(stream, 'fell out');
      else if (stream.blockedAt !== null && now - stream.blockedAt > stallMs) this.#cut(stream, 'stalled');
      else if (isSilent(this.#heardAt.get(stream))) this.#cut(stream, 'silent');
      else if (stream.blockedAt !== null) isAnyBlocked = true;
      else if (parts && stream.isLeftOut && now - stream.wroteAt >= LEFT_OUT_MS) stream.bring(parts, now);
      else if (parts && now >= stream.nextBookmarkAt) {
        stream.nextBookmarkAt = now + bookmarkMs;
        if (now - stream.wroteAt > bookmarkMs / 2) stream.batch(parts, NO_CONTENT, now);
      }
    }
    if (!isAnyBlocked) this.#ring.clear();
    // twice the wait: one for the cycle under way, one for a place that is ahead
    const late = this.#joiners.filter((joiner) => now - joiner.since > 2 * answerMs);
    if (late.length === 0) return;
    this.#joiners = this.#joiners.filter((joiner) => !late.includes(joiner));
    for (const joiner of late) {
      this.#refuse(
        joiner,
        'the database does not answer',
        integerBetween(this.#options.random, 1_000, 3_000),
      );
    }
  }

  #cut(stream: Stream, reason: CutReason): void {
    this.#cuts[reason]++;
    stream.abort();
    this.#forget(stream);
  }
}
