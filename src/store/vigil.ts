/**
 * Notices a database that takes what it is asked and says nothing: frozen, or behind a cut link. A statement alone would
 * wait for its timeout, and with every session waiting so would everybody; instead they are told at once that there is no
 * database, until it answers again.
 *
 *   somebody waits and nothing came for QUIET_MS ──> a session of its own asks ──no answer──> silent: every session is cut
 *                                                          ^──────────── again ───────────────┘
 */
import { Socket } from 'node:net';
import { Client, type ClientConfig, DatabaseError, type Pool } from 'pg';
import { type Clock, sleep } from '../lib/clock.ts';
import type { StoreLog } from './open.ts';
import { StoreUnavailable } from './store.ts';

const QUIET_MS = 1_500;
export const PROBE_MS = 1_500;
/** A process that stood still for however long has lost one of these. */
const SLICE_MS = 100;
const LOOK_MS = 500;

export interface VigilOptions {
  readonly connection: ClientConfig;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** How long a database of which nothing is heard may take to answer. */
  readonly probeMs: number;
}

const silence = () => new StoreUnavailable('the database does not answer');

export class Vigil {
  readonly #options: VigilOptions;
  readonly #sockets = new Set<Socket>();
  /** Those who wait for a session: how to tell them that there is none. */
  readonly #waiting = new Set<(reason: Error) => void>();
  #isSilent = false;
  #bytes = 0;

  constructor(options: VigilOptions) {
    this.#options = options;
  }

  /** Makes the pool's sockets, for `stream` of its configuration. */
  readonly socket = (): Socket => {
    const socket = new Socket();
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#bytes += socket.bytesRead;
    });
    return socket;
  };

  /** What `work` gives, unless the database is silent, or falls silent before: then StoreUnavailable. */
  unlessSilent<Result>(work: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#isSilent) return reject(silence());
      this.#waiting.add(reject);
      work.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  /** Watches over the pool until `signal` aborts. */
  async run(pool: Pool, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let heard = this.#heard();
    let quietSince = clock.now();
    while (!signal.aborted) {
      await sleep(clock, LOOK_MS, signal);
      const isWaitedFor = pool.totalCount - pool.idleCount + pool.waitingCount > 0;
      const now = this.#heard();
      if (now !== heard || (!isWaitedFor && !this.#isSilent)) quietSince = clock.now();
      heard = now;
      if (signal.aborted || (!this.#isSilent && clock.now() - quietSince < QUIET_MS)) continue;
      const answers = await this.#probe(signal);
      if (signal.aborted) return;
      this.#conclude(answers);
      quietSince = clock.now();
    }
  }

  #heard(): number {
    let bytes = this.#bytes;
    for (const socket of this.#sockets) bytes += socket.bytesRead;
    return bytes;
  }

  #conclude(answers: boolean): void {
    if (answers && this.#isSilent) {
      this.#isSilent = false;
      this.#options.log.info({}, 'the database answers again');
    }
    if (answers) return;
    if (!this.#isSilent) {
      this.#isSilent = true;
      for (const tell of this.#waiting) tell(silence());
      this.#options.log.warn(
        { sessions: this.#sockets.size },
        'the database does not answer: ending sessions',
      );
    }
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Whether it answers anything at all in time, a refusal included. */
  async #probe(signal: AbortSignal): Promise<boolean> {
    const client = new Client({ ...this.#options.connection, application_name: 'deuteron probe' });
    client.on('error', () => undefined);
    const asked = client
      .connect()
      .then(() => client.query('select 1'))
      .then(
        () => true,
        (error: unknown) => error instanceof DatabaseError,
      );
    const over = new AbortController();
    const answered = await Promise.race([asked, this.#late(AbortSignal.any([signal, over.signal]))]);
    over.abort();
    client.end().catch(() => undefined);
    return answered;
  }

  /** false, after a while in which this process was awake: to connect and to ask takes several turns. */
  async #late(signal: AbortSignal): Promise<false> {
    const { clock, probeMs } = this.#options;
    for (let passedMs = 0; passedMs < probeMs && !signal.aborted; passedMs += SLICE_MS)
      await sleep(clock, SLICE_MS, signal);
    return false;
  }
}
