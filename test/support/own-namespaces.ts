/**
 * Runs a test file's real-Linux part in network and mount namespaces of its own, with a private /run: whatever it makes
 * vanishes with its last process, and nothing of the machine can be touched. Where namespaces cannot be made the part is
 * skipped, and says so.
 */
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MARK = 'DEUTERON_TEST_INSIDE';
const SETUP = 'mount --make-rprivate / && mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"';

function wrapper(): string[] | null {
  const attempts = [
    ['unshare', '--net', '--mount'],
    ['unshare', '--map-root-user', '--net', '--mount'],
  ];
  const works = (argv: string[]) =>
    spawnSync(argv[0]!, [...argv.slice(1), 'sh', '-c', SETUP, 'sh', 'ip', 'netns', 'add', 'dtn-probe'])
      .status === 0;
  return attempts.find(works) ?? null;
}

/** What is put before a program to run it in namespaces of its own; null: they cannot be made here. */
export function enterOwnNamespaces(): string[] | null {
  const argv = wrapper();
  return argv && [...argv, 'sh', '-c', SETUP, 'sh'];
}

/** Calls `define` (which declares tests) inside; from outside declares one test that is the whole inside. */
export function inOwnNamespaces(fileUrl: string, define: () => void): void {
  if (process.env[MARK] === '1') {
    define();
    return;
  }
  const enter = enterOwnNamespaces();
  if (enter === null) {
    test('on real Linux', { skip: 'SKIPPED: needs root or user namespaces, and iproute2' }, () => undefined);
    return;
  }
  test('on real Linux, in namespaces of its own', () => {
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
    const inner = [process.execPath, '--test-reporter=spec', fileURLToPath(fileUrl)];
    const run = spawnSync(enter[0]!, [...enter.slice(1), ...inner], {
      env: { ...environment, [MARK]: '1' },
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (run.status !== 0) throw new Error(`the inside failed:\n${run.stdout}${run.stderr}`);
    if (process.env['DEUTERON_TEST_VERBOSE']) process.stdout.write(run.stdout);
  });
}
