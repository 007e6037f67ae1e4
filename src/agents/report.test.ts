import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_EXCEPTIONS } from '../watch/protocol.ts';
import { standingOf } from './report.ts';

const NONE: ReadonlySet<string> = new Set();
const PLACE = { position: 7, tag: 99 };

test('everything up to the place is realised but for what is pending', () => {
  const short = { object: 'port/p', state: 'waiting', reason: 'no link' } as const;
  assert.deepEqual(
    standingOf(PLACE, NONE, [
      { key: 'network/a', since: 5, shortfalls: [] },
      { key: 'network/b', since: 6, shortfalls: [short] },
    ]),
    {
      realised: PLACE,
      exceptions: [
        { key: 'network/a', object: '', state: 'pending', since: 5, reason: 'not done yet' },
        { key: 'network/b', object: 'port/p', state: 'waiting', since: 6, reason: 'no link' },
      ],
      exceptionCount: 2,
    },
  );
});

test('nothing is claimed before the first full pass, nor when the list is cut', () => {
  assert.deepEqual(standingOf(PLACE, undefined, []), { realised: null, exceptions: [], exceptionCount: 0 });
  const many = Array.from({ length: MAX_EXCEPTIONS + 1 }, (_, at) => ({
    key: `network/${at}`,
    since: 1,
    shortfalls: [],
  }));
  const standing = standingOf(PLACE, NONE, many);
  assert.equal(standing.realised, null);
  assert.equal(standing.exceptions.length, MAX_EXCEPTIONS);
  assert.equal(standing.exceptionCount, MAX_EXCEPTIONS + 1);
});

test('a reason is text that the server can store', () => {
  const reason = `a\0b\ud800${'x'.repeat(2_000)}`;
  const shortfalls = [{ object: '', state: 'failed', reason }] as const;
  const [exception] = standingOf(PLACE, NONE, [{ key: 'network/a', since: 5, shortfalls }]).exceptions;
  assert.equal(exception?.reason.length, 1_000);
  assert.equal(exception?.reason.startsWith('a b\ufffdx'), true);
});

test('during the first pass what has not been looked at is owed from ever, and the rest is known', () => {
  const pending = [
    { key: 'network/a', since: 5, shortfalls: [] },
    { key: 'network/b', since: 6, shortfalls: [] },
  ];
  const { realised, exceptions } = standingOf(PLACE, new Set(['network/a', 'network/c']), pending);
  assert.deepEqual(realised, PLACE);
  assert.deepEqual(
    exceptions.map(({ key, state, since }) => [key, state, since]),
    [
      ['network/a', 'pending', 0],
      ['network/c', 'pending', 0],
      ['network/b', 'pending', 6],
    ],
  );
});
