/**
 * The only source of order in a simulation. Whatever happens later is an event here; between two events every promise
 * that can go on has gone on. Events at one instant run in an order drawn from the seed. The trace of all events, hashed,
 * is what two runs of a seed must agree in.
 */
import { createHash } from 'node:crypto';
import type { Random } from '../../src/lib/random.ts';
import { Violation } from './violation.ts';

interface Event {
  readonly at: number;
  readonly lot: number;
  readonly order: number;
  readonly label: string;
  fire: (() => void) | null;
}

function before(a: Event, b: Event): boolean {
  if (a.at !== b.at) return a.at < b.at;
  if (a.lot !== b.lot) return a.lot < b.lot;
  return a.order < b.order;
}

/** Before each of the immediates that are queued together every promise goes on; a turn of the loop for each would cost more. */
const TURNS_AT_ONCE = 64;

/** What was done last, for the story of a failing seed. */
const REMEMBERED = 20_000;
const HASHED_AT_ONCE = 8_000;

export class Scheduler {
  readonly #heap: Event[] = [];
  readonly #random: Random;
  readonly #hash = createHash('sha256');
  readonly #recent: string[] = [];
  #unhashed = '';
  #now = 0;
  #order = 0;
  #steps = 0;
  #isToLook = false;
  /** Thrown inside an event or a promise that nobody awaits: ends the run. */
  failure: unknown;
  /** Runs after each event, once every promise has gone on. */
  afterEach: () => Promise<void> | undefined = () => undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Virtual milliseconds since the start. */
  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  /** `fire` happens after `delayMs`; the returned function takes it back. */
  after(delayMs: number, label: string, fire: () => void): () => void {
    const at = this.#now + Math.max(0, delayMs);
    const event: Event = { at, lot: this.#random.next(), order: this.#order++, label, fire };
    this.#push(event);
    return () => {
      event.fire = null;
    };
  }

  /** What becomes of it is nobody's to await: its failure ends the run. */
  follow(promise: Promise<unknown>): void {
    promise.catch((error: unknown) => (this.failure ??= error));
  }

  /** Writes a line of the trace. */
  note(line: string): void {
    const text = `${this.#now.toFixed(3)} ${line}`;
    this.#unhashed += `${text}\n`;
    if (this.#unhashed.length > HASHED_AT_ONCE) this.#hashRest();
    this.#recent.push(text);
    if (this.#recent.length > 2 * REMEMBERED) this.#recent.splice(0, REMEMBERED);
  }

  /** Performs events until `isOver`, or until there are none before `deadline`. Between two, every promise goes on, to the last. */
  run(deadline: number, isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let hasEnded = false;
      let isFirst = true;
      const end = (settle: () => void) => {
        hasEnded = true;
        settle();
      };
      const turn = () => {
        if (hasEnded) return;
        try {
          const looking = isFirst ? undefined : this.#looked();
          isFirst = false;
          // what it looks at is read by promises only: they go on before the next turn
          if (looking) this.follow(looking);
          else if (this.failure !== undefined) end(() => reject(this.failure));
          else if (isOver() || !this.#perform(deadline)) end(resolve);
        } catch (error) {
          end(() => reject(error));
        }
      };
      const turns = () => {
        if (hasEnded) return;
        for (let i = 0; i < TURNS_AT_ONCE; i++) setImmediate(turn);
        setImmediate(turns);
      };
      turns();
    });
  }

  /** After an event, once: those who watch look at what came of it. */
  #looked(): Promise<void> | undefined {
    if (!this.#isToLook) return undefined;
    this.#isToLook = false;
    return this.afterEach();
  }

  /** Performs the next event; false if there is none before `deadline`. */
  #perform(deadline: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (!next || next.at > deadline) {
        this.#now = Math.max(this.#now, deadline);
        return false;
      }
      this.#pop();
      if (!next.fire) continue;
      this.#now = next.at;
      this.#steps += 1;
      if (next.label !== '') this.note(next.label);
      this.#isToLook = true;
      next.fire();
      return true;
    }
  }

  /** The trace's hash up to now. */
  digest(): string {
    this.#hashRest();
    return this.#hash.copy().digest('hex').slice(0, 16);
  }

  #hashRest(): void {
    this.#hash.update(this.#unhashed);
    this.#unhashed = '';
  }

  /** Throws if more is still to happen than a world of this size can have under way. */
  checkBounds(most: number): void {
    if (this.#heap.length > most) throw new Violation('queues bounded', `${this.#heap.length} events`);
  }

  recent(): readonly string[] {
    return this.#recent.slice(-REMEMBERED);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    heap.push(event);
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1;
      if (!before(heap[i] as Event, heap[parent] as Event)) return;
      swap(heap, i, parent);
      i = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      const left = 2 * i + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const child = right < heap.length && before(heap[right] as Event, heap[left] as Event) ? right : left;
      if (!before(heap[child] as Event, heap[i] as Event)) return;
      swap(heap, i, child);
      i = child;
    }
  }
}

function swap(heap: Event[], i: number, j: number): void {
  const kept = heap[i] as Event;
  heap[i] = heap[j] as Event;
  heap[j] = kept;
}
