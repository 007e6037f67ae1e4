import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderConntrackd } from './connections.ts';

const input = {
  vrId: 7,
  link: 'ha-00000cc1-00',
  address: '169.254.192.7',
  lock: '/var/lib/deuteron/l3/r/conntrackd.lock',
  control: '/var/lib/deuteron/l3/r/conntrackd.ctl',
};

test('each router of a segment has a group and a port of its own', () => {
  const text = renderConntrackd(input);
  for (const line of [
    '    IPv4_address 225.0.1.7',
    '    Group 3787',
    '    IPv4_interface 169.254.192.7',
    '    Interface ha-00000cc1-00',
    '  LockFile /var/lib/deuteron/l3/r/conntrackd.lock',
  ])
    assert.ok(text.includes(`${line}\n`), line);
  assert.notEqual(renderConntrackd({ ...input, vrId: 8 }), text);
});

test('no word gets in that could end a line or a block', () => {
  for (const bad of [{ vrId: 256 }, { link: 'ha }' }, { address: 'x' }, { lock: 'x' }, { control: '/a\n}' }])
    assert.throws(() => renderConntrackd({ ...input, ...bad }));
});
