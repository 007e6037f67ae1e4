import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigurationError, type OptionTable, parseFile, settle } from './options.ts';

const TABLE = {
  'listen-port': { kind: 'integer', default: 9696, help: 'port' },
  server: { kind: 'list', default: [], help: 'servers' },
  verbose: { kind: 'flag', default: false, help: 'talk' },
  host: { kind: 'text', default: null, help: 'name' },
} as const satisfies OptionTable;

const settleWith = (argv: string[], env: Record<string, string> = {}, file = '') =>
  settle(TABLE, { argv, env, readFile: () => file });

test('flags beat environment, environment beats file, file beats defaults', () => {
  const file = 'listen-port = 1\nhost = from-file # a comment\nserver = a, b';
  const env = { DEUTERON_CONFIG: '/etc/x', DEUTERON_LISTEN_PORT: '2' };
  assert.deepEqual(settleWith([], {}), { 'listen-port': 9696, server: [], verbose: false, host: null });
  assert.deepEqual(settleWith([], env, file), {
    'listen-port': 2,
    server: ['a', 'b'],
    verbose: false,
    host: 'from-file',
  });
  assert.deepEqual(
    settleWith(['--listen-port=3', '--server', 'c', '--server', 'd', '--verbose'], env, file),
    {
      'listen-port': 3,
      server: ['c', 'd'],
      verbose: true,
      host: 'from-file',
    },
  );
});

test('what is wrong is named with its place', () => {
  const wrong = (act: () => unknown, message: RegExp) =>
    assert.throws(act, (error) => error instanceof ConfigurationError && message.test(error.message));
  wrong(() => settleWith(['--listen-port', 'x']), /^--listen-port: "x" is not a whole number$/);
  wrong(() => settleWith([], { DEUTERON_VERBOSE: 'perhaps' }), /^DEUTERON_VERBOSE: "perhaps" is neither/);
  wrong(() => settleWith(['--nonsense', '1']), /^unknown option: --nonsense$/);
  wrong(() => settleWith(['--host']), /^--host needs a value$/);
  wrong(() => settleWith(['stray']), /^unexpected argument: stray$/);
  wrong(() => settleWith(['--config', '/f'], {}, 'nonsense = 1'), /^\/f: unknown option: nonsense$/);
  wrong(() => parseFile('\nhost', '/f'), /^\/f:2: not "key = value": host$/);
});
