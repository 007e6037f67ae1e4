/**
 * `npm run -s lab -- l3-ha [--only NAME]... [--n N] [--routers N] [--json] [--short] [--keep]`: tries what happens to HA routers, tells the
 * timeline of each trial, and ends with the table of figures.
 */
import { leftovers } from '../../../src/lab/lifecycle.ts';
import { stageName, strikeStage } from '../playbill.ts';
import { closeHaGrounds, type HaGrounds, type HaKind, openHaGrounds } from './grounds.ts';
import { HA_KINDS, ROWS } from './list.ts';
import { renderTable, summarise, summariseBeside, type Tried } from './measured.ts';
import type { Row, Sample } from './row.ts';

export interface HaOptions {
  readonly only: readonly string[];
  readonly n: number;
  readonly json: boolean;
  readonly short: boolean;
  readonly keep: boolean;
  /** On each host, in `busy-hosts`; undefined: as many as it says. */
  readonly routers?: number | undefined;
  /** Of the lab. */
  readonly id: string;
}

/** Gives the exit code: 0 where all held, 1 otherwise, 2 for a name that is none. */
export async function tryHa(options: HaOptions): Promise<number> {
  const out = (line: string) => void process.stdout.write(`${line}\n`);
  const tell = options.json ? (line: string) => void process.stderr.write(`${line}\n`) : out;
  const unknown = options.only.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) {
    tell(`no such row: ${unknown.join(', ')}; there are ${ROWS.map((row) => row.name).join(', ')}`);
    return 2;
  }
  const interrupt = () => void strikeStage(options.id).finally(() => process.exit(130));
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  const wanted = ROWS.filter((row) => options.only.length === 0 || options.only.includes(row.name));
  const trials = new Trials(options, tell);
  const tried: Tried[] = [];
  try {
    for (const kind of HA_KINDS) {
      for (const row of wanted.filter((one) => one.kind === kind)) {
        const samples = await trials.all(row);
        tried.push({ row, samples });
        const entry = summarise(row, samples);
        tell(JSON.stringify(entry));
        if (options.keep && entry.complaints.length > 0) break;
      }
      if (!options.keep) await trials.close();
    }
  } finally {
    if (!options.keep) await trials.close();
  }
  const entries = [...tried.map(({ row, samples }) => summarise(row, samples)), ...summariseBeside(tried)];
  tell('');
  for (const line of renderTable(entries)) tell(line);
  for (const { event, complaints } of entries)
    for (const complaint of complaints) tell(`${event}: ${complaint}`);
  if (options.json) out(JSON.stringify({ events: entries }));
  return entries.some(({ complaints }) => complaints.length > 0) ? 1 : 0;
}

/** Holds the lab that the trials are in; one in which something went wrong is not used again. */
class Trials {
  readonly #options: HaOptions;
  readonly #tell: (line: string) => void;
  #grounds: HaGrounds | undefined;

  constructor(options: HaOptions, tell: (line: string) => void) {
    this.#options = options;
    this.#tell = tell;
  }

  async all(row: Row): Promise<Sample[]> {
    const { n, keep } = this.#options;
    const samples: Sample[] = [];
    const count = Math.min(n, row.enough ?? n);
    for (let at = 1; at <= count; at++) {
      this.#tell(`\n${row.name}: ${row.summary}${count > 1 ? ` (${at} of ${count})` : ''}`);
      const sample = await this.#once(row);
      samples.push(sample);
      this.#tell(`           ${JSON.stringify(sample)}`);
      if (sample.complaints.length > 0 && keep) break;
      if (sample.complaints.length > 0 || sample.isSpent) await this.close();
    }
    return samples;
  }

  async #once(row: Row): Promise<Sample> {
    const began = performance.now();
    const note = (text: string) =>
      this.#tell(`${((performance.now() - began) / 1000).toFixed(2).padStart(7)} s  ${text}`);
    try {
      if (row.needsFresh) await this.close();
      const grounds = await this.#open(row.kind);
      const { short, routers } = this.#options;
      return await row.measure({ grounds, note, form: short ? 'short' : 'long', routers });
    } catch (error) {
      const complaints = [`it could not be tried: ${(error as Error).message}`];
      return { ms: null, maxActives: 0, doubleAnswers: 0, lostAfterHealMs: null, also: {}, complaints };
    }
  }

  async #open(kind: HaKind): Promise<HaGrounds> {
    if (this.#grounds?.kind === kind) return this.#grounds;
    await this.close();
    this.#grounds = await openHaGrounds(this.#options.id, kind);
    return this.#grounds;
  }

  async close(): Promise<void> {
    const grounds = this.#grounds;
    this.#grounds = undefined;
    if (!grounds) return;
    await closeHaGrounds(grounds);
    for (const left of await leftovers(stageName(grounds.id))) this.#tell(`LEFT BEHIND: ${left}`);
  }
}
