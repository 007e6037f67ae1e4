import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Alert, openFirst } from './alerts.ts';

const event = (id: string, over: Partial<Alert> = {}): Alert => ({
  ...{ id, at: '', kind: 'alert', host: '', role: '', object: '', message: '', data: { alert: 'stuck' } },
  ...over,
});
const shown = (events: readonly Alert[]) => openFirst(events).map(({ id, isOpen }) => `${id} ${isOpen}`);

test('an alert is open until its end is told, by name or by what it is about', () => {
  const newestFirst = [
    event('end-b', { kind: 'alert-ended', object: 'b', data: { alert: 'unserved', ends: 'b' } }),
    event('c', { object: 'c' }),
    event('end-a', { kind: 'alert-ended', object: 'a' }),
    event('b', { object: 'b', data: { alert: 'other' } }),
    event('a', { object: 'a' }),
  ];
  assert.deepEqual(shown(newestFirst), ['c true', 'b false', 'a false']);
});

test('one that ended and came again is open; one that was told twice is shown as one', () => {
  const end = event('end', { kind: 'alert-ended' });
  assert.deepEqual(shown([event('again'), end, event('first')]), ['again true', 'first false']);
  assert.deepEqual(shown([event('second'), event('first')]), ['second true', 'first false']);
});
