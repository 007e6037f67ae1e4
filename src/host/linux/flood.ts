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
  async function entriesOf(link: string): Promise<FloodEntry[]> {
    const finished = await spawner.run(['bridge', '-j', 'fdb', 'show', 'dev', linkName(link)]);
    if (finished.code === 0) return parseFlood(finished.stdout, link);
    // No such link has no entries; anything else would fail for all links too.
    return (await floodEntries()).filter((entry) => entry.link === link);
  }

  async function floodEntries(links?: readonly string[]): Promise<FloodEntry[]> {
    if (links !== undefined) return (await Promise.all(links.map(entriesOf))).flat();
    const finished = await spawner.run(['bridge', '-j', 'fdb', 'show']);
    if (finished.code !== 0) throw new Error(`cannot list flood entries: ${complaint(finished)}`);
    return parseFlood(finished.stdout);
  }

  return {
    floodEntries,

    async changeFloodEntries(steps: readonly FloodStep[]): Promise<StepResult[]> {
      // `append` of an entry that is there changes nothing; `add` would replace all others of that MAC.
      const lines = steps.map(
        (step) =>
          `fdb ${step.op === 'add' ? 'append' : 'del'} ${ALL_ZERO} dev ${linkName(step.link)} dst ${ipAddress(step.destination)}`,
      );
      const results = await runBatch(spawner, ['bridge'], lines);
      if (results.every((result) => result === null)) return results;
      const now = await floodEntries().catch(() => null);
      if (now === null) return results;
      return results.map((result, index) => {
        const step = steps[index]!;
        const present = now.some((e) => e.link === step.link && e.destination === step.destination);
        return present === (step.op === 'add') ? null : result;
      });
    },
  };
}
