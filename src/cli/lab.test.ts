import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandIo, runCommand } from './command.ts';
import { labCommand } from './lab.ts';
import { readCut } from './lab-links.ts';
import { splitExec } from './lab-processes.ts';
import { portCommand } from './port.ts';

/** Runs a command line; gives its exit code and what it said. */
async function type(
  command: typeof labCommand,
  line: string,
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const io: CommandIo = {
    out: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    env: {},
    signal: new AbortController().signal,
  };
  const code = await runCommand(command, line === '' ? [] : line.split(' '), io);
  return { code, ...said };
}

test('a cut means what its options say', () => {
  const cut = (line: string) => readCut(line.split(' ')).cut;
  const tunnel = { node: 'h1', segment: 'tunnel' };
  assert.deepEqual(cut('h1 tunnel'), { ...tunnel, kind: 'carrier', direction: 'both' });
  assert.deepEqual(cut('h1 tunnel --silent'), { ...tunnel, kind: 'silent', direction: 'both' });
  assert.deepEqual(cut('h1 tunnel --one-way in'), { ...tunnel, kind: 'silent', direction: 'in' });
  assert.deepEqual(cut('h1 tunnel --loss 30 --one-way out'), {
    ...tunnel,
    kind: 'loss',
    direction: 'out',
    amount: 30,
  });
  assert.deepEqual(cut('h1 tunnel --mtu 1400'), { ...tunnel, kind: 'mtu', direction: 'both', amount: 1400 });
});

test('wrong usage is said in words, with exit code 2', async () => {
  const wrong: [typeof labCommand, string, RegExp][] = [
    [labCommand, '', /a verb is needed: up, down/],
    [labCommand, 'frob', /no such verb: frob/],
    [labCommand, 'cut h1', /which segment/],
    [labCommand, 'cut h1 moon', /"moon" is no segment: tunnel, management, external/],
    [labCommand, 'cut h1 tunnel --loss 0', /--loss is a whole number from 1 to 100/],
    [labCommand, 'cut h1 tunnel --one-way up', /--one-way is in or out/],
    [labCommand, 'cut h1 tunnel --carrier --silent', /cannot be silent/],
    [labCommand, 'cut h1 tunnel --frob', /--frob/],
    [labCommand, 'up --hosts many', /--hosts is a whole number from 0 to 100/],
    [labCommand, 'up --id A/B', /--id: "A\/B"/],
    [labCommand, 'pause h1 agent -9', /-9 belongs to lab kill/],
    [labCommand, 'exec h1', /which command/],
    [labCommand, 'restart h1 engine', /not "engine"/],
    [portCommand, 'plug', /which port/],
    [portCommand, 'plug x', /into which namespace/],
    [portCommand, 'plug x --netns ../y', /no name of a namespace/],
    [portCommand, 'wave x', /plug or unplug, not wave/],
  ];
  for (const [command, line, message] of wrong) {
    const { code, err } = await type(command, line);
    assert.equal(code, 2, line);
    assert.match(err, message);
    assert.match(err, /--help/);
  }
});

test('a lab that is not there is said so, with exit code 1', async () => {
  for (const verb of ['status', 'heal', 'cut h1 tunnel', 'kill h1 agent', 'exec h1 true', 'restart h1']) {
    const [word, ...rest] = verb.split(' ');
    const { code, err } = await type(labCommand, [word, '--id', 'nosuchlab', ...rest].join(' '));
    assert.equal(code, 1, err);
    assert.match(err, /no lab in .*nosuchlab: deuteron lab up makes one/);
  }
});

test('every verb has its help', async () => {
  const { out } = await type(labCommand, '--help');
  const verbs = [...out.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1]);
  assert.ok(verbs.length >= 11);
  for (const verb of verbs) {
    const help = await type(labCommand, `${verb} --help`);
    assert.equal(help.code, 0);
    assert.match(help.out, new RegExp(`^usage: deuteron lab ${verb}`));
    assert.match(help.out, /Exit codes:/);
  }
});

test('what follows the host belongs to the command that is run there', () => {
  assert.deepEqual(splitExec(['--id', 'x', 'h1', 'ls', '--id', 'y']), {
    own: ['--id', 'x'],
    rest: ['h1', 'ls', '--id', 'y'],
  });
  assert.deepEqual(splitExec(['--id=x', '--', 'h1', 'ls']), { own: ['--id=x'], rest: ['h1', 'ls'] });
  assert.deepEqual(splitExec(['h1', '--', 'ls']), { own: [], rest: ['h1', '--', 'ls'] });
});
