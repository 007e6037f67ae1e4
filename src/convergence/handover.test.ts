import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReportException } from '../resources/agent.ts';
import { doneUpTo, hasCaughtUp, tailOf } from './handover.ts';
import type { Progress } from './provisioning.ts';

const at = (realised: number | null, ...exceptions: Partial<ReportException>[]): Progress => ({
  ...{ host: 'h', realised },
  exceptions: exceptions.map((one) => ({
    ...{ key: 'network/n', object: '', state: 'pending', since: 0, reason: '' },
    ...one,
  })),
});
const all = () => true;

test('all of the network is done up to where the agent is, or to what is pending of it; what fails is not', () => {
  assert.equal(doneUpTo(at(9), 'n'), 9);
  assert.equal(doneUpTo(at(null), 'n'), -1);
  assert.equal(doneUpTo(at(9, { since: 7 }), 'n'), 6);
  assert.equal(doneUpTo(at(9, { since: 12 }), 'n'), 9);
  assert.equal(doneUpTo(at(9, { since: 7, state: 'failed' }), 'n'), -1);
  assert.equal(doneUpTo(at(9, { since: 7, state: 'waiting' }), 'n'), -1);
  assert.equal(doneUpTo(at(9, { since: 7, object: 'port/p' }), 'n'), 9);
  assert.equal(doneUpTo(at(9, { since: 7, key: 'network/other' }), 'n'), 9);
});

test('who has done all changes of the network that matter has caught up, whatever others are in the log', () => {
  const changes = [
    { position: 5, refs: ['dhcp/n|lease/p', 'host/h|port/p', 'network/n|endpoint/h'] },
    { position: 6, refs: ['dhcp/other|subnet/s', 'network/other|network/other'] },
    { position: 7, refs: ['dhcp/n|subnet/s'] },
    { position: 8, refs: ['network/n|network/n'] },
    { position: 9, refs: ['router/r|interface/p', 'network/n|endpoint/g'] },
  ];
  const tail = tailOf(changes, 10);
  const of = { networkId: 'n', tail };
  assert.deepEqual(
    [4, 5, 6, 7, 8].map((position) => hasCaughtUp(at(position), of, all)),
    [false, false, false, false, true],
  );
  const seen = new Set<string>();
  hasCaughtUp(at(4), of, (object) => !seen.add(object));
  assert.deepEqual([...seen], ['port/p', 'subnet/s', '']);
  assert.equal(
    hasCaughtUp(at(4), of, () => false),
    true,
  );
  assert.equal(hasCaughtUp(at(9, { since: 8 }), of, all), false);
});

test('of what the log does not hold nothing is known', () => {
  const tail = tailOf([{ position: 5, refs: [] }], 6);
  assert.equal(hasCaughtUp(at(4), { networkId: 'n', tail }, all), true);
  assert.equal(hasCaughtUp(at(3), { networkId: 'n', tail }, all), false);
  assert.equal(hasCaughtUp(at(null), { networkId: 'n', tail: tailOf([], 0) }, all), false);
  assert.equal(hasCaughtUp(at(5), { networkId: 'n', tail: tailOf([], 6) }, all), true);
});
