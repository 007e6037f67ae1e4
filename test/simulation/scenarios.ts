/** Every scenario by its name. */
import { chaos, type Scenario } from './scenario.ts';

export const SCENARIOS: Readonly<Record<string, Scenario>> = Object.fromEntries(
  [chaos].map((scenario) => [scenario.name, scenario]),
);
