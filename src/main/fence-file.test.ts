import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fenceInput, parseFenceFile, withoutSecrets } from './fence-file.ts';

const FILE = `# fence devices
[h3]
agent = /usr/sbin/fence_ipmilan
ip=192.0.2.73
 password =  pa=ss #1
[h4.example]
; nothing else is needed
agent=/usr/local/sbin/fence_shelf
`;

test('a section a host, values as they are', () => {
  const devices = parseFenceFile(FILE);
  assert.deepEqual([...devices.keys()], ['h3', 'h4.example']);
  assert.deepEqual(devices.get('h3'), {
    host: 'h3',
    agent: '/usr/sbin/fence_ipmilan',
    settings: [
      ['ip', '192.0.2.73'],
      ['password', 'pa=ss #1'],
    ],
  });
  assert.equal(
    fenceInput(devices.get('h3')!, 'status'),
    'action=status\nnodename=h3\nip=192.0.2.73\npassword=pa=ss #1\n',
  );
  assert.equal(parseFenceFile('').size, 0);
});

test('what is wrong is told by line, and without values', () => {
  const cases: [string, string][] = [
    ['password = hush', 'line 1: it belongs to no host: [HOST] comes first'],
    ['[h 3]', 'line 1: no name of a host between [ and ]'],
    ['[h3]\nagent=/a\n[h3]', 'line 3: a second device of h3'],
    ['[h3]\nhush', 'line 2: not "key = value"'],
    ['[h3]\n= hush', 'line 2: not "key = value"'],
    ['[h3]\nagent = fence_ipmilan', 'line 2: agent: no absolute path'],
    ['[h3]\nagent = /a\nagent = /b', 'line 3: a second agent of h3'],
    ['[h3]\nip = 192.0.2.1', 'line 1: h3 has no agent'],
    ['[h3]\nagent = /a\naction = reboot', 'line 3: action is not to be set here'],
    ['[h3]\nagent = /a\ndebug-file = /tmp/hush', 'line 3: debug-file is not to be set here'],
    ['[h3]\nagent = /a\npassword = hush\u0000', 'line 3: a control character in the value of password'],
  ];
  for (const [text, message] of cases) assert.throws(() => parseFenceFile(text), { message });
});

test('secrets are not shown', () => {
  const settings = [
    ['password', 'hush'],
    ['kg', 'c0ffee'],
    ['username', 'fencer'],
  ] as const;
  const device = { host: 'h3', agent: '/a', settings };
  assert.equal(
    withoutSecrets('fencer: -P hush -y c0ffee, hush', device),
    'fencer: -P <password> -y <kg>, <password>',
  );
});
