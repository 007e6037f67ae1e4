/** Scenario files: a plan that once failed, and what it failed with. Those of mended bugs are in `scenarios/` and run with the tests. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Plan } from './plan.ts';

export interface ScenarioFile {
  /** What it shows, in a sentence. */
  readonly about: string;
  readonly plan: Plan;
}

export function readScenarioFile(path: string): ScenarioFile {
  const file = JSON.parse(readFileSync(path, 'utf8')) as Partial<ScenarioFile>;
  if (!file.plan || !Array.isArray(file.plan.faults) || !Array.isArray(file.plan.requests)) {
    throw new Error(`${path} is no scenario file`);
  }
  return { about: file.about ?? '', plan: file.plan };
}

export function writeScenarioFile(path: string, file: ScenarioFile): void {
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`);
}
