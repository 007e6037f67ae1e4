import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linuxHost, until } from '../../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../../test/support/own-namespaces.ts';
import { realClock } from '../../lib/clock.ts';
import { Evidence, evidenceRuleset, parseSeen } from './evidence.ts';

const CLAIMS = [
  { link: 'ext0', address: '203.0.113.5' },
  { link: 'ext0', address: '203.0.113.6' },
];

test('what nft tells of a set', () => {
  const json =
    '{"nftables": [{"set": {"name": "seen", "elem": [{"elem": {"val": "203.0.113.5", "expires": 28}}]}}]}';
  assert.deepEqual([...parseSeen(json)], ['203.0.113.5']);
  assert.deepEqual([...parseSeen('{"nftables": [{"set": {"name": "seen"}}]}')], []);
  assert.match(evidenceRuleset(CLAIMS), /elements = \{ 203\.0\.113\.5, 203\.0\.113\.6 \}/);
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
