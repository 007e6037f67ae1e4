import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathStep, ProgramFacts } from '../../host/host.ts';
import { parseCheck, parseChecks, problemsOf } from './check-script.ts';

const nobody = { uid: 65_534, gid: 65_534 };
const step = (path: string, fields: Partial<PathStep> = {}): PathStep => ({
  ...{ path, kind: 'directory', uid: 0, gid: 0, mode: 0o755 },
  ...fields,
});
const PATH = '/etc/checks/gateway';
const content = { size: 20, sha256: 'a'.repeat(64), head: '#!/bin/sh\nexit 0\n' };

function facts(steps: readonly Partial<PathStep>[] = [], fields: Partial<ProgramFacts> = {}): ProgramFacts {
  const good = [step('/'), step('/etc'), step('/etc/checks'), step(PATH, { kind: 'file' })];
  return {
    steps: good.map((one, at) => ({ ...one, ...steps[at] })),
    trusted: [0],
    content,
    interpreters: [],
    ...fields,
  };
}

test('a line of the configuration, with what is left out and with all', () => {
  const script = parseCheck(`gateway ${PATH}`);
  assert.deepEqual(script, {
    ...{ name: 'gateway', path: PATH, intervalMs: 5_000, timeoutMs: 3_000 },
    ...{ fall: 2, rise: 2, weight: 90, sha256: null },
  });
  const all = parseCheck(
    `g ${PATH} interval=1.5 timeout=1 fall=3 rise=4 weight=100 sha256=${'0'.repeat(64)}`,
  );
  assert.deepEqual(
    [all.intervalMs, all.timeoutMs, all.fall, all.rise, all.weight, all.sha256?.length],
    [1_500, 1_000, 3, 4, 100, 64],
  );
});

test('what is no line is said word by word', () => {
  const bad = [
    '',
    'name',
    'name relative',
    'na/me /x',
    'n /x weight=201',
    'n /x interval=0',
    'n /x colour=1',
  ];
  for (const line of [...bad, 'n /x sha256=abc', 'n /x weight', 'n /x -f'])
    assert.throws(() => parseCheck(line), /check|name/, line);
  assert.throws(() => parseChecks(['a /x', 'a /y']), /two checks are named a/);
});

test("root's script in root's directories may be run", () => {
  assert.deepEqual(problemsOf(facts(), nobody, null), []);
  assert.deepEqual(problemsOf(facts(), nobody, 'a'.repeat(64)), []);
});

test('whoever could put another in its place is found on every step of the way', () => {
  const cases: [string, readonly Partial<PathStep>[]][] = [
    ['/etc/checks: others than its owner may write it (mode 777)', [{}, {}, { mode: 0o777 }]],
    ['/etc/checks: others than its owner may write it (mode 775)', [{}, {}, { mode: 0o775 }]],
    ['/etc: it belongs to user 1000, who could put another in its place', [{}, { uid: 1000 }]],
    [`${PATH}: it belongs to user 65534, who could put another in its place`, [{}, {}, {}, { uid: 65_534 }]],
    [`${PATH}: others than its owner may write it (mode 757)`, [{}, {}, {}, { mode: 0o757 }]],
    [`${PATH}: it is set-user-ID or set-group-ID`, [{}, {}, {}, { mode: 0o4755 }]],
    [`${PATH}: user 65534 may not read and run it`, [{}, {}, {}, { mode: 0o750 }]],
    [`${PATH}: user 65534 may not read and run it`, [{}, {}, {}, { mode: 0o711 }]],
    ['/etc/checks: user 65534 may not pass through it', [{}, {}, { mode: 0o700 }]],
  ];
  for (const [problem, steps] of cases) assert.deepEqual(problemsOf(facts(steps), nobody, null), [problem]);
});

test('in a sticky directory what counts is whose the entry is', () => {
  assert.deepEqual(problemsOf(facts([{}, {}, { mode: 0o1777 }]), nobody, null), []);
  assert.equal(problemsOf(facts([{}, {}, { mode: 0o1777 }, { uid: 7 }]), nobody, null).length, 1);
});

test('what is no script, or not the one that it was, is not run', () => {
  const of = (fields: Partial<ProgramFacts>) => problemsOf(facts([], fields), nobody, 'a'.repeat(64));
  assert.match(of({ content: { ...content, head: 'exit 0' } }).join(), /neither with #! nor/);
  assert.match(of({ content: { ...content, sha256: 'b'.repeat(64) } }).join(), /not what it was/);
  assert.match(of({ content: { ...content, sha256: '', size: 9e6 } }).join(), /too many/);
  const missing = {
    steps: [step('/'), step('/etc', { kind: 'missing', uid: -1 })],
    content: null,
    interpreters: [],
  };
  assert.deepEqual(of(missing), ['/etc: there is no such file']);
  assert.deepEqual(of({ steps: [step('/')], content: null }), ['/: it is a directory']);
});

test('whoever runs a script is looked at as it is', () => {
  const SH = '/opt/sh';
  const run = (...steps: PathStep[]) => {
    const interpreters = [{ steps: [step('/'), ...steps], isScript: false }];
    return problemsOf(facts([], { interpreters }), nobody, null);
  };
  const sh = step(SH, { kind: 'file' });
  assert.deepEqual(run(step('/opt'), sh), []);
  assert.deepEqual(run(step('/opt'), { ...sh, mode: 0o711 }), [], 'only the script has to be read');
  assert.deepEqual(run(step('/opt', { mode: 0o777 }), { ...sh, uid: 65_534 }), [
    '/opt: others than its owner may write it (mode 777)',
    `${SH}: it belongs to user 65534, who could put another in its place`,
  ]);
  assert.deepEqual(run(step('/opt'), { ...sh, mode: 0o644 }), [`${SH}: user 65534 may not run it`]);
  assert.deepEqual(run(step('/opt', { mode: 0o750 }), sh), ['/opt: user 65534 may not pass through it']);
  assert.deepEqual(run(step('/opt', { kind: 'missing', uid: -1 })), ['/opt: there is no such file']);
  assert.deepEqual(run(step('/opt')), ['/opt: it is a directory']);
  const interpreters = [{ unclear: 'its first line names no absolute path' }];
  const told = problemsOf(facts([], { interpreters }), nobody, null);
  assert.deepEqual(told, [`${PATH}: its first line names no absolute path`]);
});

test('what is found fit has an end and a content, whatever the host says of it', () => {
  const endless = facts([{}, {}, {}, { kind: 'endless', uid: -1 }], { content: null });
  assert.deepEqual(problemsOf(endless, nobody, null), [
    `${PATH}: the links of its path lead in circles, or too far`,
  ]);
  const link = facts([{}, {}, {}, { kind: 'link' }], { content: null });
  assert.equal(problemsOf(link, nobody, null).length, 1);
  assert.equal(problemsOf(facts([], { content: null }), nobody, null).length, 1);
});
