/** The parts of a replay that move by themselves in the real world, and here only when they are told to. */
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/lib/random.ts';
import { StoreUnavailable } from '../../src/store/store.ts';
import { FEED_DEFAULTS, Feed } from '../../src/watch/feed.ts';
import type { FeedSource } from '../../src/watch/source.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';

/** As in the model: a feed remembers two changes, each of which names two objects. */
export const TAIL = 2;
const REFS = 2;
export const BOOKMARK_MS = 60_000;
export const ANSWER_MS = 20_000;
const NEVER_MS = 1e12;
export const POLL_MS = FEED_DEFAULTS.pollMs;

/** A feed whose clock stands still but in `cycle`: nobody wakes it. */
export class Server {
  readonly clock = new VirtualClock();
  readonly feed: Feed;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #isDown = true;

  constructor(source: FeedSource, name: string) {
    this.feed = new Feed({
      // nobody wakes it: it looks when its clock is moved
      source: {
        view: async (work) => {
          if (this.#isDown) throw new StoreUnavailable('not yet');
          return source.view(work);
        },
        onAppend: () => () => undefined,
      },
      clock: this.clock,
      random: seededRandom(1),
      serverId: name,
      limits: {
        bookmarkMs: BOOKMARK_MS,
        answerMs: ANSWER_MS,
        aheadMs: ANSWER_MS,
        tailChanges: TAIL - 1,
        tailRefs: TAIL * REFS,
        // digests are beside the model
        audit: { minPeriodMs: NEVER_MS, maxPeriodMs: NEVER_MS, perTick: 0, tickMs: NEVER_MS },
      },
    });
    this.#running = this.feed.run(this.#abort.signal);
  }

  /** Brings it to where it rests between two cycles, and has read nothing. */
  async begin(): Promise<void> {
    await this.clock.advance(POLL_MS);
    this.#isDown = false;
  }

  /** One cycle: what it read is told, or it found that the log is another one. */
  async cycle(): Promise<void> {
    const count = () => this.feed.metrics().cycles + this.feed.metrics().lineages;
    const before = count();
    for (let ms = 0; count() === before; ms += 5) {
      assert.ok(ms <= 2 * POLL_MS, 'the feed does not cycle');
      await this.clock.advance(5);
    }
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await settle();
    await this.#running;
  }
}

/** A disk that keeps what was flushed. */
export class Disk {
  text: string | null = null;
  #pending: (() => void)[] = [];

  readonly storage = {
    read: async () => this.text,
    append: async (text: string) => void this.#pending.push(() => this.#set((this.text ?? '') + text)),
    replace: async (text: string) => void this.#pending.push(() => this.#set(text)),
  };

  #set(text: string): void {
    this.text = text;
  }

  flush(): void {
    for (const write of this.#pending.splice(0)) write();
  }

  lose(): void {
    this.#pending = [];
  }
}
