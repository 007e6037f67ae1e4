/** Where one agent's journal lies. What was being written when its process died is there in part, or not at all. */
import type { Random } from '../../src/lib/random.ts';
import type { JournalStorage } from '../../src/watch/journal.ts';
import type { Incarnation } from './incarnation.ts';
import { delay, type Weather } from './weather.ts';

const SYNC_MS = 2;

export class Disk {
  #text: string | null = null;
  readonly #random: Random;
  readonly #weather: () => Weather;

  constructor(random: Random, weather: () => Weather) {
    this.#random = random;
    this.#weather = weather;
  }

  /** The storage as one life of the process uses it. */
  open(life: Incarnation): JournalStorage {
    let writing: (() => void) | undefined;
    const write = async (label: string, done: () => void, torn: () => void) => {
      writing = torn;
      const delays = { before: delay(this.#random, SYNC_MS, this.#weather().slowness), after: 0 };
      await life.call(label, delays, () => {
        if (!life.alive) return;
        writing = undefined;
        done();
      });
    };
    life.atDeath(() => writing?.());
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
