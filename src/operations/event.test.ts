import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventQuery, listEvents, type NewEvent, record } from './event.ts';
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

test('an alert is open until an end names it, whenever that says to have been', async () => {
  const it = bench();
  const tell = (event: Partial<NewEvent>) =>
    it.run((tx) =>
      record(tx, it.call, {
        kind: 'alert',
        severity: 'error',
        host: 'h1',
        message: 'Nobody answers.',
        ...event,
      }),
    );
  const open = await tell({});
  it.pass(5);
  const ended = await tell({ host: 'h2' });
  for (let at = 0; at < 1_005; at++) {
    it.pass(5);
    await tell({ host: 'noise', data: { at } });
  }
  it.pass(-3_600_000);
  const noise = (await it.run((tx) => tx.events.find({ host: 'noise' }))).map((event) => event.id);
  for (const ends of [ended.id, ...noise]) await tell({ kind: 'alert-ended', data: { ends } });
  const list = (query: Partial<EventQuery>) => it.run((tx) => listEvents(tx, { filters: [], ...query }));
  assert.deepEqual(await list({ isOpen: true }), [open]);
  const onH2 = [{ column: 'host', operator: 'in', values: ['h2'] }] as const;
  assert.deepEqual(await list({ isOpen: true, filters: onH2 }), []);
  assert.deepEqual(await list({ isOpen: false, filters: onH2 }), [ended]);
  assert.equal((await list({ isOpen: false, limit: 7 })).length, 7);
});
