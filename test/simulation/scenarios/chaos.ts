/** Users, bad weather and faults of every kind, then quiet: what a seed draws. */
import { drawPlan } from '../plan.ts';
import { playPlan } from '../play.ts';
import type { Scenario } from '../scenario.ts';

export const chaos: Scenario = {
  name: 'chaos',
  summary: 'users, bad weather and faults of every kind, then quiet',
  play: (seed, prepare) => playPlan(drawPlan(seed), prepare),
};
