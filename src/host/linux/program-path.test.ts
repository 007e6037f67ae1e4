import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runnersOf } from './program-path.ts';

const found = (name: string) => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].map((at) => `${at}/${name}`);

test('who runs a script, as the kernel reads its first line', () => {
  assert.deepEqual(runnersOf('\x7fELF'), []);
  assert.deepEqual(runnersOf('#!/bin/sh'), [['/bin/sh']]);
  assert.deepEqual(runnersOf('#! \t/bin/sh -e x \nexit 0'), [['/bin/sh']]);
  assert.deepEqual(runnersOf('#!/bin/sh\r\n'), [['/bin/sh\r']]);
  assert.deepEqual(runnersOf('#!/usr/bin/env python3\n'), [['/usr/bin/env'], found('python3')]);
  assert.deepEqual(runnersOf('#!/usr/bin/env -S python3 -u\n'), [['/usr/bin/env'], found('python3')]);
  assert.deepEqual(runnersOf('#!/usr/bin/env /opt/x\n'), [['/usr/bin/env'], ['/opt/x']]);
});

test('what cannot be told is not guessed', () => {
  const unclear = [
    ...['#!\n', '#!bin/sh\n', `#!/${'x'.repeat(300)}`, '#!/usr/bin/env\n', '#!/usr/bin/env python3 -u\n'],
    ...['#!/usr/bin/env -i sh\n', '#!/usr/bin/env -S PATH=/tmp sh\n', '#!/usr/bin/env -S -i sh\n'],
    ...['#!/usr/bin/env bin/sh\n', '#!/usr/bin/env -S "sh"\n', '#!/usr/bin/env -S $X\n'],
  ];
  for (const head of unclear) assert.ok('unclear' in runnersOf(head), head);
});
