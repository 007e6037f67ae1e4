/**
 * What is told of checks while they stand as they stood: their last runs. A verdict that is another is told at once; runs alone
 * every ten seconds at most, of all routers together, and only while they are not like those before: a check that goes on saying
 * the same costs the servers nothing.
 */
import type { Standing, Verdict } from './check-verdict.ts';

export const WORDS_MS = 10_000;

interface Words {
  readonly standing: Standing;
  readonly history: string;
  readonly text: string;
}

export interface JudgedCheck {
  readonly routerId: string;
  readonly name: string;
  readonly verdict: Verdict;
}

const wordsOf = ({ standing, history, text }: Verdict): Words => ({
  ...{ standing, history },
  text: `${standing === 'broken' ? 'broken: ' : ''}${text} [${history}]`,
});

export class CheckWords {
  #told: ReadonlyMap<string, Words> = new Map();
  #at = Number.NEGATIVE_INFINITY;

  /** Takes what is to be told now, of all checks; says whether any of it is another than before. */
  follow(now: number, checks: readonly JudgedCheck[]): boolean {
    const isDue = now - this.#at >= WORDS_MS;
    if (isDue) this.#at = now;
    let isNews = false;
    const told = new Map<string, Words>();
    for (const { routerId, name, verdict } of checks) {
      const before = this.#told.get(`${routerId} ${name}`);
      const isOther = before === undefined || before.standing !== verdict.standing;
      const takes = isOther || (isDue && before.history !== verdict.history);
      told.set(`${routerId} ${name}`, takes ? wordsOf(verdict) : before);
      isNews ||= takes;
    }
    this.#told = told;
    return isNews;
  }

  of({ routerId, name, verdict }: JudgedCheck): string {
    return (this.#told.get(`${routerId} ${name}`) ?? wordsOf(verdict)).text;
  }
}
