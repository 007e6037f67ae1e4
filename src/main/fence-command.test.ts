import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCommand } from '../cli/command.ts';
import { fenceCommand } from './fence-command.ts';

/** A device whose agent answers so, and the file that names it. */
function device(t: TestContext, answer: string) {
  const at = mkdtempSync(join(tmpdir(), 'dtn-fence-'));
  t.after(() => rmSync(at, { recursive: true, force: true }));
  const [agent, file] = [join(at, 'agent'), join(at, 'devices')];
  writeFileSync(agent, `#!/bin/sh\ncat > ${at}/told\n${answer}\n`);
  chmodSync(agent, 0o755);
  writeFileSync(file, `[h3]\nagent = ${agent}\npassword = hush-hush\n`);
  chmodSync(file, 0o600);
  return { agent, file };
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const io = {
    ...{ env: {}, signal: new AbortController().signal },
    out: (text: string) => {
      said.out += text;
    },
    err: (text: string) => {
      said.err += text;
    },
  };
  return { code: await runCommand(fenceCommand, args, io), ...said };
}

test('verify shows hosts and agents, or what is wrong, and no password', async (t) => {
  const { agent, file } = device(t, 'exit 0');
  const well = await run('verify', file);
  assert.deepEqual([well.code, well.out.includes('h3'), well.out.includes('hush')], [0, true, false]);
  chmodSync(agent, 0o644);
  assert.match((await run('verify', file)).out, /h3: .*may not be run by anybody/);
  chmodSync(file, 0o604);
  const { code, out } = await run('verify', file, '--json');
  assert.deepEqual([code, JSON.parse(out).devices.length], [1, 0]);
  assert.match(JSON.parse(out).problems.join(), /everybody may read it/);
});

test('test asks the device, by its file alone', async (t) => {
  const { file } = device(t, 'echo Status: ON');
  const { code, out } = await run('test', 'h3', '--fence-devices', file, '--json');
  const { power, text } = JSON.parse(out);
  assert.deepEqual([code, power, text], [0, 'on', 'Status: ON']);
  const off = device(t, 'echo Status: OFF; exit 2');
  assert.match((await run('test', 'h3', '--fence-devices', off.file)).out, /^h3: off, as/);
  const lost = device(t, 'echo no way in with hush-hush >&2; exit 1');
  const failed = await run('test', 'h3', '--fence-devices', lost.file);
  assert.deepEqual([failed.code, failed.out.endsWith('no way in with <password>\n')], [1, true]);
});

test('verify asks each device if it is told to', async (t) => {
  const on = device(t, 'echo Status: ON');
  const { code, out } = await run('verify', on.file, '--ask');
  assert.deepEqual([code, /POWER\n.*on\n$/s.test(out)], [0, true]);
  const lost = device(t, 'echo no way in with hush-hush >&2; exit 1');
  const failed = await run('verify', lost.file, '--ask', '--json');
  assert.equal(failed.code, 1);
  const { devices, problems } = JSON.parse(failed.out);
  assert.deepEqual(devices[0].power, 'unknown');
  assert.deepEqual(problems, ['h3: it does not say whether the power is on: no way in with <password>']);
  assert.equal((await run('verify', lost.file)).code, 0);
});

test('wrong usage is told', async (t) => {
  const { file } = device(t, 'exit 0');
  for (const args of [[], ['off', 'h3'], ['test'], ['test', 'h3'], ['test', 'h4', '--fence-devices', file]])
    assert.equal((await run(...args)).code, 2, args.join(' '));
});
