/** Where one agent's journal lies. What was being written when its process died is there in part, or not at all. */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import type { JournalStorage } from '../../src/watch/journal.ts';
import type { Incarnation } from './incarnation.ts';
import { delay, type Weather } from './weather.ts';

const SYNC_MS = 2;
const SLOWEST_MS = 3_000;

export interface DiskTroubles {
  readonly isSlow: () => boolean;
  readonly isFull: () => boolean;
}

export class Disk {
  #text: string | null = null;
  readonly #random: Random;
  readonly #weather: () => Weather;
  readonly #troubles: DiskTroubles;
  /** Whether something is on its way to the disk. */
  isWriting = false;

  constructor(random: Random, weather: () => Weather, troubles: DiskTroubles) {
    this.#random = random;
    this.#weather = weather;
    this.#troubles = troubles;
  }

  /** The storage as one life of the process uses it. */
  open(life: Incarnation): JournalStorage {
    let writing: (() => void) | undefined;
    const write = async (label: string, done: () => void, torn: () => void) => {
      writing = torn;
      this.isWriting = true;
      const slow = this.#troubles.isSlow() ? integerBetween(this.#random, 200, SLOWEST_MS) : 0;
      const before = slow + delay(this.#random, SYNC_MS, this.#weather().slowness);
      await life.call(label, { before, after: 0 }, () => {
        if (!life.alive) return;
        writing = undefined;
        this.isWriting = false;
        if (this.#troubles.isFull()) {
          torn();
          throw new Error('no space left on device');
        }
        done();
      });
    };
    life.atDeath(() => {
      this.isWriting = false;
      writing?.();
    });
    return {
      read: () => life.call('journal read', { before: 1, after: 0 }, () => this.#text),
      append: (text) => {
        const add = (part: string) => {
          this.#text = (this.#text ?? '') + part;
        };
        return write(
          `journal append ${text.length}`,
          () => add(text),
          () => add(text.slice(0, Math.floor(this.#random.next() * (text.length + 1)))),
        );
      },
      replace: (text) => {
        const put = () => {
          this.#text = text;
        };
        return write(`journal replace ${text.length}`, put, () => this.#random.next() < 0.5 && put());
      },
    };
  }
}
