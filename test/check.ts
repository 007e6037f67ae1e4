/** `npm run check`: types, lint, tidy and unit tests, under 30 s: what one runs before every commit. */
import { spawnSync } from 'node:child_process';

const steps: readonly (readonly string[])[] = [
  ['tsc', '-p', '.'],
  ['biome', 'check', '--error-on-warnings', '.'],
  ['node', 'test/run.ts', '--only', 'tidy'],
  ['node', 'test/run.ts', '--only', 'unit'],
];
for (const [command, ...args] of steps) {
  const { status } = spawnSync(command as string, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
