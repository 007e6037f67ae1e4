import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blamed, type CheckedReplica } from './blame.ts';

const replica = (
  host: string,
  checks: Record<string, boolean>,
  state = 'standby' as const,
): CheckedReplica => ({
  ...{ host, state },
  checks: Object.entries(checks).map(([name, ok]) => ({ name, ok, text: `${name} on ${host}` })),
});

test('what fails on all that run it is to blame, and nothing else', () => {
  const both = [replica('h1', { a: false, b: false }), replica('h2', { a: false, b: true })];
  assert.deepEqual(blamed(both), [{ check: 'a', hosts: ['h1', 'h2'], text: 'a on h1' }]);
  assert.deepEqual(
    blamed([...both, replica('h3', {})]).map(({ check }) => check),
    ['a'],
  );
  assert.deepEqual(blamed([...both, replica('h3', { a: true })]), []);
});

test('one replica alone, or one that nothing is known of, proves nothing', () => {
  assert.deepEqual(blamed([replica('h1', { a: false })]), []);
  const unknown = { ...replica('h2', { a: false }), state: 'unknown' } as const;
  assert.deepEqual(blamed([replica('h1', { a: false }), unknown]), []);
});
