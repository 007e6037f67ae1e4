/**
 * `npm run -s lab -- faults [--only NAME]... [--rounds N] [--json] [--seed N] [--short] [--keep]`: tries every fault in its long
 * form, tells the timeline of each, and ends with a table.
 */
import { leftovers } from '../../../src/lab/lifecycle.ts';
import { seededRandom } from '../../../src/lib/random.ts';
import { stageName, strikeStage } from '../playbill.ts';
import type { Fault } from './fault.ts';
import { closeGrounds, type Grounds, openGrounds } from './grounds.ts';
import { FAULTS, LAB_KINDS } from './list.ts';
import { type Entry, type Measured, renderTable, summarise, summaryLine } from './measured.ts';
import { tryFault } from './trial.ts';

export interface FaultsOptions {
  readonly only: readonly string[];
  readonly rounds: number;
  readonly json: boolean;
  readonly short: boolean;
  readonly keep: boolean;
  readonly seed: number;
}

const ID = 'faults';

/** Tries them; gives the exit code: 0 where everything converged, 1 otherwise, 2 for a name that is none. */
export async function tryFaults(options: FaultsOptions): Promise<number> {
  const out = (line: string) => void process.stdout.write(`${line}\n`);
  const tell = options.json ? (line: string) => void process.stderr.write(`${line}\n`) : out;
  const unknown = options.only.filter((name) => !FAULTS.some((fault) => fault.name === name));
  if (unknown.length > 0) {
    tell(`no such fault: ${unknown.join(', ')}; there are ${FAULTS.map((fault) => fault.name).join(', ')}`);
    return 2;
  }
  const wanted = FAULTS.filter((fault) => options.only.length === 0 || options.only.includes(fault.name));
  const interrupt = () => void strikeStage(ID).finally(() => process.exit(130));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const trials = new Trials(options, tell);
  const rounds = new Map<string, Measured[]>();
  try {
    for (const kind of LAB_KINDS) {
      const faults = wanted.filter((fault) => fault.lab === kind);
      for (let round = 1; round <= options.rounds; round++) {
        for (const fault of faults) {
          const measured = await trials.try(fault, round);
          rounds.set(fault.name, [...(rounds.get(fault.name) ?? []), measured]);
          if (options.keep && measured.error !== undefined) return 1;
        }
      }
      if (!options.keep) await trials.close();
    }
  } finally {
    if (!options.keep) await trials.close();
  }
  const entries = [...rounds.values()].map(summarise);
  const failed = entries.filter((entry) => entry.error !== undefined);
  show(entries, { tell, out, json: options.json });
  return failed.length === 0 ? 0 : 1;
}

function show(
  entries: readonly Entry[],
  to: { tell: (line: string) => void; out: (line: string) => void; json: boolean },
): void {
  to.tell('');
  for (const line of renderTable(entries)) to.tell(line);
  const summary = summaryLine(entries);
  if (summary) to.tell(`\n${summary}`);
  for (const { fault, error } of entries) if (error !== undefined) to.tell(`${fault}: ${error}`);
  if (to.json) to.out(JSON.stringify({ faults: entries }));
}

/** Holds the lab that the trials are in; one in which something went wrong is not used again. */
class Trials {
  readonly #options: FaultsOptions;
  readonly #tell: (line: string) => void;
  #grounds: { kind: Fault['lab']; grounds: Grounds } | undefined;

  constructor(options: FaultsOptions, tell: (line: string) => void) {
    this.#options = options;
    this.#tell = tell;
  }

  async try(fault: Fault, round: number): Promise<Measured> {
    const { short, seed, rounds } = this.#options;
    const began = performance.now();
    const note = (text: string) =>
      this.#tell(`${((performance.now() - began) / 1000).toFixed(2).padStart(7)} s  ${text}`);
    this.#tell(`\n${fault.name}: ${fault.summary}${rounds > 1 ? ` (round ${round} of ${rounds})` : ''}`);
    const measured = await tryFault(fault, await this.#open(fault), {
      form: short ? 'short' : 'long',
      random: seededRandom(seed + round),
      note,
    });
    for (const event of measured.events) this.#tell(`           event after ${event}`);
    if ((measured.served_again_s ?? 0) > 0)
      this.#tell(`           no answer for ${measured.silence_s} s from ${measured.silent_from_s} s on`);
    if (measured.error !== undefined && !this.#options.keep) {
      this.#tell(`again: npm run -s lab -- faults --only ${fault.name} --seed ${seed}`);
      await this.close();
    }
    return measured;
  }

  async #open(fault: Fault): Promise<Grounds> {
    if (this.#grounds?.kind !== fault.lab) {
      await this.close();
      this.#grounds = { kind: fault.lab, grounds: await openGrounds(ID, fault.lab) };
    }
    return this.#grounds.grounds;
  }

  async close(): Promise<void> {
    const { grounds } = this.#grounds ?? {};
    this.#grounds = undefined;
    if (!grounds) return;
    await closeGrounds(grounds);
    for (const left of await leftovers(stageName(ID))) this.#tell(`LEFT BEHIND: ${left}`);
  }
}
