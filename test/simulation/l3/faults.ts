import type { L3Fault } from './faults/fault.ts';
import { HOST_FAULTS } from './faults/hosts.ts';
import { PROCESS_FAULTS } from './faults/processes.ts';
import { SCRIPT_FAULTS } from './faults/scripts.ts';
import { WIRE_FAULTS } from './faults/wires.ts';

/** Everything that goes wrong with routers, by name. */
export const L3_FAULTS: ReadonlyMap<string, L3Fault> = new Map(
  [...WIRE_FAULTS, ...PROCESS_FAULTS, ...SCRIPT_FAULTS, ...HOST_FAULTS].map((fault) => [fault.name, fault]),
);
