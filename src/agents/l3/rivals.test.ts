import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { linuxHost, until } from '../../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../../test/support/own-namespaces.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { realClock } from '../../lib/clock.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import { RivalWatch, sight, type Sighting } from './rivals.ts';

const ADDRESS = '203.0.113.5';
const TABLE = 'netdev deuteron_rivals';

test('a rival is who answers twice in a row, until it does not twice', () => {
  const after = (...answers: readonly boolean[]) =>
    answers.reduce<Sighting>(sight, { since: 0, answers: 0, isRival: false }).isRival;
  assert.equal(after(true), false);
  assert.equal(after(true, false, true), false);
  assert.equal(after(true, true), true);
  assert.equal(after(true, true, false), true);
  assert.equal(after(true, true, false, true), true);
  assert.equal(after(true, true, false, false), false);
});

/** Router r1 with a link that is there, r2 with one that is not; and somebody outside who may have r1's address. */
async function stage(t: TestContext, left = '') {
  const clock = new ManualClock();
  let heardAt: number | null = null;
  let answers = false;
  let programs = 0;
  const host = new FakeHost({
    run(_, argv) {
      programs += 1;
      if (argv[0] === 'sh' && answers && argv.includes(ADDRESS)) heardAt = clock.now();
      if (argv[0] !== 'nft') return undefined;
      const leftS = heardAt === null ? -1 : Math.floor(25 - (clock.now() - heardAt) / 1_000);
      const elem = leftS < 0 ? '' : `{"elem": {"val": "${ADDRESS}", "expires": ${leftS}}}`;
      return { code: 0, stdout: `{"elem": [${elem}]}`, stderr: '' };
    },
  });
  if (left !== '') await host.applyRuleset(null, left);
  const told: (boolean | undefined)[] = [];
  const watch: RivalWatch = new RivalWatch({
    ...{ host, clock, carries: (link) => link === 'ext0' },
    routers: () => [
      { id: 'r1', claim: { link: 'ext0', address: ADDRESS } },
      { id: 'r2', claim: { link: 'ext9', address: '198.51.100.5' } },
    ],
    onChange: () => void told.push(watch.isRivalOf('r1')),
    onFailure: (error) => assert.fail(String(error)),
  });
  const stop = new AbortController();
  const running = watch.run(stop.signal);
  const pass = async (ms: number) => {
    for (const end = clock.now() + ms; clock.now() < end; ) {
      clock.advance(Math.min(50, end - clock.now()));
      for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    }
  };
  t.after(async () => {
    stop.abort();
    await running;
    assert.equal(host.table(null, TABLE), undefined, 'nothing is left');
  });
  await pass(100);
  return {
    ...{ host, watch, told, pass },
    programs: () => programs,
    /** Somebody says that the address is there, and goes on to be there or not. */
    says: (isThere: boolean) => {
      heardAt = clock.now();
      answers = isThere;
    },
    goes: () => {
      answers = false;
    },
  };
}

test('nothing is run while nothing is active here; then only links that are there are listened to', async (t) => {
  const s = await stage(t);
  await s.pass(10_000);
  assert.deepEqual([s.programs(), s.host.table(null, TABLE)], [0, undefined]);
  for (const id of ['r1', 'r2']) s.watch.tellRole(id, 'active');
  await s.pass(2_100);
  const { body = '' } = s.host.table(null, TABLE) ?? {};
  assert.deepEqual([body.includes('ext0'), body.includes('ext9')], [true, false]);
  assert.equal(s.programs(), 1);
  for (const id of ['r1', 'r2']) s.watch.tellRole(id, 'standby');
  await s.pass(2_100);
  assert.equal(s.host.table(null, TABLE), undefined);
});

test('what an earlier life of the agent left is taken away, also where nothing is active any more', async (t) => {
  const s = await stage(t, `table ${TABLE} {\n}\n`);
  assert.equal(s.host.table(null, TABLE), undefined);
});

test('who goes on to answer is a rival, within two looks; who does no more is none', async (t) => {
  const s = await stage(t);
  s.watch.tellRole('r1', 'active');
  await s.pass(5_000);
  assert.equal(s.watch.isRivalOf('r1'), undefined, 'one that is there says so every ten seconds only');
  s.says(true);
  await s.pass(5_000);
  assert.equal(s.watch.isRivalOf('r1'), true);
  await s.pass(60_000);
  assert.equal(s.watch.isRivalOf('r1'), true, 'for as long as it is there');
  s.goes();
  await s.pass(6_000);
  assert.equal(s.watch.isRivalOf('r1'), false);
  assert.deepEqual(s.told, [true, false]);
  s.watch.tellRole('r1', 'standby');
  assert.equal(s.watch.isRivalOf('r1'), undefined);
});

test('the last words of one that has gone are nobody', async (t) => {
  const s = await stage(t);
  s.watch.tellRole('r1', 'active');
  s.says(false);
  await s.pass(11_000);
  assert.equal(s.watch.isRivalOf('r1'), undefined);
  await s.pass(4_000);
  assert.equal(s.watch.isRivalOf('r1'), false);
  const before = s.programs();
  await s.pass(40_000);
  assert.ok(s.programs() - before < 45, 'and it is not asked for any more');
});

inOwnNamespaces(import.meta.url, () => {
  test('another host that has the address and says so is seen, and no more once it has not', async (t) => {
    const host = linuxHost(t);
    await host.ensureNamespace('dtn-far');
    const mac = '02:00:00:00:00:01';
    await host.changeLinks(null, [
      { op: 'add-veth', name: 'ext0', mtu: 1500, peer: { name: 'out0', namespace: 'dtn-far', mac } },
      { op: 'set-link', name: 'ext0', up: true },
    ]);
    const address = `${ADDRESS}/24`;
    await host.changeLinks('dtn-far', [
      { op: 'add-address', link: 'out0', address },
      { op: 'set-link', name: 'out0', up: true },
    ]);
    const stop = new AbortController();
    const watch = new RivalWatch({
      ...{ host, clock: realClock, carries: () => true, onChange: () => undefined },
      routers: () => [{ id: 'r1', claim: { link: 'ext0', address: ADDRESS } }],
      onFailure: (error) => assert.fail(String(error)),
    });
    watch.tellRole('r1', 'active');
    const running = watch.run(stop.signal);
    const announce = ['arping', '-q', '-A', '-c', '1', '-w', '1', '-I', 'out0', ADDRESS];
    await until('it is seen', async () => {
      if (watch.isRivalOf('r1') === undefined) await host.runProgram('dtn-far', announce);
      return watch.isRivalOf('r1') === true;
    });
    await host.changeLinks('dtn-far', [{ op: 'delete-address', link: 'out0', address }]);
    await until('and no more', async () => watch.isRivalOf('r1') !== true);
    stop.abort();
    await running;
  });
});
