import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents, record } from './event.ts';
import { bench } from './testing.ts';

test('an event is kept as it was told, and the newest is listed first', async () => {
  const it = bench();
  const first = await it.run((tx) =>
    record(tx, it.call, {
      kind: 'remedy',
      severity: 'warning',
      host: 'h1',
      role: 'dhcp',
      object: 'network/n',
      message: 'network/n on h1 is compared again.',
      data: { step: 1 },
    }),
  );
  it.pass(5);
  const second = await it.run((tx) =>
    record(tx, it.call, { kind: 'alert', severity: 'error', message: 'Nobody answers.' }),
  );
  assert.deepEqual(await it.run((tx) => listEvents(tx, { filters: [] })), [second, first]);
  assert.equal(first.at < second.at, true);
  assert.deepEqual([second.host, second.role, second.object, second.data], ['', '', '', {}]);
  const remedies = [{ column: 'kind', operator: 'in', values: ['remedy'] }] as const;
  assert.deepEqual(await it.run((tx) => listEvents(tx, { filters: remedies })), [first]);
  assert.deepEqual(await it.run((tx) => listEvents(tx, { filters: [], after: second, limit: 1 })), [first]);
});
