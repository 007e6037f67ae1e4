/** The kernel's own routes (host.ts), held against the fake anywhere and against Linux where namespaces can be made. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { linuxHost } from '../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../test/support/own-namespaces.ts';
import { FakeHost } from './fake/fake-host.ts';
import type { Host } from './host.ts';

function contract(make: (t: TestContext) => Host): void {
  test('the kernel’s own routes are listed, and put back, to go with their address as before', async (t) => {
    const host = make(t);
    await host.ensureNamespace('dtn-c');
    const peer = { name: 'eth0', namespace: 'dtn-c', mac: '02:00:00:00:00:01' };
    await host.changeLinks(null, [
      { op: 'add-veth', name: 'tap-c', mtu: 1500, peer },
      { op: 'set-link', name: 'tap-c', up: true },
    ]);
    const addresses = ['192.0.2.7/32', '192.0.2.1/25', '2001:db8:0:0:8000::1/65'];
    await host.changeLinks('dtn-c', [
      ...addresses.map((address) => ({ op: 'add-address', link: 'eth0', address }) as const),
      { op: 'set-link', name: 'eth0', up: true },
    ]);
    const listed = async () =>
      ((await host.routes(['dtn-c'])).get('dtn-c') ?? []).sort((a, b) =>
        a.destination.localeCompare(b.destination),
      );
    const own = ['192.0.2.0/25', '2001:db8:0:0:8000::/65'].map((destination) => {
      const route = { destination, nexthop: null, link: 'eth0' };
      return { ...route, isConnected: true as const };
    });
    assert.deepEqual(await listed(), own);

    const other = { destination: '192.0.2.0/25', nexthop: '192.0.2.9', link: null };
    assert.deepEqual(await host.changeRoutes('dtn-c', [{ op: 'set', ...other }]), [null]);
    assert.deepEqual(await listed(), [{ ...other, link: 'eth0' }, own[1]]);
    assert.deepEqual(await host.changeRoutes('dtn-c', [{ op: 'delete', ...other }]), [null]);
    assert.deepEqual(await listed(), [own[1]]);

    const [v4, v6] = addresses.slice(1).map((address) => ({ op: 'connect', link: 'eth0', address }) as const);
    assert.ok(v4 && v6);
    assert.deepEqual(await host.changeRoutes('dtn-c', [v4, v6, v4]), [null, null, null]);
    assert.deepEqual(await listed(), own);
    const [failure] = await host.changeRoutes('dtn-c', [{ ...v4, address: '198.51.100.1/24' }]);
    assert.equal(typeof failure, 'string');
    await host.changeRoutes('dtn-c', [{ op: 'set', ...other }, v4]);
    assert.deepEqual(await listed(), own);
    await host.changeLinks('dtn-c', [
      { op: 'delete-address', link: 'eth0', address: v4.address },
      { op: 'delete-address', link: 'eth0', address: v6.address },
    ]);
    assert.deepEqual(await listed(), []);
    await host.removeNamespace('dtn-c');
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
