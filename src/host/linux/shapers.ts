/** Token bucket filters, tc-tbf(8): what leaves by a link waits for its turn. */
import { linkName } from '../grammar.ts';
import type { Shaper, ShaperStep, StepResult } from '../host.ts';
import { runBatch } from './batch.ts';
import { complaint, type Spawner } from './spawner.ts';

/** Marks ours, as `ROUTE_PROTOCOL` does routes. */
const HANDLE = '9d:';
/** The longest that anything waits; what would wait longer is dropped. */
const LATENCY = '50ms';

interface RawQueue {
  readonly kind?: string;
  readonly handle?: string;
  readonly dev?: string;
  readonly options?: { readonly rate?: number; readonly burst?: number };
}

/** Ours in the output of `tc -j qdisc show`. */
export function parseShapers(json: string): Map<string, Shaper> {
  const found = new Map<string, Shaper>();
  for (const { kind, handle, dev, options } of (json.trim() === '' ? [] : JSON.parse(json)) as RawQueue[]) {
    if (kind !== 'tbf' || handle !== HANDLE || dev === undefined) continue;
    found.set(dev, { bytesPerSecond: options?.rate ?? 0, burstBytes: options?.burst ?? 0 });
  }
  return found;
}

function lineOf(step: ShaperStep): string {
  const link = linkName(step.link);
  if (step.op === 'delete') return `qdisc del dev ${link} root handle ${HANDLE}`;
  const rate = `rate ${Math.round(step.bytesPerSecond) * 8}bit burst ${Math.round(step.burstBytes)}b`;
  return `qdisc replace dev ${link} root handle ${HANDLE} tbf ${rate} latency ${LATENCY}`;
}

async function list(spawner: Spawner): Promise<Map<string, Shaper>> {
  const finished = await spawner.run(['tc', '-j', 'qdisc', 'show']);
  if (finished.code !== 0) throw new Error(`cannot list queues: ${complaint(finished)}`);
  return parseShapers(finished.stdout);
}

export function createShapers(spawner: Spawner) {
  return {
    shapers: () => list(spawner),
    async changeShapers(steps: readonly ShaperStep[]): Promise<StepResult[]> {
      const results = await runBatch(spawner, ['tc'], steps.map(lineOf));
      if (results.every((result) => result === null)) return results;
      const now = await list(spawner).catch(() => null);
      // What is to go, and is not there, is gone.
      return results.map((result, index) => {
        const step = steps[index]!;
        return step.op === 'delete' && now?.has(step.link) === false ? null : result;
      });
    },
  };
}
