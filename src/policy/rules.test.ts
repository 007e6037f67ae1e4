import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyFileError, readPolicyFile } from './file.ts';
import { type RuleNames, RuleSet } from './rules.ts';

const rule = (name: string, words: string) => ({ name, words, description: `${name}.` });
const NAMES: RuleNames = {
  defaults: [
    rule('context_is_admin', 'role:admin'),
    rule('admin_only', 'rule:context_is_admin'),
    rule('owner', 'project_id:%(project_id)s'),
    rule('create_network', 'rule:owner'),
    rule('get_network', 'rule:owner or rule:shared'),
    rule('shared', 'field:networks:shared=True'),
    rule('create_port', 'project_id:%(network:project_id)s'),
    rule('get_port:host', 'rule:admin_only'),
  ],
  isOpen: (name) => name === 'create_network:mtu',
  knowsRowOnly: (name) => name.startsWith('get_') && name.includes(':'),
};
const rulesOf = (text: string): RuleSet => new RuleSet(NAMES, readPolicyFile(text));

function refused(text: string): string[] {
  try {
    rulesOf(text);
  } catch (error) {
    assert.ok(error instanceof PolicyFileError);
    return error.problems.map(({ line, what }) => `${line}: ${what}`);
  }
  return [];
}

test('a file is YAML or JSON, or says nothing', () => {
  const yaml = '# mine\ncreate_network: role:netops and rule:owner # these\n\n"get_network": "@"\n';
  assert.deepEqual(readPolicyFile(yaml), [
    { name: 'create_network', words: 'role:netops and rule:owner', line: 2 },
    { name: 'get_network', words: '@', line: 4 },
  ]);
  assert.deepEqual(readPolicyFile('{\n"create_network":\t""\n}'), [
    { name: 'create_network', words: '', line: 2 },
  ]);
  assert.deepEqual(
    readPolicyFile('create_network: >-\n  role:a or\n  role:b\n')[0]?.words,
    'role:a or role:b',
  );
  for (const nothing of ['', '\n# nothing\n', '{}', '---\n...\n'])
    assert.deepEqual(readPolicyFile(nothing), []);
});

test('what is wrong with a file is told with its line, all of it', () => {
  for (const [text, ...problems] of [
    ['- a\n- b\n', /^1: no map of rules$/],
    ['role:admin', /^1: no map/],
    ['a: "x\n', /^\d: /],
    ['create_network: "@"\ncreate_network: "!"\n', /^2: Map keys must be unique/],
    [
      'create_network:\nget_network: [a]\n',
      /^1: create_network: what it says is a text/,
      /^2: get_network: what/,
    ],
    ['create_network: !\n', /^1: create_network: what it says/],
    ['create_network: true\n', /^1: create_network: what it says/],
    ['1: "@"\n', /^1: a name of a rule is a text/],
    ['create_network: role:a role:b\n', /^1: create_network: and, or/],
    [
      '\ncreate_netwrok: "@"\n',
      /^2: create_netwrok: there is no such rule, and no other refers to it; create_network\?$/,
    ],
    ['fly: "@"\n', /^1: fly: there is no such rule, and no other refers to it$/],
    ['create_network: rule:nobody\n', /^1: create_network: there is no rule nobody to refer to$/],
    ['create_network: rule:create_network\n', /circle: create_network -> create_network$/],
    [
      'owner: rule:mine\nmine: not rule:create_network\n',
      /^1: owner: it goes in a circle: owner -> mine -> create_network -> owner$/,
      /^2: mine: .*circle/,
    ],
    ['get_port:host: rule:create_port\n', /^1: get_port:host: what is shown is judged by itself/],
    ['a: x:y\nb: (\n', /^2: b: a check is missing/],
  ] as readonly [string, ...RegExp[]][]) {
    const found = refused(text);
    assert.equal(found.length, problems.length, `${text}: ${found.join('; ')}`);
    for (const [at, problem] of problems.entries()) assert.match(found[at] ?? '', problem);
  }
});

test('a file’s own rules are there to be referred to', () => {
  const rules = rulesOf('ops: role:netops\ncreate_network: rule:ops or rule:owner\n');
  const ops = { roles: ['netops'], project_id: 'p' };
  assert.equal(rules.passes('create_network', ops, { project_id: 'q' }), true);
  assert.equal(rules.passes('create_network', { roles: [] }, { project_id: 'q' }), false);
  assert.equal(rules.passes('get_network', ops, { project_id: 'q', shared: false }), false);
  assert.equal(rules.passes('nobody_wrote', {}), true);
});

test('a rule has changed if it is in the file, or refers to what is; not for the admins’ rule', () => {
  const changed = (text: string) =>
    NAMES.defaults.map(({ name }) => name).filter((name) => rulesOf(text).isChanged(name));
  assert.deepEqual(changed(''), []);
  assert.deepEqual(changed('create_network: "@"'), ['create_network']);
  assert.deepEqual(changed('owner: "@"'), ['owner', 'create_network', 'get_network']);
  assert.deepEqual(changed('context_is_admin: role:root'), ['context_is_admin']);
  assert.equal(rulesOf('create_network:mtu: role:a').isChanged('create_network:mtu'), true);
});

test('what a rule asks for beside what it is about', () => {
  const rules = rulesOf(
    'create_network: rule:create_port and rule:shared\ncreate_port: user_id:%(router:id)s',
  );
  assert.deepEqual([...rules.beside('create_network')].sort(), ['network', 'router']);
  assert.deepEqual([...rules.beside('owner')], []);
});

test('who could pass at all', () => {
  const rules = rulesOf('create_network: role:netops and rule:owner');
  assert.equal(rules.couldPass('create_network', { roles: ['netops'], project_id: 'p' }), true);
  assert.equal(rules.couldPass('create_network', { roles: ['member'], project_id: 'p' }), false);
});

test('the rules that hold, as they are shown', () => {
  const shown = rulesOf('ops: role:netops\nowner: rule:ops\n').effective;
  assert.equal(shown.length, NAMES.defaults.length + 1);
  assert.deepEqual(
    shown.filter(({ isDefault }) => !isDefault).map(({ name, words }) => [name, words]),
    [
      ['owner', 'rule:ops'],
      ['ops', 'role:netops'],
    ],
  );
});
