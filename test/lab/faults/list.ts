/** All faults, in the order in which they are tried: those of one lab together. */
import { CLOCK_FAULTS } from './clock.ts';
import { DISK_FAULTS } from './disk.ts';
import { DRIFT_FAULTS } from './drift.ts';
import type { Fault, LabKind } from './fault.ts';
import { HOST_FAULTS } from './hosts.ts';
import { SERVER_FAULTS } from './servers.ts';

export const LAB_KINDS: readonly LabKind[] = ['hosts', 'servers', 'clocks'];

const ALL = [...DRIFT_FAULTS, ...HOST_FAULTS, ...DISK_FAULTS, ...SERVER_FAULTS, ...CLOCK_FAULTS];

export const FAULTS: readonly Fault[] = LAB_KINDS.flatMap((kind) =>
  ALL.filter((fault) => fault.lab === kind),
);
