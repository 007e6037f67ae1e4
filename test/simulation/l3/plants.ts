/** Bugs of ours put in on purpose: to see that each invariant finds its own. */
import type { L3World } from './world.ts';

export interface L3Plant {
  readonly name: string;
  readonly summary: string;
  readonly install: (world: L3World) => void;
}

/** Each replica believes itself above every other. */
const proud: L3Plant = {
  name: 'proud',
  summary: 'adverts of others count for nothing: everybody is primary',
  install(world) {
    world.onAdvert = () => undefined;
  },
};

export const L3_PLANTS: Readonly<Record<string, L3Plant>> = Object.fromEntries(
  [proud].map((plant) => [plant.name, plant]),
);
