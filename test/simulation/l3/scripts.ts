/** The operator's check script on each host, and how it behaves: well, or as badly as scripts can. */
import { type CheckScript, parseChecks } from '../../../src/agents/l3/check-script.ts';
import type { FakeHost } from '../../../src/host/fake/fake-host.ts';
import type { GuardedResult, GuardedRun, PathStep } from '../../../src/host/host.ts';
import type { Random } from '../../../src/lib/random.ts';
import { delay } from '../weather.ts';

export const CHECKS: readonly CheckScript[] = parseChecks([
  'gateway /etc/deuteron/checks/gateway interval=1 timeout=1 fall=2 rise=2 weight=60',
]);

export const SCRIPT_MODES = ['fails', 'random', 'mostly', 'hangs', 'floods', 'slow'] as const;
export type ScriptMode = (typeof SCRIPT_MODES)[number];

const RUN_MS = 20;
const directory = (path: string): PathStep => ({ path, kind: 'directory', uid: 0, gid: 0, mode: 0o755 });

/** Puts the scripts where they may be run. */
export function installChecks(host: FakeHost): void {
  for (const { path } of CHECKS) {
    const parts = path.split('/').slice(1, -1);
    const steps = ['/', ...parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)].map(directory);
    host.programs.set(path, {
      steps: [...steps, { path, kind: 'file', uid: 0, gid: 0, mode: 0o755 }],
      trusted: [0],
      content: { size: 100, sha256: 'a'.repeat(64), head: '#!/bin/sh\n' },
      interpreters: [],
    });
  }
}

/** How one run of it ends. */
export function endOf(
  { timeoutMs }: GuardedRun,
  mode: ScriptMode | undefined,
  random: Random,
): GuardedResult {
  const usual = delay(random, RUN_MS);
  const exits = (code: number, durationMs = usual): GuardedResult => ({
    ...{ ending: 'exited', code, durationMs, output: code === 0 ? 'well' : 'no answer from the gateway' },
  });
  switch (mode) {
    case undefined:
      return exits(0);
    case 'fails':
      return exits(1);
    case 'random':
      return exits(random.next() < 0.5 ? 1 : 0);
    case 'mostly':
      return exits(random.next() < 0.8 ? 0 : 1);
    case 'slow':
      return exits(random.next() < 0.5 ? 1 : 0, timeoutMs * random.next());
    case 'hangs':
      return { ending: 'timed-out', code: 137, durationMs: timeoutMs, output: '' };
    case 'floods':
      return { ending: 'flooded', code: 137, durationMs: usual, output: 'x'.repeat(4096) };
  }
}
