/** Identity keystone as the server's configuration has it: options, environment, TLS. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ApiOptions } from '../../src/api/app.ts';
import { realClock } from '../../src/lib/clock.ts';
import { SERVER_OPTIONS } from '../../src/main/config.ts';
import { chooseIdentity } from '../../src/main/identity.ts';
import { createLog } from '../../src/main/logging.ts';
import { ConfigurationError, settle } from '../../src/main/options.ts';
import type { Caller } from '../../src/operations/operation.ts';
import { type FakeKeystone, startFakeKeystone } from '../support/fake-keystone.ts';

const pem = (name: string) => fileURLToPath(new URL(`../support/tls/localhost-${name}.pem`, import.meta.url));
const wallMs = () => realClock.wall().getTime();
const log = createLog('test', 'silent');
const PUBLIC = [{ kind: 'tcp', host: '0.0.0.0', port: 9696 }] as const;

let plain: FakeKeystone;
let secure: FakeKeystone;
before(async () => {
  plain = await startFakeKeystone(wallMs);
  const [cert, key] = [readFileSync(pem('certificate'), 'utf8'), readFileSync(pem('key'), 'utf8')];
  secure = await startFakeKeystone(wallMs, { cert, key });
  for (const fake of [plain, secure])
    fake.tokens.set('t', { user: 'u', project: 'p', roles: ['member'], expiresAt: wallMs() + 3_600_000 });
});
after(async () => {
  await plain?.close();
  await secure?.close();
});

const choose = (argv: readonly string[], password: string | undefined = 'opensesame') =>
  chooseIdentity(
    settle(SERVER_OPTIONS, {
      argv: ['--identity', 'keystone', ...argv],
      env: { DEUTERON_KEYSTONE_PASSWORD: password },
      readFile: () => '',
    }),
    { addresses: PUBLIC, log },
  );
const ask = ({ identify }: Pick<ApiOptions, 'identify'>) =>
  identify({ authorization: undefined, token: 't' });
const whoIs = ({ projectId, userId, isAdmin }: Caller) => [projectId, userId, isAdmin];
const USER = ['--keystone-username', 'deuteron'];

test('with a URL, a user and a password it knows tokens, also where others reach it', async () => {
  const identity = await choose(['--keystone-auth-url', plain.url, ...USER]);
  assert.deepEqual(whoIs(await ask(identity)), ['p', 'u', false]);
  assert.equal(identity.challenge, `Keystone uri="${plain.url}"`);
  const shown = 'https://cloud.example/identity';
  const told = ['--keystone-www-authenticate-uri', shown];
  const other = await choose(['--keystone-auth-url', plain.url, ...USER, ...told]);
  assert.equal(other.challenge, `Keystone uri="${shown}"`);
});

test('roles have the names that the configuration gives them', async () => {
  const url = ['--keystone-auth-url', plain.url, ...USER];
  const admins = await choose([...url, '--keystone-admin-roles', 'cloud_admin, member']);
  assert.deepEqual(whoIs(await ask(admins)), ['p', 'u', true]);
  const readers = ['--keystone-member-roles', 'operator', '--keystone-reader-roles', 'member'];
  assert.equal((await ask(await choose([...url, ...readers]))).mayOnlyRead, true);
});

test('it speaks TLS, only with whom its authorities know', async () => {
  const known = ['--keystone-auth-url', secure.url, ...USER, '--keystone-ca-file', pem('certificate')];
  assert.equal((await ask(await choose(known))).projectId, 'p');
  const unknown = await choose(['--keystone-auth-url', secure.url, ...USER]);
  await assert.rejects(ask(unknown), { type: 'ServiceUnavailable' });
  assert.equal(secure.logins, 1);
});

test('what it cannot begin with is said before it begins', async () => {
  const url = ['--keystone-auth-url', plain.url];
  const refused = (argv: readonly string[], words: RegExp, password?: string) =>
    assert.rejects(choose(argv, password), (error: Error) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, words);
      assert.doesNotMatch(error.message, /opensesame/);
      return true;
    });
  await refused(USER, /--keystone-auth-url/);
  await refused(url, /--keystone-username/);
  await refused([...url, ...USER], /--keystone-password/, '');
  await refused(['--keystone-auth-url', 'keystone:5000', ...USER], /no URL/);
  await refused([...url, ...USER, '--keystone-www-authenticate-uri', 'a "b"'], /no URL/);
  await refused([...url, ...USER, '--keystone-ca-file', '/nowhere.pem'], /--keystone-ca-file/);
});
