/**
 * What a fault is: a few lines that say how it is brought about, how it is undone, and what must hold. Everything else
 * (asking for addresses, calling the API, looking for signs, measuring, comparing with what was before) is the same for all
 * of them: `trial.ts`.
 */
import type { Random } from '../../../src/lib/random.ts';
import type { Network, Stage } from '../stage.ts';
import type { Subject } from './subject.ts';
import type { Supervisor } from './supervisor.ts';

/** Which lab it needs: one server; two servers and a database of their own; one in which clocks can be set. */
export type LabKind = 'hosts' | 'servers' | 'clocks';

export interface Trouble {
  readonly stage: Stage;
  /** The network whose DHCP is asked for addresses all the time, and who is where. */
  readonly subject: Subject;
  /** Networks without machines; whatever happens to their server, they must be served. */
  readonly others: readonly Network[];
  readonly random: Random;
  readonly supervisor: Supervisor;
  readonly form: 'short' | 'long';
  /** A line of the timeline. */
  readonly note: (text: string) => void;
  /** For `meanwhile` and `heal`: what `cause` remembered. */
  readonly memory: Map<string, string>;
}

export interface Fault {
  /** As on the command line: `npm run lab -- faults --only agent-paused`. */
  readonly name: string;
  readonly summary: string;
  readonly lab: LabKind;
  /** Whether a host is lost by it, so that its networks must be served by another. */
  readonly losesHost: boolean;
  /** Whether networks may be somewhere else afterwards; they may where a host is lost. */
  readonly mayMove?: boolean;
  /** Whether the machine on the host that serves is asking too, beside the one on another. */
  readonly asksBesideServer?: boolean;
  /** Seconds until `heal`; without it nobody but Deuteron undoes the fault. */
  readonly lasts?: { readonly short: number; readonly long: number };
  /** From when `converged_s` counts: 'cause', or 'heal' where it cannot be well before somebody else has acted. */
  readonly countedFrom: 'cause' | 'heal';
  /** Whether nothing may go wrong at all, so that there is nothing to detect. */
  readonly isHarmless?: boolean;
  /** What mends it where the events name no remedy. */
  readonly mender: string;
  /** Whether what clients write meanwhile must be there afterwards; it must unless the fault is that it is not. */
  readonly losesWrites?: boolean;
  /** What `deuteron explain` is asked while it lasts; the network unless it says otherwise. */
  readonly explain?: (trouble: Trouble) => Promise<readonly [kind: string, id: string]>;
  /** Before anything is measured. */
  readonly prepare?: (trouble: Trouble) => Promise<void>;
  readonly cause: (trouble: Trouble) => Promise<void>;
  /** What must come true while it lasts; throws where it does not. */
  readonly meanwhile?: (trouble: Trouble) => Promise<void>;
  /** Says when the fault was over (milliseconds since 1970), where that is not when this began to act. */
  readonly heal?: (trouble: Trouble) => Promise<unknown>;
  /** Whether this part of the world is as it should be; looked at again and again. */
  readonly isMended?: (trouble: Trouble) => Promise<boolean>;
  /** What must come true afterwards without anybody waiting for it; throws where it does not. */
  readonly afterwards?: (trouble: Trouble) => Promise<void>;
}
