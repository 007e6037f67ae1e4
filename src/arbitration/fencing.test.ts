import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cloud, type FenceRules, judgeFencing, nextToFence, type Suspect } from './fencing.ts';

const RULES: FenceRules = { afterMs: 30_000, windowMs: 600_000, endsMachines: false };
const CLOUD: Cloud = { hosts: 3, bad: 1, quietMs: null };
const SUSPECT: Suspect = {
  ...{ host: 'h3', deadMs: 60_000, agreedMs: 30_000, machines: 0, isDrained: false, isOwn: false },
  ...{ last: null, number: 0 },
  witnesses: [
    { host: 'h1', answers: false },
    { host: 'h2', answers: false },
  ],
};

interface Case {
  readonly suspect?: Partial<Suspect>;
  readonly cloud?: Partial<Cloud>;
  readonly rules?: Partial<FenceRules>;
  /** `fence`, `nothing`, or why it is refused. */
  readonly verdict: string;
}

const silent = (...hosts: string[]) => hosts.map((host) => ({ host, answers: false }));

const CASES: Readonly<Record<string, Case>> = {
  'both witnesses, for long enough': { verdict: 'fence' },
  'one peer is witness enough': { suspect: { witnesses: silent('h1') }, verdict: 'fence' },
  'it was dead a moment ago only': { suspect: { deadMs: 29_999 }, verdict: 'nothing' },
  'the peers agree since a moment ago only': { suspect: { agreedMs: 29_999 }, verdict: 'nothing' },
  'nobody shares a router with it': { suspect: { witnesses: [], agreedMs: 0 }, verdict: 'unwitnessed' },
  'one of the peers reaches it': {
    suspect: { witnesses: [...silent('h1'), { host: 'h2', answers: true }], agreedMs: 0 },
    verdict: 'reached',
  },
  'a peer reaches it again, however long they were of one mind': {
    suspect: { witnesses: [{ host: 'h1', answers: true }], agreedMs: 900_000 },
    verdict: 'reached',
  },
  'machines run there': { suspect: { machines: 1 }, verdict: 'machines' },
  'machines run there, and that was allowed': {
    ...{ suspect: { machines: 9 }, rules: { endsMachines: true } },
    verdict: 'fence',
  },
  'a third of the hosts': { cloud: { hosts: 9, bad: 3 }, verdict: 'fence' },
  'more than a third': { cloud: { hosts: 9, bad: 4 }, verdict: 'many' },
  'one of two is more than a third': { cloud: { hosts: 2, bad: 1 }, verdict: 'many' },
  'the only one': { cloud: { hosts: 1, bad: 1 }, verdict: 'many' },
  'the server runs there': { suspect: { isOwn: true }, verdict: 'own' },
  'an operator is at work on it': { suspect: { isDrained: true }, verdict: 'nothing' },
  'it is off already': { suspect: { last: 'off', number: 4 }, cloud: { quietMs: 9e9 }, verdict: 'nothing' },
  'within the window of another': { cloud: { quietMs: 599_999 }, verdict: 'window' },
  'the window is over': { cloud: { quietMs: 600_000 }, verdict: 'fence' },
  'nothing of the window is told before the peers agree': {
    ...{ suspect: { agreedMs: 1 }, cloud: { quietMs: 1 } },
    verdict: 'nothing',
  },
  'it failed before, and the window is over': {
    ...{ suspect: { last: 'failed', number: 4 }, cloud: { quietMs: 600_000 } },
    verdict: 'fence',
  },
  'it failed just now': {
    ...{ suspect: { last: 'failed', number: 4 }, cloud: { quietMs: 1_000 } },
    verdict: 'window',
  },
  'somebody began and was heard of no more; the window is over': {
    ...{ suspect: { last: 'acting', number: 4 }, cloud: { quietMs: 600_000 } },
    verdict: 'fence',
  },
};

for (const [name, { suspect, cloud, rules, verdict }] of Object.entries(CASES))
  test(`${name}: ${verdict}`, () => {
    const found = judgeFencing({ ...SUSPECT, ...suspect }, { ...CLOUD, ...cloud }, { ...RULES, ...rules });
    assert.equal(found.do === 'refuse' ? found.refusal : found.do, verdict);
    if (found.do !== 'nothing') assert.notEqual(found.why, '');
  });

test('one at a time, and who failed waits for the others', () => {
  const of = (host: string, number: number) => ({ host, number });
  assert.equal(nextToFence([]), undefined);
  assert.equal(nextToFence([of('h2', 0), of('h1', 0)])?.host, 'h1');
  assert.equal(nextToFence([of('h1', 7), of('h2', 3)])?.host, 'h2');
});
