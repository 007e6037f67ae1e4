import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigurationError, describeOptions, type OptionTable, parseFile, settle } from './options.ts';

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

test('a number outside its range and a word that is no choice are refused, from wherever they come', () => {
  const table = {
    keep: { kind: 'integer', min: 0, max: 9, default: 3, help: 'keep' },
    level: { kind: 'text', choices: ['low', 'high'], default: 'low', help: 'level' },
  } as const satisfies OptionTable;
  const given = (argv: string[], env = {}, file = '') => settle(table, { argv, env, readFile: () => file });
  const message = (act: () => unknown) => {
    try {
      return act();
    } catch (error) {
      assert.ok(error instanceof ConfigurationError);
      return error.message;
    }
  };
  assert.deepEqual(given(['--keep', '9', '--level', 'high']), { keep: 9, level: 'high' });
  assert.deepEqual(given(['--keep=0']), { keep: 0, level: 'low' });
  assert.equal(
    message(() => given(['--keep', '10'])),
    '--keep: 10 is not within 0 to 9',
  );
  assert.equal(
    message(() => given([], { DEUTERON_KEEP: '-1' })),
    'DEUTERON_KEEP: -1 is not within 0 to 9',
  );
  assert.equal(
    message(() => given(['--config', '/f'], {}, 'keep = 12')),
    '/f: keep: 12 is not within 0 to 9',
  );
  assert.equal(
    message(() => given(['--level', 'loud'])),
    '--level: "loud" is none of low, high',
  );
  assert.match(describeOptions(table), /keep \(0 to 9\) \[3\]/);
});
