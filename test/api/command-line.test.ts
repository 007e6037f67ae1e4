/** The programs themselves: server over TLS with passwords, and what a person types against it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import bcrypt from 'bcryptjs';
import { type ServerProcess, startServer } from '../support/server-process.ts';

const PEM = (name: string) => fileURLToPath(new URL(`../support/tls/localhost-${name}.pem`, import.meta.url));
const BENCH = fileURLToPath(new URL('../bench/main.ts', import.meta.url));
const ENTRY = fileURLToPath(new URL('../../src/main/deuteron.ts', import.meta.url));

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const deuteron = (args: readonly string[], env: Record<string, string>): Promise<Run> =>
  runProgram([ENTRY, ...args], env);

function runProgram(args: readonly string[], env: Record<string, string>): Promise<Run> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, err }));
  });
}

let server: ServerProcess;
let directory: string;
let admin: Record<string, string>;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'dtn-cli-'));
  const users = join(directory, 'users');
  const hash = (password: string) => bcrypt.hashSync(password, 4);
  writeFileSync(users, `root:${hash('secret')}\nann:${hash('ann')}:project-of-ann\n`);
  server = await startServer({
    args: [
      '--identity',
      'http_basic',
      '--identity-file',
      users,
      '--tls-certificate',
      PEM('certificate'),
      '--tls-key',
      PEM('key'),
    ],
  });
  admin = {
    OS_ENDPOINT: `https://127.0.0.1:${server.apiPort}`,
    OS_USERNAME: 'root',
    OS_PASSWORD: 'secret',
    NODE_EXTRA_CA_CERTS: PEM('certificate'),
  };
});

after(async () => {
  await server?.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('a host is added with a credential that is shown once, listed, removed', async () => {
  const added = await deuteron(['host', 'add', 'h1'], admin);
  assert.equal(added.code, 0, added.err);
  assert.match(added.out, /^[\w-]{43}\n$/);
  assert.deepEqual(await deuteron(['host', 'add', 'h1'], admin).then(({ code, err }) => [code, err]), [
    1,
    'deuteron host: Host h1 already exists.\n',
  ]);
  const listed = await deuteron(['host', 'list', '--json'], admin);
  assert.deepEqual(
    JSON.parse(listed.out).map((host: { name: string }) => host.name),
    ['h1'],
  );
  assert.ok(!listed.out.includes(added.out.trim()));
  assert.equal((await deuteron(['host', 'remove', 'h1'], admin)).code, 0);
  assert.match(
    (await deuteron(['host', 'list'], admin)).out,
    /^NAME +TUNNEL IP +MANAGEMENT IP +ADDED +FENCE DEVICE\n$/,
  );
});

test('explain says what the matter is, or that there is no such thing', async () => {
  const none = '00000000-0000-4000-8000-000000000000';
  const missing = await deuteron(['explain', 'port', none], admin);
  assert.deepEqual([missing.code, missing.err], [1, `deuteron explain: Port ${none} could not be found.\n`]);
  assert.equal((await deuteron(['explain', 'agent', 'nobody/l2'], admin)).code, 1);
  assert.equal((await deuteron(['explain', 'weather', 'today'], admin)).code, 2);
});

test('status waits for a position, and says when it gives up', async () => {
  const status = await deuteron(['status', '--json'], admin);
  assert.deepEqual(JSON.parse(status.out).agents, []);
  // Nobody is there to have realised anything.
  assert.equal((await deuteron(['status', '--wait', '0', '--timeout', '0'], admin)).code, 1);
  const missing = await deuteron(
    ['status', '--wait', 'port', '00000000-0000-4000-8000-000000000000', '--timeout', '0'],
    admin,
  );
  assert.deepEqual([missing.code, missing.err.includes('could not be found')], [1, true]);
});

test('who may not is refused, and wrong usage has its own exit code', async () => {
  const member = await deuteron(['host', 'list'], { ...admin, OS_USERNAME: 'ann', OS_PASSWORD: 'ann' });
  assert.equal(member.code, 1);
  const stranger = await deuteron(['host', 'list'], { ...admin, OS_PASSWORD: 'wrong' });
  assert.equal(stranger.code, 1);
  assert.match(stranger.err, /not verify|authoriz|required/i);
  assert.equal((await deuteron(['host', 'frobnicate', 'x'], admin)).code, 2);
  assert.equal((await deuteron(['nonsense'], admin)).code, 2);
  assert.equal((await deuteron(['status', '--wait', 'x'], admin)).code, 2);
  for (const words of [
    ['host', '--help'],
    ['host', 'add', '--help'],
    ['port', 'plug', '--help'],
    ['lab', 'up', '--help'],
    ['--version'],
  ]) {
    const { code, out } = await deuteron(words, {});
    assert.deepEqual([code, /^(usage: deuteron|deuteron \d)/.test(out)], [0, true], words.join(' '));
  }
});

test('the server refuses a configuration that would open it to everyone, or that it does not know', async () => {
  const open = await deuteron(['server', '--api-listen', '0.0.0.0:1'], {});
  assert.deepEqual([open.code, /insecure-open-api/.test(open.err)], [2, true]);
  assert.equal((await deuteron(['server', '--no-such-thing', '1'], {})).code, 2);
  assert.equal((await deuteron(['server', '--tls-key', PEM('key')], {})).code, 2);
  assert.equal((await deuteron(['agent', '--credential-file', '/nonexistent'], {})).code, 2);
});

test('a bench refuses what it does not know before it measures', async () => {
  for (const word of ['--nonsense', '--agents=many', '--networks=3', '-x']) {
    const { code, err } = await runProgram([BENCH, 'liveness', word], {});
    assert.deepEqual([code, err.includes(`unknown option ${word}`)], [2, true], word);
  }
});
