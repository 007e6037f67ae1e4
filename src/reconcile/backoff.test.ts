import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../lib/random.ts';
import { backoffMs } from './backoff.ts';

test('waits double up to half a minute, spread over their upper half', () => {
  const random = seededRandom(1);
  for (let failures = 1; failures < 2000; failures++) {
    const fullMs = Math.min(250 * 2 ** (failures - 1), 30_000);
    const waitMs = backoffMs(failures, random);
    assert.ok(waitMs >= fullMs / 2 && waitMs <= fullMs, `${failures}: ${waitMs}`);
  }
});
