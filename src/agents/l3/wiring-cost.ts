/**
 * What it costs a replica that its links to networks are not wired: all. It would have the router's addresses where nobody
 * reaches them. One that begins is rid of that cost once every link leads somewhere; one that has begun gets it after a while only,
 * for a link that is added, or mended, is without a bridge for a moment on every host.
 */
import { MOST_OFF } from './keepalived.ts';

/** So long a link of a replica that has begun may lead nowhere. */
export const UNWIRED_MS = 3_000;

export class WiringCost {
  /** By port, what lacks; null: not looked at yet. */
  #unwired: readonly string[] | null = null;
  #since: number | null = null;
  /** Not all was wired yet since its keepalived began; null: not known. */
  #isNew: boolean | null = null;

  /** A look at the host found these links leading nowhere. */
  found(unwired: readonly string[], now: number): void {
    this.#unwired = unwired;
    if (unwired.length > 0) {
      this.#since ??= now;
      return;
    }
    this.#since = null;
    if (this.#isNew) this.#isNew = false;
  }

  /** keepalived is about to begin. */
  begins(): void {
    this.#isNew = this.#unwired?.length !== 0;
  }

  /** keepalived runs; `wasOff`: as one that is not wired, as an earlier life that did not see the end of this left it. */
  runs(wasOff: boolean): void {
    this.#isNew ??= wasOff && this.#unwired?.length !== 0;
  }

  /** `isFirst`: nothing was ever said of what it costs. */
  at(now: number, isFirst: boolean): number {
    if (this.#isNew === null) return isFirst ? MOST_OFF : 0;
    return this.#isNew || this.dueIn(now) === 0 ? MOST_OFF : 0;
  }

  /** In how many ms it costs something; null: all is wired, or it does already. */
  dueIn(now: number): number | null {
    if (this.#since === null) return null;
    return Math.max(0, this.#since + UNWIRED_MS - now);
  }

  reasons(now: number): string[] {
    const costs = this.at(now, false) > 0 && this.#unwired !== null;
    return costs ? [`not wired here yet: ${this.#unwired?.join(', ')}`] : [];
  }
}
