import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Policy } from '../api/policy-rules.ts';
import { runCommand } from '../cli/command.ts';
import { readPolicyFile } from '../policy/file.ts';
import { SERVER_OPTIONS } from './config.ts';
import { createLog } from './logging.ts';
import { ConfigurationError, settle } from './options.ts';
import { policyCommand } from './policy-command.ts';
import { openPolicyFile, PolicyFile, rulesKnown } from './policy-file.ts';

const configOf = (...argv: string[]) => settle(SERVER_OPTIONS, { argv, env: {}, readFile: () => '' });

function fileOf(t: TestContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-policy-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'policy.yaml');
  writeFileSync(path, text);
  return path;
}

/** A policy from this text, followed by a file that says what it is told to. */
function stage(text: string) {
  const policy = new Policy(rulesKnown(configOf()), readPolicyFile(text));
  const said: string[] = [];
  const source = {
    text: text as string | null,
    written: 1,
    version: () =>
      source.text === null ? Promise.reject(new Error('gone')) : Promise.resolve(`${source.written}`),
    read: () => (source.text === null ? Promise.reject(new Error('gone')) : Promise.resolve(source.text)),
  };
  const log = {
    info: (_fields: object, message: string) => void said.push(message),
    error: (fields: object, _message: string) => void said.push(`refused: ${JSON.stringify(fields)}`),
  };
  const file = new PolicyFile({ path: 'policy.yaml', policy, text, log, source });
  const write = (next: string | null) => {
    source.text = next;
    source.written++;
  };
  const mayCreate = (roles: readonly string[]) =>
    policy.rules.passes('create_network', { roles, project_id: 'p' }, { project_id: 'p', tenant_id: 'p' });
  return { file, said, write, mayCreate };
}

async function lookTwice(file: PolicyFile): Promise<void> {
  await file.look();
  await file.look();
}

test('a changed file is taken once it stays as it is', async () => {
  const { file, said, write, mayCreate } = stage('create_network: role:a\n');
  await lookTwice(file);
  assert.deepEqual(said, []);
  write('create_network: role:b\n');
  await file.look();
  assert.equal(mayCreate(['b']), false);
  write('create_network: role:c\n');
  await file.look();
  assert.equal(mayCreate(['c']), false);
  await file.look();
  assert.deepEqual([mayCreate(['c']), mayCreate(['a'])], [true, false]);
  await lookTwice(file);
  assert.deepEqual(said, ['the policy file was read again']);
});

test('a file that is wrong or gone leaves the rules as they were, and is told of once', async () => {
  const { file, said, write, mayCreate } = stage('create_network: role:a\n');
  for (const wrong of ['create_netwrok: role:b\n', null]) {
    write(wrong);
    await lookTwice(file);
    await lookTwice(file);
    assert.equal(file.isRefused, true);
    assert.deepEqual([mayCreate(['a']), mayCreate(['b'])], [true, false]);
  }
  assert.equal(said.length, 2);
  assert.match(said[0] ?? '', /policy\.yaml:1: create_netwrok: there is no such rule/);
  write('create_network: role:a\n');
  await lookTwice(file);
  assert.equal(file.isRefused, false);
});

test('a server does not start with a file that is wrong, and says where', (t) => {
  const log = createLog('test', 'silent');
  assert.equal(openPolicyFile(configOf(), log), null);
  const path = fileOf(t, 'create_network: role:a\nget_network: rule:nobody\n\nfly: "@"\n');
  assert.throws(
    () => openPolicyFile(configOf('--policy-file', path), log),
    (error: Error) =>
      error instanceof ConfigurationError &&
      error.message.includes(`${path}:2: get_network: there is no rule nobody`) &&
      error.message.includes(`${path}:4: fly: there is no such rule`),
  );
  assert.throws(() => openPolicyFile(configOf('--policy-file', `${path}.none`), log), /ENOENT/);
});

