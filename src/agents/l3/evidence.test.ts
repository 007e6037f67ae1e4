import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linuxHost, until } from '../../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../../test/support/own-namespaces.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { realClock } from '../../lib/clock.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import { arrivalsRuleset, Evidence, parseSeen } from './evidence.ts';

const CLAIMS = [
  { link: 'ext0', address: '203.0.113.5' },
  { link: 'ext0', address: '203.0.113.6' },
];

test('what nft tells of a set', () => {
  const json =
    '{"nftables": [{"set": {"name": "seen", "elem": [{"elem": {"val": "203.0.113.5", "expires": 28}}]}}]}';
  assert.deepEqual([...parseSeen(json, 30)], [['203.0.113.5', 28]]);
  assert.deepEqual([...parseSeen('"elem": ["val": "203.0.113.6"]', 30)], [['203.0.113.6', 30]]);
  assert.deepEqual([...parseSeen('{"nftables": [{"set": {"name": "seen"}}]}', 30)], []);
  const ruleset = arrivalsRuleset(CLAIMS, { table: 'netdev one', keptS: 30 });
  assert.match(ruleset, /elements = \{ 203\.0\.113\.5, 203\.0\.113\.6 \}/);
});

/** Asks for many addresses, of which the first answers after that long; says who was seen, and how long it took. */
async function askMany(count: number, answersAfterMs: number): Promise<{ seen: number; tookMs: number }> {
  const clock = new ManualClock();
  const claims = Array.from({ length: count }, (_, n) => ({ link: 'ext0', address: `203.0.113.${n + 1}` }));
  const host = new FakeHost({
    run(_namespace, argv) {
      if (argv[0] !== 'nft') return undefined;
      const vals = clock.now() < answersAfterMs ? [] : claims.map(({ address }) => `{"val": "${address}"}`);
      return { code: 0, stdout: `{"elem": [${vals.join(', ')}]}`, stderr: '' };
    },
  });
  const asked = new Evidence({ host, clock }).ask(claims, new AbortController().signal);
  let seen: number | undefined;
  asked.then((addresses) => (seen = addresses.size)).catch(() => (seen = -1));
  while (seen === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance((clock.next() ?? clock.now()) - clock.now());
  }
  return { seen, tookMs: clock.now() };
}

test('a late answer is one; many addresses take no longer than one', async () => {
  assert.deepEqual(await askMany(1, 0), { seen: 1, tookMs: 30 });
  assert.deepEqual(await askMany(100, 0), { seen: 100, tookMs: 30 });
  assert.deepEqual(await askMany(1, 200), { seen: 1, tookMs: 240 });
  assert.deepEqual(await askMany(1, 9_000), { seen: 0, tookMs: 240 });
});

test('a table that an earlier life left goes, also where nothing was asked in this one', async () => {
  const host = new FakeHost();
  const table = 'netdev deuteron_evidence';
  await host.applyRuleset(null, arrivalsRuleset(CLAIMS, { table, keptS: 30 }));
  await new Evidence({ host, clock: new ManualClock(), table }).end();
  assert.equal(host.table(null, table), undefined);
});

inOwnNamespaces(import.meta.url, () => {
  test('who answers beyond the physical link is seen, who answers on this side is not', async (t) => {
    const host = linuxHost(t);
    await host.ensureNamespace('dtn-far');
    await host.ensureNamespace('dtn-own');
    const veth = (name: string, inside: string, namespace: string, mac: string) =>
      [
        { op: 'add-veth', name, mtu: 1500, peer: { name: inside, namespace, mac } },
        { op: 'set-link', name, master: 'br0', up: true },
      ] as const;
    await host.changeLinks(null, [
      { op: 'add-bridge', name: 'br0', mtu: 1500 },
      { op: 'set-link', name: 'br0', up: true },
      ...veth('ext0', 'out0', 'dtn-far', '02:00:00:00:00:01'),
      ...veth('tap0', 'qg0', 'dtn-own', '02:00:00:00:00:02'),
    ]);
    await host.changeLinks('dtn-far', [
      { op: 'add-address', link: 'out0', address: '203.0.113.5/24' },
      { op: 'set-link', name: 'out0', up: true },
    ]);
    await host.changeLinks('dtn-own', [
      { op: 'add-address', link: 'qg0', address: '203.0.113.6/24' },
      { op: 'set-link', name: 'qg0', up: true },
    ]);
    const evidence = new Evidence({ host, clock: realClock });
    const { signal } = new AbortController();
    const seen = async () => [...(await evidence.ask(CLAIMS, signal))].join();
    await until('the other is seen', async () => (await seen()) === '203.0.113.5');
    await host.changeLinks('dtn-far', [{ op: 'delete-address', link: 'out0', address: '203.0.113.5/24' }]);
    await until('and no more', async () => (await seen()) === '');
    await evidence.end();
    const { stdout } = await host.runProgram(null, ['nft', 'list', 'tables']);
    assert.doesNotMatch(stdout, /evidence/);
  });
});
