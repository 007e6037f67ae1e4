/** A server with a policy file: it holds from the start, follows changes, and without a right one there is no server. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import bcrypt from 'bcryptjs';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'dtn-policy-'));
const [users, path] = [join(directory, 'users'), join(directory, 'policy.yaml')];
let server: ServerProcess;

before(async () => {
  const hash = bcrypt.hashSync('pw', 4);
  writeFileSync(users, [`red:${hash}:red:netops,other`, `blue:${hash}:blue`, `root:${hash}`].join('\n'));
  writeFileSync(path, '"create_network": "role:netops"\n');
  const identity = ['--identity', 'http_basic', '--identity-file', users];
  server = await startServer({
    args: [...identity, '--policy-file', path, '--log-level', 'silent'],
  });
});
after(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

async function create(user: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${server.apiPort}/v2.0/networks`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:pw`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: '{"network": {}}',
  });
  await response.arrayBuffer();
  return response.status;
}

async function refused(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${server.apiPort}/metrics`)).text();
  return Number(/^deuteron_policy_file_refused (\d)$/m.exec(text)?.[1]);
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 90_000; performance.now() < end; await sleep(realClock, 100))
    if (await isSo()) return;
  assert.fail(`not within 90 s: ${what}`);
}

test('what the file says holds from the start, and what it says later soon; a wrong one changes nothing', async () => {
  assert.deepEqual([await create('red'), await create('blue'), await create('root')], [201, 403, 201]);
  writeFileSync(path, 'create_network: role:nobody role:else\n');
  await until('it is refused', async () => (await refused()) === 1);
  assert.deepEqual([await create('red'), await create('blue')], [201, 403]);
  writeFileSync(path, 'create_network: "not role:netops"\n');
  await until('it holds', async () => (await create('blue')) === 201);
  assert.deepEqual([await create('red'), await create('root'), await refused()], [403, 201, 0]);
});

test('with a wrong file there is no server', () => {
  const wrong = join(directory, 'wrong.yaml');
  writeFileSync(wrong, '# mine\ncreate_netwrok: role:netops\n');
  const args = ['server', '--policy-file', wrong, '--data-directory', join(directory, 'none')];
  const { status, stderr } = spawnSync('bin/deuteron', args, { encoding: 'utf8', timeout: 60_000 });
  assert.equal(status, 2);
  assert.match(
    stderr,
    /--policy-file: .*wrong\.yaml:2: create_netwrok: there is no such rule.*create_network\?/,
  );
});
