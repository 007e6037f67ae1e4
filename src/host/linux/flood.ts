import type { FloodEntry, FloodStep, StepResult } from '../host.ts';
import { runBatch } from './batch.ts';
import { ipAddress, linkName } from '../grammar.ts';
import { complaint, type Spawner } from './spawner.ts';

const ALL_ZERO = '00:00:00:00:00:00';

interface RawEntry {
  readonly mac?: string;
  readonly ifname?: string;
  readonly dst?: string;
}

/** The all-zero entries in the output of `bridge -j fdb show`, which leaves the link's name out if it was asked for one. */
export function parseFlood(json: string, link?: string): FloodEntry[] {
  if (json.trim() === '') return [];
  const entries: FloodEntry[] = [];
  for (const raw of JSON.parse(json) as RawEntry[]) {
    const name = raw.ifname ?? link;
    if (raw.mac === ALL_ZERO && name !== undefined && raw.dst !== undefined) {
      entries.push({ link: name, destination: raw.dst });
    }
  }
  return entries;
}

export function createFlood(spawner: Spawner) {
  const change = merged((steps: readonly FloodStep[]) => changeFlood(spawner, steps));
  return {
    floodEntries: (links?: readonly string[]) =>
      links === undefined ? allEntries(spawner) : entriesOf(spawner, links),
    changeFloodEntries: change,
  };
}

async function allEntries(spawner: Spawner): Promise<FloodEntry[]> {
  const finished = await spawner.run(['bridge', '-j', 'fdb', 'show']);
  if (finished.code !== 0) throw new Error(`cannot list flood entries: ${complaint(finished)}`);
  return parseFlood(finished.stdout);
}

async function entriesOf(spawner: Spawner, links: readonly string[]): Promise<FloodEntry[]> {
  const [link, ...others] = links;
  if (link === undefined) return [];
  if (others.length === 0) {
    const finished = await spawner.run(['bridge', '-j', 'fdb', 'show', 'dev', linkName(link)]);
    if (finished.code === 0) return parseFlood(finished.stdout, link);
  }
  // No such link has no entries; anything else would fail here too.
  return (await allEntries(spawner)).filter((entry) => links.includes(entry.link));
}

/**
 * `bridge` reads every link of the host before it changes one entry: 15 ms at two thousand links. So what is asked for
 * while it runs goes with the next run, together.
 */
function merged(
  perform: (steps: readonly FloodStep[]) => Promise<StepResult[]>,
): (steps: readonly FloodStep[]) => Promise<StepResult[]> {
  let waiting: FloodStep[] = [];
  let next: Promise<StepResult[]> | null = null;
  let running: Promise<unknown> = Promise.resolve();
  return async (steps) => {
    const from = waiting.length;
    for (const step of steps) {
      // Checked before it joins those of others.
      linkName(step.link);
      ipAddress(step.destination);
    }
    waiting.push(...steps);
    next ??= running.then(() => {
      const taken = waiting;
      waiting = [];
      next = null;
      const run = perform(taken);
      running = run.catch(() => undefined);
      return run;
    });
    return (await next).slice(from, from + steps.length);
  };
}

async function changeFlood(spawner: Spawner, steps: readonly FloodStep[]): Promise<StepResult[]> {
  // `append` of an entry that is there changes nothing; `add` would replace all others of that MAC.
  const lines = steps.map(
    ({ op, link, destination }) =>
      `fdb ${op === 'add' ? 'append' : 'del'} ${ALL_ZERO} dev ${link} dst ${destination}`,
  );
  const results = await runBatch(spawner, ['bridge'], lines);
  if (results.every((result) => result === null)) return results;
  const now = await allEntries(spawner).catch(() => null);
  if (now === null) return results;
  return results.map((result, index) => {
    const step = steps[index]!;
    const present = now.some((e) => e.link === step.link && e.destination === step.destination);
    return present === (step.op === 'add') ? null : result;
  });
}
