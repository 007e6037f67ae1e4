/** What a role has told its server last, so that the same is said again only for what a server may have lost: ever more seldom. */
import type { Report } from '../watch/protocol.ts';

/** Fields of a report that differ each time that it is said. */
const GROWS: ReadonlySet<string> = new Set(['counter', 'forMs']);
const LONGEST_INTERVAL = 12;

export interface Telling {
  /** It says what was said last; then it is due in so many ms. 0: to be sent now. */
  readonly inMs: number;
  /** When it is said again, if nothing new is to be said until then. */
  readonly nextMs: number;
  readonly text: string;
  readonly times: number;
}

export class Said {
  readonly #intervalMs: number;
  #text = '';
  /** How often that was said since it was first said. */
  #times = 0;
  #dueAt = 0;
  #isAsked = false;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** What is to become of the report. One that is to be sent now is taken for sent. */
  weigh(report: Report, now: number): Telling {
    const text = JSON.stringify(report, (name, value) => (GROWS.has(name) ? 0 : value));
    const times = this.#text === text ? this.#times + 1 : 0;
    const intervals = Math.min(LONGEST_INTERVAL, 2 ** Math.min(times, 10));
    const inMs = times > 0 && !this.#isAsked ? Math.max(0, this.#dueAt - now) : 0;
    if (inMs === 0) this.#isAsked = false;
    return { inMs, nextMs: this.#intervalMs * intervals, text, times };
  }

  /** The server has taken it. */
  taken({ text, times, nextMs }: Telling, now: number): void {
    this.#text = text;
    this.#times = times;
    this.#dueAt = now + nextMs;
  }

  /** What the server knows is not known: it refused the last, or may have taken one whose answer was lost. */
  forget(): void {
    this.#text = '';
  }

  /** Though nothing is new, the next is to be sent. */
  again(): void {
    this.#isAsked = true;
  }
}
