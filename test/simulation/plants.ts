/** Bugs put in on purpose, at the seams: to see that each is found. */
import type { World } from './world.ts';

export interface Plant {
  readonly name: string;
  readonly install: (world: World) => void;
}

const plants: readonly Plant[] = [
  {
    name: 'drop-change',
    install(world) {
      let dropped = false;
      world.network.tap = (_agent, frame) => {
        if (dropped || frame.type !== 'batch') return frame;
        const [group] = Object.keys(frame.changes);
        if (group === undefined || world.scheduler.now < 5_000) return frame;
        dropped = true;
        const { [group]: _, ...changes } = frame.changes;
        return { ...frame, changes };
      };
    },
  },
];

export const PLANTS: Readonly<Record<string, Plant>> = Object.fromEntries(
  plants.map((plant) => [plant.name, plant]),
);
