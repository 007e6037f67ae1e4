/** `npm start -- --once`, as a person runs it: as root, and as an ordinary user where the kernel lets one. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { isRoot } from '../../src/lab/ground.ts';
import { runProgram } from '../../src/lab/program.ts';
import { missingForLab } from '../../src/lab/requirements.ts';

const ENTRY = fileURLToPath(new URL('../../src/main/deuteron.ts', import.meta.url));
const missing = await missingForLab();
const skip = missing.length > 0 ? `SKIPPED: ${missing.join('; ')}` : false;
const id = `d${process.pid.toString(36)}`;

/** A temporary directory that every user may go through and write to. */
function openDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-'));
  chmodSync(directory, 0o777);
  return directory;
}

/** Runs `deuteron lab ...` with a directory of its own; whatever happens the lab is taken down. */
async function lab(asUser: readonly string[], args: readonly string[]) {
  const directory = openDirectory();
  const where = ['--id', id, '--state-directory', join(directory, 'lab')];
  const command = (verb: string, more: readonly string[]) =>
    runProgram([...asUser, process.execPath, ENTRY, 'lab', verb, ...where, ...more]);
  try {
    const result = await command('demo', args);
    const again = await command('down', []);
    assert.equal(again.stdout, 'There was no lab.\n', 'the demo left nothing');
    return result;
  } finally {
    await command('down', []);
    rmSync(directory, { recursive: true, force: true });
  }
}

test('the demo comes to its ping and leaves nothing, also with its port taken', {
  skip,
}, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const { code, stdout, stderr } = await lab([], ['--once', '--port', String(port)]);
  for (const line of stdout.split('\n')) t.diagnostic(line);
  assert.equal(code, 0, stdout + stderr);
  // When is told in the line itself.
  assert.match(stdout, /^ *([\d.]+) s .*ping answered/m);
  assert.match(stdout, /nothing of it is left/);
});

/** Starts the demo, interrupts it when it has said `line`; gives its exit code and what it said. */
async function interruptAt(line: string): Promise<{ code: number | null; said: string; left: string }> {
  const directory = openDirectory();
  const where = ['--id', id, '--state-directory', join(directory, 'lab')];
  const argv = [ENTRY, 'lab', 'demo', ...where, '--hosts', '2', '--port', '0'];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!said.includes(line) && (said + text).includes(line)) child.kill('SIGINT');
    said += text;
  });
  try {
    const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
    const down = await runProgram([process.execPath, ENTRY, 'lab', 'down', ...where]);
    return { code, said, left: down.stdout };
  } finally {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

test('the demo stays up until it is interrupted, then leaves nothing', { skip }, async () => {
  const { code, said, left } = await interruptAt('Ctrl-C ends the lab');
  assert.equal(code, 0, said);
  assert.match(said, /export OS_AUTH_TYPE=none OS_ENDPOINT=http:\/\/127\.0\.0\.1:\d+/);
  assert.match(said, /nothing of it is left/);
  assert.equal(left, 'There was no lab.\n');
});

test('a demo that is interrupted while it comes up leaves nothing either', { skip }, async () => {
  for (const line of ['namespaces and links', 'server ctl1 answers']) {
    const { code, left } = await interruptAt(line);
    assert.equal(code, 1);
    assert.equal(left, 'There was no lab.\n');
  }
});

test('a directory that dnsmasq could not get into is refused at once', {
  skip: skip || !isRoot(),
}, async () => {
  const closed = mkdtempSync(join(tmpdir(), 'dtn-'));
  try {
    const argv = [ENTRY, 'lab', 'up', '--bare', '--id', id, '--state-directory', join(closed, 'lab')];
    const { code, stderr } = await runProgram([process.execPath, ...argv]);
    assert.equal(code, 1);
    assert.match(stderr, /is closed to other users, and dnsmasq is one/);
  } finally {
    rmSync(closed, { recursive: true });
  }
});

/** An ordinary user, whom this process may become. */
const ASIDE = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups', 'env', 'HOME=/nonexistent'];
const works = async (argv: readonly string[]) => (await runProgram([...ASIDE, ...argv])).code === 0;

/** Why that user cannot run the demo; false: he can. */
async function hindrance(): Promise<string | false> {
  if (!isRoot() || !(await works(['unshare', '-Urnm', 'true'])))
    return 'SKIPPED: no user namespaces for ordinary users here';
  if (!(await works(['test', '-r', ENTRY]))) return 'SKIPPED: this directory is closed to ordinary users';
  return false;
}

test('the demo runs without root, in a user namespace', {
  skip: skip || (await hindrance()),
}, async (t) => {
  const { code, stdout, stderr } = await lab(ASIDE, ['--once', '--port', '0', '--hosts', '2']);
  for (const line of stdout.split('\n')) t.diagnostic(line);
  assert.equal(code, 0, stdout + stderr);
});
