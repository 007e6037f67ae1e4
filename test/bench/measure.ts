/** Counting and timing for the benchmarks: quantiles, CPU of process trees, memory, the machine's noise. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';

/** The q-quantile (0 to 1) by nearest rank; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? Number.NaN;
}

export const round = (value: number, digits = 1): number => Number(value.toFixed(digits));

/** Process ids of `root` and everything below it. */
export function processTree(root: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat !== undefined) parents.set(stat.parent, [...(parents.get(stat.parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (let at = 0; at < found.length; at++) found.push(...(parents.get(found[at] as number) ?? []));
  return found;
}

interface Stat {
  readonly parent: number;
  /** User and system time of its own, and that of children already waited for too. */
  readonly ownTicks: number;
  readonly cpuTicks: number;
}

function readStat(pid: number): Stat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined; // it has ended meanwhile
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  // proc(5) fields 14 to 17.
  const ticks = (at: readonly number[]) => at.reduce((sum, one) => sum + Number(fields[one]), 0);
  return { parent: Number(fields[1]), ownTicks: ticks([11, 12]), cpuTicks: ticks([11, 12, 13, 14]) };
}

/** CPU milliseconds that the tree under `root` has used, children that ended and were waited for included (10 ms ticks). */
export function cpuMs(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + (readStat(pid)?.cpuTicks ?? 0) * 10, 0);
}

/** CPU milliseconds, user and system, that this process itself has used. */
export const ownCpuMs = (pid: number): number => (readStat(pid)?.ownTicks ?? 0) * 10;

/** Proportional set size of the tree under `root`, in MiB. */
export const pssMiB = (root: number): number => pssMiBOf(processTree(root));

/** Of these processes alone. */
export function pssMiBOf(pids: readonly number[]): number {
  let kib = 0;
  for (const pid of pids) {
    try {
      kib += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
    } catch {
      // it has ended meanwhile
    }
  }
  return kib / 1024;
}

export interface Machine {
  readonly cores: number;
  readonly load1: number;
  /** Milliseconds of the same fixed piece of work, several times over: the spread is the machine's noise. */
  readonly noise_ms: { readonly min: number; readonly median: number; readonly max: number };
}

/** Times a fixed computation 15 times. */
export function describeMachine(): Machine {
  const times: number[] = [];
  for (let run = 0; run < 15; run++) {
    const began = performance.now();
    let x = run;
    for (let i = 0; i < 4_000_000; i++) x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    times.push(performance.now() - began + (x === 1 ? 1e-9 : 0));
  }
  return {
    cores: availableParallelism(),
    load1: round(loadavg()[0] ?? 0, 2),
    noise_ms: {
      min: round(Math.min(...times)),
      median: round(quantile(times, 0.5)),
      max: round(Math.max(...times)),
    },
  };
}

export type Figures = Record<string, number>;

/** Runs `work` `count` times one after another; the milliseconds of each. */
export async function timeEach(count: number, work: (at: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at++) {
    const began = performance.now();
    await work(at);
    times.push(performance.now() - began);
  }
  return times;
}

/** Runs `work` `count` times from `callers` callers at once; each one's milliseconds, and how many a second. */
export async function timeTogether(
  callers: number,
  count: number,
  work: (at: number) => Promise<unknown>,
): Promise<{ times: number[]; perSecond: number }> {
  const times: number[] = [];
  let next = 0;
  const began = performance.now();
  const caller = async () => {
    for (let at = next++; at < count; at = next++) {
      const start = performance.now();
      await work(at);
      times.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { times, perSecond: (count * 1000) / (performance.now() - began) };
}
