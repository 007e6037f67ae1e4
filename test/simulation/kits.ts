/** The worlds that `npm run sim` knows: what each draws from a seed, how it is played, and the bugs that can be put in. */
import { type Coverage, coverageText } from './coverage.ts';
import { ROLE_STATES } from './l3/coverage.ts';
import { L3_FAULTS } from './l3/faults.ts';
import { L3_PLANTS, type L3Plant } from './l3/plants.ts';
import { drawL3Plan } from './l3/plan.ts';
import { CALM_MS } from './l3/play.ts';
import { runL3Plan } from './l3/run.ts';
import { drawPlan, type Plan } from './plan.ts';
import { PLANTS } from './plants.ts';
import { run, runPlan, type RunResult } from './run.ts';
import { CONVERGE_MS } from './scenario.ts';
import { SCENARIOS } from './scenarios.ts';

export interface Kit {
  /** Within which all must be as it should be once the worst is over. */
  readonly boundMs: number;
  readonly coverageText: (coverage: Coverage) => string;
  readonly scenarios: readonly string[];
  readonly plants: readonly string[];
  readonly drawPlan: (seed: number) => Plan;
  /** `plant` is one of `plants`, or undefined. */
  readonly runPlan: (plan: Plan, plant: string | undefined) => Promise<RunResult>;
  readonly run: (
    seed: number,
    what: { readonly scenario: string; readonly plant: string | undefined },
  ) => Promise<RunResult>;
}

const named = <T>(all: Readonly<Record<string, T>>, name: string | undefined): T | undefined =>
  name === undefined ? undefined : all[name];

const networks: Kit = {
  boundMs: CONVERGE_MS,
  coverageText: (coverage) => coverageText(coverage),
  scenarios: Object.keys(SCENARIOS),
  plants: Object.keys(PLANTS),
  drawPlan,
  runPlan: (plan, plant) => runPlan(plan, named(PLANTS, plant)),
  run: (seed, { scenario, plant }) => {
    const found = SCENARIOS[scenario];
    if (!found) throw new Error(`no scenario ${scenario}`);
    return run(found, { seed, plant: named(PLANTS, plant) });
  },
};

const l3: Kit = {
  boundMs: CALM_MS,
  coverageText: (coverage) => coverageText(coverage, [...L3_FAULTS.keys()], Object.keys(ROLE_STATES)),
  scenarios: ['chaos'],
  plants: Object.keys(L3_PLANTS),
  drawPlan: drawL3Plan,
  runPlan: (plan, plant) => runL3Plan(plan, named<L3Plant>(L3_PLANTS, plant)),
  run: (seed, { plant }) => runL3Plan(drawL3Plan(seed), named<L3Plant>(L3_PLANTS, plant)),
};

export const KITS: Readonly<Record<string, Kit>> = { networks, l3 };
