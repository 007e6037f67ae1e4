/** Every scenario by its name. */
import type { Scenario } from './scenario.ts';
import { chaos } from './scenarios/chaos.ts';
import { staleDelivery } from './scenarios/stale-delivery.ts';

export const SCENARIOS: Readonly<Record<string, Scenario>> = Object.fromEntries(
  [chaos, staleDelivery].map((scenario) => [scenario.name, scenario]),
);
