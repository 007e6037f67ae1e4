/** Plays many seeds, on several threads if asked: each seed by itself, so that how many there are changes nothing in it. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { type Kit, KITS } from './kits.ts';
import type { RunResult } from './run.ts';

/** What a thread is told. */
export interface Work {
  readonly world: string;
  readonly scenario: string;
  readonly plant: string | undefined;
}

export interface Many extends Work {
  readonly first: number;
  readonly count: number;
  readonly jobs: number;
  /** Told of each run; true ends it all. */
  readonly onResult: (result: RunResult) => boolean;
}

const playOne = ({ world, scenario, plant }: Work, seed: number): Promise<RunResult> =>
  (KITS[world] as Kit).run(seed, { scenario, plant });

export async function playMany(many: Many): Promise<void> {
  const { first, count, jobs, world, scenario, plant, onResult } = many;
  const work = { world, scenario, plant };
  let next = first;
  let isOver = false;
  const take = () => (isOver || next >= first + count ? undefined : next++);
  const done = (result: RunResult) => {
    if (!isOver) isOver = onResult(result);
  };
  if (jobs <= 1) {
    for (let seed = take(); seed !== undefined; seed = take()) done(await playOne(work, seed));
    return;
  }
  await Promise.all(Array.from({ length: jobs }, () => onThread(work, take, done)));
}

/** One thread: plays a seed after the other until there are none. */
function onThread(
  work: Work,
  take: () => number | undefined,
  done: (result: RunResult) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(new URL(import.meta.url), { workerData: work });
    const give = () => {
      const seed = take();
      if (seed === undefined) thread.terminate().then(() => resolve(), reject);
      else thread.postMessage(seed);
    };
    thread.on('message', (result: RunResult) => {
      done(result);
      give();
    });
    thread.on('error', reject);
    give();
  });
}

// on such a thread
parentPort?.on('message', (seed: number) => {
  playOne(workerData as Work, seed).then(
    // a story is long, and what failed can be played again
    (result) => parentPort?.postMessage({ ...result, story: [] }),
    (error: unknown) => {
      throw error;
    },
  );
});
