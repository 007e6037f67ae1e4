/** Routes with several next hops (host.ts), held against the fake anywhere and against Linux where namespaces can be made. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { linuxHost } from '../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../test/support/own-namespaces.ts';
import { FakeHost } from './fake/fake-host.ts';
import { compareHops, type Hop, type Host } from './host.ts';

const SPACE = 'dtn-s';
const LINKS = [
  { name: 'eth0', tap: 'tap-s0', mac: '02:00:00:00:00:01', addresses: ['192.0.2.1/25', '2001:db8::1/64'] },
  {
    ...{ name: 'eth1', tap: 'tap-s1', mac: '02:00:00:00:00:02' },
    addresses: ['192.0.2.129/25', '2001:db8:1::1/64'],
  },
];
/** By eth0, eth0 and eth1. */
const FAMILIES = [
  { destination: '203.0.113.0/24', nexthops: ['192.0.2.7', '192.0.2.8', '192.0.2.200'] },
  { destination: '2001:db8:9::/48', nexthops: ['2001:db8::7', '2001:db8::8', '2001:db8:1::7'] },
] as const;

async function wire(host: Host): Promise<void> {
  await host.ensureNamespace(SPACE);
  for (const { name, tap, mac, addresses } of LINKS) {
    const peer = { name, namespace: SPACE, mac };
    await host.changeLinks(null, [
      { op: 'add-veth', name: tap, mtu: 1500, peer },
      { op: 'set-link', name: tap, up: true },
    ]);
    await host.changeLinks(SPACE, [
      ...addresses.map((address) => ({ op: 'add-address', link: name, address }) as const),
      { op: 'set-link', name, up: true },
      { op: 'announce', name, mac },
    ]);
  }
}

function routeOver(destination: string, hops: readonly Hop[]) {
  const [first, ...others] = [...hops].sort(compareHops) as [Hop, ...Hop[]];
  return { destination, ...first, ...(others.length > 0 ? { others } : {}) };
}

const ours = async (host: Host) =>
  (await host.routes([SPACE])).get(SPACE)?.filter((route) => !route.isConnected);

function contract(make: (t: TestContext) => Host): void {
  for (const { destination, nexthops } of FAMILIES) {
    test(`next hops of ${destination} come, change and go together, and one with its link`, async (t) => {
      const host = make(t);
      await wire(host);
      const listed = () => ours(host);
      const on = nexthops.map((nexthop, at) => ({ nexthop, link: at === 2 ? 'eth1' : 'eth0' }));
      const [all, first] = [routeOver(destination, on), routeOver(destination, on.slice(0, 1))];
      const byWhatever = routeOver(
        destination,
        on.map(({ nexthop }) => ({ nexthop, link: null })),
      );
      for (const [asked, there] of [
        [first, first],
        [byWhatever, all],
        [first, first],
        [all, all],
        [routeOver(destination, on.slice(1)), routeOver(destination, on.slice(1))],
      ] as const) {
        assert.deepEqual(await host.changeRoutes(SPACE, [{ op: 'set', ...asked }]), [null]);
        assert.deepEqual(await listed(), [there]);
      }
      assert.deepEqual(await host.changeRoutes(SPACE, [{ op: 'delete', ...all }]), [null]);
      assert.deepEqual(await listed(), []);
      await host.changeRoutes(SPACE, [{ op: 'set', ...all }]);
      await host.changeLinks(SPACE, [{ op: 'set-link', name: 'eth1', up: false }]);
      assert.deepEqual(await listed(), [routeOver(destination, on.slice(0, 2))]);
    });
  }

  test('it is not set while one of them is in no subnet', async (t) => {
    const host = make(t);
    await wire(host);
    const hops = ['192.0.2.7', '198.51.100.1'].map((nexthop) => ({ nexthop, link: null }));
    const [result] = await host.changeRoutes(SPACE, [{ op: 'set', ...routeOver('203.0.113.0/24', hops) }]);
    assert.equal(typeof result, 'string');
    assert.deepEqual(await ours(host), []);
  });
}

describe('the fake host', () => {
  contract(() => new FakeHost());
});

inOwnNamespaces(import.meta.url, () => {
  describe('the linux host', () => {
    contract((t) => linuxHost(t));
  });
});
