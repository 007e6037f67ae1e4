import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCommand } from '../cli/command.ts';
import { checkScriptCommand } from './check-script-command.ts';

function script(t: TestContext, mode: number): string {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-check-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  const path = join(directory, 'gateway');
  writeFileSync(path, '#!/bin/sh\nexit 0\n');
  chmodSync(path, mode);
  return path;
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const { signal } = new AbortController();
  const io = {
    ...{ env: {}, signal },
    out: (text: string) => {
      said.out += text;
    },
    err: (text: string) => {
      said.err += text;
    },
  };
  return { code: await runCommand(checkScriptCommand, args, io), ...said };
}

test('a script that may be run, with the hash to pin it by', async (t) => {
  const path = script(t, 0o755);
  const { code, out } = await run('verify', path);
  assert.equal(code, 0);
  const [, sha256 = ''] = /sha256=([0-9a-f]{64})/.exec(out) ?? [];
  assert.equal((await run('verify', path, '--sha256', sha256)).code, 0);
  const other = await run('verify', path, '--sha256', '0'.repeat(64), '--json');
  assert.equal(other.code, 1);
  assert.match(JSON.parse(other.out).problems.join(), /its content is not what it was/);
});

test('one that others may write is not', async (t) => {
  const { code, out } = await run('verify', script(t, 0o757));
  assert.equal(code, 1);
  assert.match(out, /others than its owner may write it \(mode 757\)/);
});

test('root is nobody to run it as, and wrong words are told', async (t) => {
  const path = script(t, 0o755);
  assert.deepEqual((await run('verify', path, '--user', 'root')).code, 2);
  assert.match((await run('verify', path, '--user', 'none at all')).err, /there is no user/);
  assert.equal((await run('verify', 'relative')).code, 2);
  assert.equal((await run('try', path, '--role', 'leader')).code, 2);
  assert.equal((await run()).code, 2);
});
