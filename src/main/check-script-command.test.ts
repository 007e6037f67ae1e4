import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCommand } from '../cli/command.ts';
import { checkScriptCommand } from './check-script-command.ts';

function script(t: TestContext, mode: number, text = '#!/bin/sh\nexit 0\n'): string {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-check-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  chmodSync(directory, 0o755);
  const path = join(directory, 'gateway');
  writeFileSync(path, text);
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

test('links without an end lead to no script, pinned or not', async (t) => {
  const at = dirname(script(t, 0o755));
  symlinkSync('loop', join(at, 'loop'));
  for (const more of [[], ['--sha256', '0'.repeat(64)]]) {
    const { code, out } = await run('verify', join(at, 'loop'), ...more);
    assert.equal(code, 1);
    assert.match(out, /loop: the links of its path lead in circles, or too far/);
  }
});

test('who runs a script is looked at like the script', async (t) => {
  const open = join(dirname(script(t, 0o755)), 'open');
  mkdirSync(open);
  const sh = join(open, 'sh');
  copyFileSync('/bin/sh', sh);
  chmodSync(sh, 0o755);
  const verify = (line: string) => run('verify', script(t, 0o755, `${line}\nexit 0\n`));
  for (const line of [`#!${sh}`, `#!/usr/bin/env ${sh}`]) {
    chmodSync(open, 0o755);
    assert.equal((await verify(line)).code, 0, line);
    chmodSync(open, 0o777);
    const { code, out } = await verify(line);
    assert.deepEqual([code, out], [1, `${open}: others than its owner may write it (mode 777)\n`]);
  }
  assert.equal((await verify('#!/usr/bin/env sh')).code, 0);
  // a script that is run by one is no less
  const outer = script(t, 0o755, `#!${sh}\n`);
  assert.match((await verify(`#!${outer}`)).out, /open: others than its owner/);
  assert.match((await verify('#!/opt/nowhere/sh')).out, /: there is no such file/);
  assert.match((await verify('#!/usr/bin/env nothing-of-this-name')).out, /: there is no such file/);
  assert.match((await verify('#!sh')).out, /gateway: its first line names no absolute path/);
  const endless = script(t, 0o755);
  writeFileSync(endless, `#!${endless}\n`);
  assert.match((await run('verify', endless)).out, /too many scripts run one another/);
});

test('root is nobody to run it as, and wrong words are told', async (t) => {
  const path = script(t, 0o755);
  assert.deepEqual((await run('verify', path, '--user', 'root')).code, 2);
  assert.match((await run('verify', path, '--user', 'none at all')).err, /there is no user/);
  assert.equal((await run('verify', 'relative')).code, 2);
  assert.equal((await run('try', path, '--role', 'leader')).code, 2);
  assert.equal((await run()).code, 2);
});
