/**
 * `npm run check`: types, lint, tidy and unit tests beside each other, under 25 s on two cores: what one runs before
 * every commit. The unit tests' output is shown as it comes, that of the others when they end.
 */
import { spawn } from 'node:child_process';

const began = performance.now();

/** What TypeScript knows of files that did not change; `npm test` checks the types from nothing. */
const INCREMENTAL = ['--incremental', '--tsBuildInfoFile', '.cache/types.json'];

function run(name: string, argv: readonly string[], stdio: 'inherit' | 'pipe'): Promise<boolean> {
  const child = spawn(argv[0] as string, argv.slice(1), { stdio: ['ignore', stdio, stdio] });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (more: string) => {
      said += more;
    });
  return new Promise((resolve) => {
    child.once('error', (error) => {
      said += error.message;
      resolve(false);
    });
    child.once('close', (code) => {
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      process.stdout.write(`${said}== ${name}: ${code === 0 ? 'passed' : 'FAILED'} after ${seconds} s\n`);
      resolve(code === 0);
    });
  });
}

const passed = await Promise.all([
  run('types', ['tsc', '-p', '.', ...INCREMENTAL], 'pipe'),
  run('lint', ['biome', 'check', '--error-on-warnings', '.'], 'pipe'),
  run('tidy', ['node', 'test/run.ts', '--only', 'tidy'], 'pipe'),
  run('unit', ['node', 'test/run.ts', '--only', 'unit'], 'inherit'),
]);
process.exit(passed.every(Boolean) ? 0 : 1);
