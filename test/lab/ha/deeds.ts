/** What rows do to the lab, and how they undo it. */
import type { Cut } from '../../../src/lab/cuts.ts';
import { hostsOf, type Segment } from '../../../src/lab/layout.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { switchOff } from '../power.ts';
import { PATIENCE_MS } from '../stage.ts';
import { cutHosts } from './cuts.ts';
import type { Affair } from './event.ts';

export interface CutOff {
  readonly segments: readonly Segment[];
  readonly kind: Cut['kind'];
}

/** The active's host off the segments; others hear each other. */
export const cutActive =
  (what: CutOff) =>
  ({ grounds, active }: Affair): Promise<void> =>
    cutHosts(grounds.stage.lab, [active], what);

/** Every host off the segments. */
export const cutEvery =
  (what: CutOff) =>
  ({ grounds }: Affair): Promise<void> =>
    cutHosts(
      grounds.stage.lab,
      hostsOf(grounds.stage.lab.layout).map(({ name }) => name),
      what,
    );

export const healAll = ({ grounds }: Affair): Promise<void> => grounds.stage.lab.heal();

/** The active's host: all links down, no process left. */
export async function powerOff({ grounds, active, note }: Affair): Promise<void> {
  const { stage, holders } = grounds;
  const at = epochMs();
  const off = switchOff(stage.lab, active);
  holders.off(active, at);
  note(`${active} is off: ${await off} processes ended`);
}

/** As an operator does it. */
export const moveAway = ({ grounds }: Affair): Promise<unknown> =>
  grounds.stage.lab.api('POST', `/v2.0/deuteron/routers/${grounds.routerId}/failover`);

/** There is one. */
const SERVER = 'ctl1';

export const killServer = ({ grounds }: Affair): Promise<unknown> => grounds.stage.lab.kill(SERVER, 'server');

/** Resolves once it answers. */
export const startServer = ({ grounds }: Affair): Promise<void> =>
  grounds.stage.lab.waitForServer(SERVER, { timeoutMs: PATIENCE_MS });
