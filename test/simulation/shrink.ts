/**
 * Makes a failing plan smaller while it fails in the same way: the fewest faults first, then requests, then weather, time,
 * hosts and servers, over and over until nothing can be left out any more. Each fault and request has a seed of its own,
 * so the rest stays what it was.
 */
import type { Plan } from './plan.ts';
import type { Weather } from './weather.ts';

export interface ShrinkOptions {
  /** Whether the plan fails as the first one did. */
  readonly fails: (plan: Plan) => Promise<boolean>;
  /** Most plans to try. */
  readonly budget: number;
  /** Told of each smaller plan. */
  readonly onSmaller?: (plan: Plan) => void;
}

/** After the last request or fault: time for what it began. */
const MARGIN_MS = 2_000;

class Shrinker {
  plan: Plan;
  tries = 0;
  readonly #options: ShrinkOptions;

  constructor(plan: Plan, options: ShrinkOptions) {
    this.plan = plan;
    this.#options = options;
  }

  get isSpent(): boolean {
    return this.tries >= this.#options.budget;
  }

  /** Keeps the changed plan if it fails as well. */
  async attempt(changes: Partial<Plan>): Promise<boolean> {
    if (this.isSpent) return false;
    this.tries += 1;
    const plan = { ...this.plan, ...changes };
    if (!(await this.#options.fails(plan))) return false;
    this.plan = plan;
    this.#options.onSmaller?.(plan);
    return true;
  }

  /** Leaves out as many of a list as it can: halves, then smaller and smaller parts. */
  async thin<Name extends 'faults' | 'requests'>(name: Name): Promise<void> {
    let size = this.plan[name].length;
    while (size >= 1 && !this.isSpent) {
      let from = 0;
      while (from < this.plan[name].length && !this.isSpent) {
        const rest = this.plan[name].filter((_, i) => i < from || i >= from + size);
        if (!(await this.attempt({ [name]: rest } as Partial<Plan>))) from += size;
      }
      size = size === 1 ? 0 : Math.ceil(size / 2);
    }
  }

  /** The least number at which it still fails, tried from below. */
  async lower(name: 'hosts' | 'servers' | 'zones' | 'maxNetworks' | 'maxPorts'): Promise<void> {
    for (const value of [1, 2, 3, Math.ceil(this.plan[name] / 2), this.plan[name] - 1]) {
      if (value >= 1 && value < this.plan[name] && (await this.attempt({ [name]: value }))) return;
    }
  }

  async calmDown(): Promise<void> {
    for (const name of Object.keys(this.plan.weather) as (keyof Weather)[]) {
      if (this.plan.weather[name] > 0) await this.attempt({ weather: { ...this.plan.weather, [name]: 0 } });
    }
  }

  async shorten(): Promise<void> {
    const last = Math.max(0, ...[...this.plan.faults, ...this.plan.requests].map(({ atMs }) => atMs));
    if (last + MARGIN_MS < this.plan.durationMs) await this.attempt({ durationMs: last + MARGIN_MS });
    if (this.plan.quietMs > 0) await this.attempt({ quietMs: 0 });
    if (this.plan.narrow) await this.attempt({ narrow: false });
  }
}

/** The smallest plan that was found, and how many were tried. `plan` itself fails. */
export async function shrink(plan: Plan, options: ShrinkOptions): Promise<{ plan: Plan; tries: number }> {
  const shrinker = new Shrinker(plan, options);
  for (;;) {
    const before = JSON.stringify(shrinker.plan);
    await shrinker.thin('faults');
    await shrinker.thin('requests');
    await shrinker.calmDown();
    await shrinker.shorten();
    for (const name of ['hosts', 'servers', 'zones', 'maxNetworks', 'maxPorts'] as const) {
      await shrinker.lower(name);
    }
    if (shrinker.isSpent || JSON.stringify(shrinker.plan) === before) break;
  }
  return { plan: shrinker.plan, tries: shrinker.tries };
}
