/** Queues that slow links down (host.ts), held against the fake anywhere and against Linux where namespaces can be made. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { linuxHost } from '../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../test/support/own-namespaces.ts';
import { FakeHost } from './fake/fake-host.ts';
import { type Host, isSameShaper } from './host.ts';

function contract(make: (t: TestContext) => Host): void {
  test('what leaves by a link is slowed down, and not any more; what others queue is theirs', async (t) => {
    const host = make(t);
    await host.changeLinks(null, [
      { op: 'add-bridge', name: 'brq8', mtu: 1450 },
      { op: 'add-vxlan', name: 'vxlan-9', id: 9, local: '127.0.0.1', port: 4789, mtu: 1450 },
    ]);
    const seen = async () =>
      new Map([...(await host.shapers())].filter(([link]) => link === 'vxlan-9' || link === 'brq8'));
    assert.deepEqual(await seen(), new Map());
    for (const shaper of [
      { bytesPerSecond: 125_000, burstBytes: 100_000 },
      { bytesPerSecond: 1_250_000_000, burstBytes: 5_000_000 },
      { bytesPerSecond: 125, burstBytes: 20_000 },
    ]) {
      const set = { op: 'set', link: 'vxlan-9', ...shaper } as const;
      assert.deepEqual(await host.changeShapers([set, set]), [null, null]);
      const found = await seen();
      assert.deepEqual([...found.keys()], ['vxlan-9']);
      assert.ok(isSameShaper(shaper, found.get('vxlan-9')!), JSON.stringify(found.get('vxlan-9')));
      assert.ok(
        !isSameShaper({ ...shaper, bytesPerSecond: shaper.bytesPerSecond * 2 }, found.get('vxlan-9')!),
      );
    }
    const [no, gone, notThere] = await host.changeShapers([
      { op: 'set', link: 'vxlan-none', bytesPerSecond: 125_000, burstBytes: 100_000 },
      { op: 'delete', link: 'vxlan-9' },
      { op: 'delete', link: 'brq8' },
    ]);
    assert.equal(typeof no, 'string');
    assert.deepEqual([gone, notThere], [null, null]);
    assert.deepEqual(await seen(), new Map());
    await host.changeShapers([{ op: 'set', link: 'brq8', bytesPerSecond: 125_000, burstBytes: 100_000 }]);
    await host.changeLinks(null, [{ op: 'delete-link', name: 'brq8' }]);
    assert.deepEqual(await seen(), new Map());
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
