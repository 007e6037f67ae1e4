import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

function start(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`test/${program}/main.ts`, ...args], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

for (const args of [['model'], ['lab'], ['lab', 'faults'], ['simulation']] as const) {
  const [program, ...rest] = args;
  test(`${args.join(' ')} shows its usage, and refuses what it does not know`, () => {
    const help = start(program, ...rest, '--help');
    assert.deepEqual([help.status, help.stderr], [0, '']);
    assert.match(help.stdout, /^usage: npm run /);
    // npm would print lines of its own before the JSON.
    for (const line of help.stdout.split('\n').filter((one) => /npm run .*--json|^ +--json /.test(one)))
      assert.match(line, /npm run -s |npm without -s /);
    const wrong = start(program, ...rest, '--nonsense');
    assert.deepEqual([wrong.status, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /^Unknown option '--nonsense'.*\nusage: npm run /);
  });
}

test('values that are none are refused before anything is begun', () => {
  for (const args of [
    ['model', '--runs', 'many'],
    ['lab', 'no-such-story'],
    ['lab', 'faults', '--rounds', '0'],
    ['lab', '--rounds', '2'],
    ['simulation', '--seeds', '-1'],
    ['simulation', '--file', '/nonexistent'],
    ['simulation', '--file', '.'],
    ['simulation', '--world', 'nowhere'],
    ['simulation', 'stray'],
  ] as const) {
    const [program, ...rest] = args;
    const { status, stdout, stderr } = start(program, ...rest);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.doesNotMatch(stderr, /\n {4}at /, args.join(' '));
    assert.match(stderr, /usage: npm run /, args.join(' '));
  }
});

test('with --json there are objects only on standard output', () => {
  const { status, stdout, stderr } = start(
    'simulation',
    '--seeds',
    '1',
    '--jobs',
    '1',
    '--json',
    '--coverage',
  );
  assert.equal(status, 0, stderr);
  const objects = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.equal(objects.length, 2);
  assert.ok('total' in objects[1]);
  assert.notEqual(stderr, '');
});

test('of a scenario file that fails it says how to play that file again', () => {
  const args = ['--file', 'test/simulation/scenarios/asking-is-no-silence.json', '--plant', 'drop-change'];
  const { status, stdout, stderr } = start('simulation', ...args);
  assert.equal(status, 1, stderr);
  assert.equal(stdout.trim().split('\n').at(-1), `  again: npm run sim -- ${args.join(' ')}`);
  const asJson = start('simulation', ...args, '--json');
  assert.equal(JSON.parse(asJson.stdout).replay, `npm run sim -- ${args.join(' ')}`);
});
