import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Alert, openFirst } from './alerts.ts';

const event = (id: string, over: Partial<Alert> = {}): Alert => ({
  ...{ id, at: '', kind: 'alert', host: '', role: '', object: '', message: '', data: { alert: 'stuck' } },
  ...over,
});
const many = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => event(`${name}${at}`, { object: `${name}${at}` }));
const shown = (open: readonly Alert[], ended: readonly Alert[]) =>
  openFirst(open, ended).map(({ id, isOpen }) => `${id} ${isOpen}`);

test('what is open comes first, and is shown once however often it was told', () => {
  const open = [
    event('again', { object: 'a' }),
    event('b', { object: 'b' }),
    event('first', { object: 'a' }),
  ];
  assert.deepEqual(shown(open, [event('over', { object: 'a' })]), ['again true', 'b true', 'over false']);
});

test('all that is open is shown, and of the others a few', () => {
  assert.equal(openFirst(many(12, 'open'), many(3, 'ended')).length, 12);
  assert.equal(openFirst(many(2, 'open'), many(20, 'ended')).length, 10);
});
