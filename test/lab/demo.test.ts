/** `npm start -- --once`, as a person runs it: as root, and as an ordinary user where the kernel lets one. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
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

/** Runs `deuteron lab ...` with a directory of its own; whatever happens the lab is taken down. */
async function lab(asUser: readonly string[], args: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-'));
  await runProgram(['chmod', '777', directory]);
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

test('the demo comes to its ping within a minute and leaves nothing, also with its port taken', {
  skip,
}, async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const { code, stdout, stderr } = await lab([], ['--once', '--port', String(port)]);
  for (const line of stdout.split('\n')) t.diagnostic(line);
  assert.equal(code, 0, stdout + stderr);
  const answered = /^ *([\d.]+) s .*ping answered/m.exec(stdout);
  assert.ok(answered && Number(answered[1]) < 60, stdout);
  assert.match(stdout, /nothing of it is left/);
});

/** An ordinary user, whom this process may become. */
const ASIDE = ['setpriv', '--reuid=54321', '--regid=54321', '--clear-groups', 'env', 'HOME=/nonexistent'];
const canStepDown = isRoot() && (await runProgram([...ASIDE, 'unshare', '-Urnm', 'true'])).code === 0;

test('the demo runs without root, in a user namespace', {
  skip: skip || (canStepDown ? false : 'SKIPPED: no user namespaces for ordinary users here'),
}, async (t) => {
  const { code, stdout, stderr } = await lab(ASIDE, ['--once', '--port', '0', '--hosts', '2']);
  for (const line of stdout.split('\n')) t.diagnostic(line);
  assert.equal(code, 0, stdout + stderr);
});
