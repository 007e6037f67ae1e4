/** What an agent with 200 networks costs while nothing happens: its watching of the host, and its audits. */
import { readFileSync } from 'node:fs';
import { realClock, sleep } from '../../src/lib/clock.ts';
import type { Audit } from '../../src/agents/runner.ts';
import { DriftStage } from '../lab/drift-stage.ts';
import { runInside } from './inside.ts';
import type { Bench } from './main.ts';
import { processTree, round, type Figures } from './measure.ts';

const NETWORKS = 200;
const AUDITS = 3;
const IDLE_MS = 20_000;
/** Of the audits that are measured: their first period. */
const AUDIT_MS = 5_000;
/** The agent's default is 30 s at first, and eight times that while nothing drifts. */
const LONGEST_PERIOD_S = 240;

export const auditBench: Bench = {
  summary: `an agent with ${NETWORKS} networks of 10 ports, both roles, nothing happening`,
  run: ({ args, say }) => runInside<Figures>(new URL(import.meta.url), args, say),
};

/** CPU of this process, its programs that ended, and those that follow the kernel; not of dnsmasq. In ms. */
function cpuMs(): number {
  const ticksOf = (pid: number) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const isServer = stat.includes('(dnsmasq)');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return isServer ? 0 : [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
    } catch {
      return 0; // it has ended meanwhile
    }
  };
  return processTree(process.pid).reduce((sum, pid) => sum + ticksOf(pid), 0) * 10;
}

/** CPU of `count` audits and of nothing else, by how much more is used than while nothing happens. In ms, each. */
async function auditCost(
  stage: DriftStage,
  audits: readonly Audit[],
  idleMsPerS: number,
): Promise<{ cpuMs: number; lastsMs: number }> {
  const seen = audits.length;
  const begun = { at: performance.now(), cpuMs: cpuMs() };
  await stage.until(`${AUDITS} audits`, () => audits.length >= seen + AUDITS, 300_000);
  const idleMs = (idleMsPerS * (performance.now() - begun.at)) / 1000;
  const some = audits.slice(seen);
  return {
    cpuMs: (cpuMs() - begun.cpuMs - idleMs) / some.length,
    lastsMs: some.reduce((sum, audit) => sum + audit.durationMs, 0) / some.length,
  };
}

async function measureAll(): Promise<Figures> {
  const audits: Audit[] = [];
  const stage = new DriftStage({ others: NETWORKS - 1, onAudit: (audit) => audits.push(audit) });
  try {
    const begun = performance.now();
    await stage.start();
    await stage.settled(300_000);
    const startS = (performance.now() - begun) / 1000;
    await sleep(realClock, 3_000);
    const before = cpuMs();
    await sleep(realClock, IDLE_MS);
    const idleMsPerS = (cpuMs() - before) / (IDLE_MS / 1000);
    await stage.stop();
    await stage.start({ auditMs: AUDIT_MS });
    await stage.settled(300_000);
    await stage.until('the first audit', () => audits.length > 0, 300_000);
    const audit = await auditCost(stage, audits, idleMsPerS);
    return {
      networks: NETWORKS,
      cold_start_s: round(startS),
      idle_cpu_ms_per_s: round(idleMsPerS, 2),
      audit_cpu_s: round(audit.cpuMs / 1000, 2),
      audit_lasts_s: round(audit.lastsMs / 1000, 2),
      audits_an_idle_hour: round(3600 / LONGEST_PERIOD_S),
      audit_cpu_s_an_idle_hour: round((audit.cpuMs * 3.6) / LONGEST_PERIOD_S),
      drifted: audits.reduce((sum, one) => sum + one.drifted.length, 0),
    };
  } finally {
    await stage.clear();
  }
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await measureAll())}\n`);
  process.exit(0);
}
