import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, LineSplitter, parseFrame } from './wire.ts';

test('lines come out whole however the text was cut', () => {
  const line = fc.string().map((text) => text.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat({ max: 12 })), (lines, cuts) => {
      const splitter = new LineSplitter();
      const text = lines.map((one) => `${one}\n`).join('');
      const found: string[] = [];
      let at = 0;
      for (const length of [...cuts, text.length]) {
        found.push(...(splitter.push(text.slice(at, at + length)) ?? []));
        at += length;
      }
      assert.deepEqual(
        found,
        lines.filter((one) => one !== ''),
      );
    }),
  );
});

test('a line without an end is given up, however it comes', () => {
  const splitter = new LineSplitter(10);
  assert.deepEqual(splitter.push('12345'), []);
  assert.deepEqual(splitter.push('6789\n12345'), ['123456789']);
  assert.equal(splitter.push('678901'), undefined);
});

test('what is no frame is not taken for one', () => {
  const at = { position: 3, tag: 4 };
  const batch = {
    type: 'batch',
    from: at,
    to: at,
    enter: {},
    leave: [],
    changes: { g: { k: null } },
  } as const;
  assert.deepEqual(parseFrame(encodeFrame(batch).trimEnd()), batch);
  const wrong = [
    '',
    '{',
    'null',
    '[]',
    '{"type":"toString"}',
    ...[
      { ...batch, from: null },
      { ...batch, to: { position: 1.5, tag: 1 } },
      { ...batch, enter: { g: { k: null } } },
      { ...batch, enter: [] },
      { ...batch, leave: [1] },
      { ...batch, changes: { g: 1 } },
      { ...batch, changes: undefined },
      { type: 'hello', version: 1, server: 's', mode: 'other' },
      { type: 'hello', version: 1, server: 's', mode: 'deltas', heartbeatMs: 0 },
      { type: 'hello', version: 1, server: 's', mode: 'deltas', idleMs: '5' },
      { type: 'synced', at, scope: ['a'] },
      { type: 'digest', at, groups: { g: 1 } },
      { type: 'remedy', id: 'x', role: 'l2', keys: [], how: 'resync' },
      { type: 'remedy', id: 'x', role: 'l2', keys: Array(101).fill('k'), how: 'resync' },
      { type: 'remedy', id: 'x', role: 'l9', keys: ['k'], how: 'resync' },
      { type: 'remedy', id: 'x', role: 'l2', keys: ['k'], how: 'reboot' },
    ].map((it) => JSON.stringify(it)),
  ];
  for (const line of wrong) assert.equal(parseFrame(line), undefined, line);
});

test('a remedy goes over the wire as it is', () => {
  const remedy = { type: 'remedy', id: 'x', role: 'dhcp', keys: ['network/n'], how: 'rebuild' } as const;
  assert.deepEqual(parseFrame(encodeFrame(remedy).trimEnd()), remedy);
});

test('a frame of a later kind is told from what is no frame', () => {
  assert.equal(parseFrame('{"type":"other"}'), 'unknown');
  assert.equal(parseFrame('{"type":"other-thing","at":null}'), 'unknown');
});
