/** How long until what another hand did to a network on a host is mended, and its machine is served again. */
import { realClock, sleep } from '../../src/lib/clock.ts';
import { DriftStage } from '../lab/drift-stage.ts';
import { DRIFTS } from '../lab/drifts.ts';
import { runInside } from './inside.ts';
import type { Bench } from './main.ts';
import { quantile, round } from './measure.ts';

const ROUNDS = 5;
/** After a repair the agent takes what it hears for its own echo for a while: a second hand is rarely that quick. */
const PAUSE_MS = 300;

interface Measured {
  readonly drift: string;
  readonly times: readonly number[];
}

export const driftBench: Bench = {
  summary: `each drift of test/lab/drifts.ts, ${ROUNDS} times, on a host with one served network`,
  async run({ args, say, table }) {
    const measured = await runInside<Measured[]>(new URL(import.meta.url), args, say);
    const rows = measured.map(({ drift, times }) => ({
      drift,
      served_again_s: round(quantile(times, 0.5), 2),
      max_s: round(Math.max(...times), 2),
      n: times.length,
    }));
    table('drifts', rows);
    return { drifts: rows.length, worst_s: Math.max(...rows.map((row) => row.max_s)) };
  },
};

/** Seconds from the deed until all is as before and a DHCP client has its address. */
async function measure(stage: DriftStage, drift: (typeof DRIFTS)[number]): Promise<number> {
  await sleep(realClock, PAUSE_MS);
  stage.cause(drift);
  const caused = performance.now();
  const since = () => (performance.now() - caused) / 1000;
  const [mended, served] = await Promise.all([
    stage.mended(drift).then(since),
    stage.ask().then((result) => {
      if (result.outcome !== 'ack') throw new Error(`${drift.name}: never served again`);
      return since();
    }),
  ]);
  return drift.stopsDhcp ? Math.max(mended, served) : mended;
}

async function measureAll(): Promise<Measured[]> {
  const stage = new DriftStage();
  try {
    await stage.start();
    await stage.settled();
    const measured: Measured[] = [];
    for (const drift of DRIFTS) {
      const times: number[] = [];
      for (let round = 0; round < ROUNDS; round++) times.push(await measure(stage, drift));
      process.stdout.write(`${drift.name}: ${times.map((time) => time.toFixed(2)).join(' ')} s\n`);
      measured.push({ drift: drift.name, times });
    }
    return measured;
  } finally {
    await stage.clear();
  }
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await measureAll())}\n`);
  process.exit(0);
}
