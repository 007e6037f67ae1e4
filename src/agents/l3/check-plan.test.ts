import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id } from '../../../test/support/network-objects.ts';
import { intervalMs, nextRun, phase } from './check-plan.ts';
import { parseCheck } from './check-script.ts';

const script = parseCheck('gateway /x interval=5');

test('all hosts run a check of a router at the same instants, routers are spread', () => {
  const at = nextRun(1_000_000, 5_000, { script, routerId: id(1) });
  assert.ok(at > 1_000_000 && at <= 1_005_000);
  assert.equal(nextRun(at - 1, 5_000, { script, routerId: id(1) }), at);
  assert.equal(nextRun(at, 5_000, { script, routerId: id(1) }), at + 5_000);
  const spread = Array.from({ length: 100 }, (_, n) => phase(id(n)));
  for (const quarter of [0, 1, 2, 3])
    assert.ok(spread.filter((one) => Math.floor(one * 4) === quarter).length >= 10);
});

test('with many routers each comes less often, at instants that hosts with few have too', () => {
  assert.equal(intervalMs([script], script, 3), 5_000);
  assert.equal(intervalMs([script], script, 50), 5_000);
  const long = intervalMs([script], script, 150);
  assert.equal(long, 20_000);
  const rare = nextRun(7_777_777, long, { script, routerId: id(2) });
  assert.equal(nextRun(rare - 1, 5_000, { script, routerId: id(2) }), rare);
});
