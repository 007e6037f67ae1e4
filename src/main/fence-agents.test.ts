/** Real programs in the place of fence agents, run as the server does. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fenceDevicesOf, powerOf, readFenceFile, runFenceAgent } from './fence-agents.ts';
import type { FenceDevice } from './fence-file.ts';

/** Keeps its power in a file beside it, and writes down what it was told and how it was called. */
const AGENT = `#!/bin/sh
at=$(dirname "$0")
echo "argv: $*" >> "$at/log"
while IFS= read -r line; do
  echo "$line" >> "$at/log"
  case $line in action=*) action=\${line#action=} ;; esac
done
case $action in
  off) echo off > "$at/power"; echo "Success: Powered OFF" ;;
  status) if [ "$(cat "$at/power" 2> /dev/null)" = off ]; then echo "Status: OFF"; exit 2; fi; echo "Status: ON" ;;
  *) echo "what is $action?" >&2; exit 1 ;;
esac
`;

function place(t: TestContext, agent = AGENT) {
  const at = mkdtempSync(join(tmpdir(), 'deuteron-fence-'));
  t.after(() => rmSync(at, { recursive: true }));
  const program = join(at, 'fence_double');
  writeFileSync(program, agent);
  chmodSync(program, 0o755);
  const file = join(at, 'devices');
  writeFileSync(file, `[h3]\nagent = ${program}\npassword = hush-hush\n`);
  chmodSync(file, 0o600);
  const device: FenceDevice = { host: 'h3', agent: program, settings: [['password', 'hush-hush']] };
  return { at, program, file, device };
}

test('an agent is told by its standard input alone, and is asked whether it did it', async (t) => {
  const { at, file } = place(t);
  const devices = fenceDevicesOf(file);
  assert.deepEqual([...(await devices.hosts())], ['h3']);
  const powers: string[] = [];
  for (const action of ['status', 'off', 'status'] as const)
    powers.push((await devices.act('h3', action)).power);
  assert.deepEqual(powers, ['on', 'off', 'off']);
  const told = ['argv: ', 'action=status', 'nodename=h3', 'password=hush-hush', ''];
  assert.equal(readFileSync(join(at, 'log'), 'utf8').startsWith(told.join('\n')), true);
});

test('only one that says off in words and by its code is off', () => {
  assert.equal(powerOf({ code: 2, out: 'Status: OFF\n' }), 'off');
  assert.equal(powerOf({ code: 2, out: 'usage: fence_x [-h]\n' }), 'unknown');
  assert.equal(powerOf({ code: 0, out: 'Status: OFF\n' }), 'unknown');
  assert.equal(powerOf({ code: 1, out: 'off\n' }), 'unknown');
  assert.equal(powerOf({ code: null, out: '' }), 'unknown');
  assert.equal(powerOf({ code: 0, out: 'Status: ON\n' }), 'on');
});

test('what it says is shown without passwords, and one that hangs is ended with what it started', async (t) => {
  const loud = place(t, '#!/bin/sh\ncat >&2\nexit 1\n');
  const run = await runFenceAgent(loud.device, 'off');
  assert.deepEqual([run.code, run.text], [1, 'password=<password>']);
  const hangs = place(t, '#!/bin/sh\nsleep 600 &\nsleep 600\n');
  const late = await runFenceAgent(hangs.device, 'off', 300);
  assert.equal(late.code, null);
  assert.match(late.text, /^no end within 0.3 s/);
});

test('a file or an agent that others may change is not relied on, nor a file that everybody may read', async (t) => {
  const { file, program, device } = place(t);
  chmodSync(program, 0o757);
  assert.match((await runFenceAgent(device, 'off')).text, /others than its owner may write it/);
  chmodSync(file, 0o644);
  await assert.rejects(readFenceFile(file), /everybody may read it/);
  chmodSync(file, 0o660);
  await assert.rejects(readFenceFile(file), /others than its owner may write it/);
  chmodSync(file, 0o640);
  assert.equal((await readFenceFile(file)).size, 1);
  await assert.rejects(readFenceFile(`${file}.none`), /there is no such file/);
  assert.equal((await fenceDevicesOf(`${file}.none`).act('h3', 'off')).power, 'unknown');
});

test('a device is asked one thing at a time, by whichever host and whoever asks; another one beside it', async (t) => {
  const { at, program, file } = place(
    t,
    `#!/bin/sh
at=$(dirname "$0")
while IFS='=' read -r key value; do [ "$key" = ip ] && ip=$value; done
mkdir "$at/busy-$ip" || { echo "twice at once"; exit 1; }
if [ "$ip" = 192.0.2.2 ]; then while [ ! -e "$at/go" ]; do sleep 0.02; done; fi
rmdir "$at/busy-$ip"
echo "Status: ON"
`,
  );
  const section = (host: string, ip: string) => `[${host}]\nagent = ${program}\nip = ${ip}\nplug = ${host}\n`;
  const sections = [section('h1', '192.0.2.1'), section('h2', '192.0.2.2'), section('h3', '192.0.2.2')];
  writeFileSync(file, sections.join(''));
  const devices = fenceDevicesOf(file);
  const held = [devices.act('h2', 'status'), devices.act('h3', 'status', 5_000), devices.act('h2', 'status')];
  assert.equal((await devices.act('h1', 'status')).power, 'on', 'it waits for no other device');
  writeFileSync(join(at, 'go'), '');
  assert.deepEqual(
    (await Promise.all(held)).map(({ power }) => power),
    ['on', 'on', 'on'],
  );
});