test('roles that the configuration names are those of the defaults', () => {
  const config = configOf('--identity', 'keystone', '--keystone-admin-roles', 'root,admin');
  assert.equal(rulesKnown(config).defaults[0]?.words, 'role:root or role:admin');
  const odd = configOf('--identity', 'keystone', '--keystone-member-roles', 'two words');
  assert.throws(() => rulesKnown(odd), /cannot name the role "two words"/);
});

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
  return { code: await runCommand(policyCommand, args, io), ...said };
}

test('check: a file that is right, and one that is wrong', async (t) => {
  const right = fileOf(t, 'create_network: role:a\n');
  assert.deepEqual(await run('check', right), { code: 0, out: `${right}: right; 1 rule\n`, err: '' });
  const wrong = fileOf(t, 'a: x\ncreate_network: role:a role:b\n');
  const { code, out, err } = await run('check', wrong);
  assert.deepEqual([code, out], [1, '']);
  assert.match(err, /policy\.yaml:1: a: "x" is no check.*\n.*policy\.yaml:2: create_network: and, or/);
  const { problems } = JSON.parse((await run('check', wrong, '--json')).out);
  assert.deepEqual(
    problems.map(({ line }: { line: number }) => line),
    [1, 2],
  );
  assert.equal((await run('check')).code, 2);
  assert.equal((await run('check', `${right}.none`)).code, 1);
});

test('check: who passes what', async (t) => {
  const path = fileOf(
    t,
    'create_network: role:netops and project_id:%(project_id)s\nget_port: user_domain_id:d\n',
  );
  const passes = async (rule: string, ...args: string[]) =>
    (await run('check', path, '--rule', rule, ...args)).code === 0;
  assert.equal(await passes('create_network', '--role', 'netops'), true);
  assert.equal(await passes('create_network', '--role', 'NetOps', '--project', 'p'), true);
  assert.equal(await passes('create_network', '--role', 'netops', '--target', 'project_id=q'), false);
  assert.equal(await passes('create_network', '--role', 'member'), false);
  assert.equal(await passes('create_network', '--role', 'admin'), true);
  assert.equal(await passes('get_port', '--fact', 'user_domain_id=d'), true);
  assert.equal(
    await passes('get_network', '--role', 'reader', '--target', 'project_id=q', '--target', 'tenant_id=q'),
    false,
  );
  const shared = ['--target', 'tenant_id=q', '--target', 'shared=True'];
  assert.equal(await passes('get_network', '--role', 'reader', ...shared), true);
  assert.equal((await run('check', path, '--rule', 'fly')).code, 2);
  assert.equal((await run('check', path, '--role', 'a', '--target', 'x')).code, 2);
  const { verdicts } = JSON.parse((await run('check', path, '--role', 'member', '--json')).out);
  const of = (rule: string) => verdicts.find((one: { rule: string }) => one.rule === rule)?.passes;
  assert.deepEqual(
    [of('create_router'), of('create_network'), of('create_network:shared')],
    [true, false, false],
  );
});

test('show: what it prints is a policy file that says the same', async (t) => {
  const path = fileOf(t, 'create_network: "role:netops"\nops: role:netops\ndelete_network: rule:ops\n');
  const { out } = await run('show', path);
  assert.match(out, /# Create a network\.\n# Not as by default\.\n"create_network": "role:netops"\n/);
  assert.match(out, /"ops": "role:netops"\n/);
  assert.equal(
    (await run('show', fileOf(t, out))).out.replaceAll('# Not as by default.\n', ''),
    out.replaceAll('# Not as by default.\n', ''),
  );
  const defaults = (await run('show', '--defaults')).out;
  assert.deepEqual(readPolicyFile(defaults), []);
  assert.match(defaults, /^#"create_network": "rule:admin_only or rule:project_member"$/m);
  const { rules } = JSON.parse((await run('show', path, '--json')).out);
  assert.ok(rules.length > 200);
  // made from many places: none is there twice
  assert.equal(new Set(rules.map(({ name }: { name: string }) => name)).size, rules.length);
  assert.equal((await run('show', 'a', 'b')).code, 2);
  assert.equal((await run('draw')).code, 2);
});
