import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { Addresses, type Resolve } from './addresses.ts';

const ALL = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1'];

function addressesOf(resolve: Resolve, clock = new ManualClock()) {
  return new Addresses({ resolve, clock, random: seededRandom(1) });
}

test('every attempt has all addresses, each in an order of its own, the last one tried at the end', async () => {
  const addresses = addressesOf(async () => ALL);
  const firsts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const order = await addresses.of('servers.example.test');
    assert.deepEqual([...order].sort(), ALL);
    const first = order[0] as string;
    firsts.set(first, (firsts.get(first) ?? 0) + 1);
    addresses.tried('servers.example.test', first);
    assert.equal((await addresses.of('servers.example.test')).at(-1), first);
  }
  for (const one of ALL) assert.ok((firsts.get(one) ?? 0) > 60, `${one} comes first as often as the others`);
});

test('each attempt asks anew; what the name service said last serves while it is down', async () => {
  let answer: readonly string[] | Error = ['192.0.2.1'];
  const addresses = addressesOf(async () => {
    if (answer instanceof Error) throw answer;
    return answer;
  });
  assert.deepEqual(await addresses.of('name'), ['192.0.2.1']);
  answer = ['192.0.2.7'];
  assert.deepEqual(await addresses.of('name'), ['192.0.2.7']);
  answer = new Error('SERVFAIL');
  assert.deepEqual(await addresses.of('name'), ['192.0.2.7']);
  answer = [];
  assert.deepEqual(await addresses.of('name'), ['192.0.2.7']);
  await assert.rejects(addresses.of('another'), /no address/);
});

test('a name service that does not answer is given up after two seconds, and asked once at a time', async () => {
  const clock = new ManualClock();
  let asked = 0;
  let isSilent = false;
  const addresses = addressesOf(() => {
    asked++;
    return isSilent ? new Promise(() => undefined) : Promise.resolve(ALL);
  }, clock);
  await addresses.of('name');
  isSilent = true;
  const both = [addresses.of('name'), addresses.of('name')];
  await clock.advance(2_000);
  for (const one of both) assert.deepEqual([...(await one)].sort(), ALL);
  assert.equal(asked, 2);
});

test('a socket gets families with the addresses', async () => {
  const addresses = addressesOf(async () => ['2001:db8::1', '192.0.2.1']);
  const found = await new Promise((resolve) =>
    addresses.lookup('name', { all: true }, (_error, all) => resolve(all)),
  );
  assert.deepEqual(
    new Set(found as object[]),
    new Set([
      { address: '2001:db8::1', family: 6 },
      { address: '192.0.2.1', family: 4 },
    ]),
  );
});
