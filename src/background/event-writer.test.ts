import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bench } from '../operations/testing.ts';
import type { NewEvent } from '../operations/event.ts';
import type { EventRow } from '../resources/event.ts';
import { StoreUnavailable } from '../store/store.ts';
import { EventWriter } from './event-writer.ts';

const remedy = (at: number): NewEvent => ({
  ...{ kind: 'remedy', severity: 'info', host: `h${at}`, role: 'l2', object: `network/${at}` },
  ...{ message: `tried ${at}.`, data: { step: 1, remedy: 'audit' } },
});

function written() {
  const here = bench();
  let isAway = false;
  const told: EventRow[] = [];
  const writer = new EventWriter({
    store: {
      transact: (work) => (isAway ? Promise.reject(new StoreUnavailable('away')) : here.store.transact(work)),
    },
    call: () => here.call,
    tell: (row) => told.push(row),
  });
  const rows = () => here.store.rows('events');
  return { ...here, writer, told, rows, away: (is: boolean) => (isAway = is) };
}

test('few are written as they are, and the log says the same', async () => {
  const { writer, told, rows } = written();
  for (let at = 0; at < 3; at++) writer.add(remedy(at));
  await writer.flush();
  assert.deepEqual(new Set(rows()), new Set(told));
  await writer.flush();
  assert.equal(rows().length, 3);
});

test('of many, what is beyond fifty in a second becomes one row of each kind, that counts', async () => {
  const { writer, told, rows, pass } = written();
  for (let at = 0; at < 300; at++)
    writer.add(at % 2 ? remedy(at) : { ...remedy(at), data: { remedy: 'cut' } });
  await writer.flush();
  assert.equal(told.length, 300, 'the log has each');
  assert.equal(rows().length, 50);
  const bulk = rows().filter((row) => row.data['count'] !== undefined);
  assert.deepEqual(bulk.map((row) => row.data['remedy']).sort(), ['audit', 'cut']);
  assert.equal(
    bulk.reduce((sum, row) => sum + (row.data['count'] as number), 0),
    252,
  );
  assert.ok(bulk.every((row) => (row.data['objects'] as string[]).length === 20));
  writer.add(remedy(1));
  await writer.flush();
  assert.equal(rows().length, 50, 'once a second');
  pass(1_000);
  await writer.flush();
  assert.equal(rows().length, 51);
});

test('alerts and their ends are written one by one, fifty in a second', async () => {
  const { writer, told, rows, pass } = written();
  for (let at = 0; at < 120; at++) writer.add({ ...remedy(at), kind: at % 2 ? 'alert' : 'alert-ended' });
  for (let at = 0; at < 60; at++) writer.add(remedy(at));
  for (const count of [100, 150, 170, 170]) {
    await writer.flush();
    assert.equal(rows().length, count);
    pass(1_000);
  }
  const alerts = (list: readonly EventRow[]) =>
    list.filter((row) => row.kind !== 'remedy').map((row) => row.id);
  assert.deepEqual(alerts(rows()).sort(), alerts(told).sort());
});

test('while the database is away they wait, the newest five thousand of them', async () => {
  const { writer, told, rows, away } = written();
  away(true);
  writer.add(remedy(0));
  await assert.rejects(writer.flush(), StoreUnavailable);
  for (let at = 1; at < 5_100; at++) writer.add(remedy(at));
  assert.equal(writer.dropped, 100);
  away(false);
  await writer.flush();
  const counted = rows().reduce((sum, row) => sum + Number(row.data['count'] ?? 1), 0);
  assert.equal(counted, 5_000);
  assert.equal(told.length, 5_100);
});
