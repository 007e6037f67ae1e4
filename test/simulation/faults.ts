/** Everything that goes wrong besides the weather, by its name. */
import { DATABASE_FAULTS } from './faults/database.ts';
import type { Fault } from './faults/fault.ts';
import { HOST_FAULTS } from './faults/hosts.ts';
import { PROCESS_FAULTS } from './faults/processes.ts';
import { WAY_FAULTS } from './faults/ways.ts';

export const FAULTS: ReadonlyMap<string, Fault> = new Map(
  [...PROCESS_FAULTS, ...WAY_FAULTS, ...DATABASE_FAULTS, ...HOST_FAULTS].map((fault) => [fault.name, fault]),
);
