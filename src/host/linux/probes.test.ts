import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inOwnNamespaces } from '../../../test/support/own-namespaces.ts';
import { linuxHost, until } from '../../../test/support/linux-host.ts';
import { parseAnswer, pingArgv } from './probes.ts';

test('answers, silences, and other lines of ping', () => {
  assert.equal(parseAnswer('64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=0.043 ms'), true);
  assert.equal(parseAnswer('64 bytes from fe80::1%vx: icmp_seq=1 ttl=64 time=0.04 ms'), true);
  assert.equal(parseAnswer('no answer yet for icmp_seq=11'), false);
  assert.equal(parseAnswer('From 10.0.0.1 icmp_seq=12 Destination Host Unreachable'), null);
  assert.equal(parseAnswer('PING 10.99.0.2 (10.99.0.2) 56(84) bytes of data.'), null);
});

test('a packet of a size is asked for whole', () => {
  const argv = pingArgv({ address: '10.0.0.2', intervalMs: 100, bytes: 1450 });
  assert.deepEqual(argv, ['ping', '-n', '-O', '-i', '0.1', '-M', 'do', '-s', '1422', '--', '10.0.0.2']);
  assert.throws(() => pingArgv({ address: '-f', intervalMs: 100, bytes: null }));
});

inOwnNamespaces(import.meta.url, () => {
  test('an address that answers, stops to, and answers again', async (t) => {
    const host = linuxHost(t);
    await host.ensureNamespace('dtn-far');
    const ends = [
      {
        op: 'add-veth',
        name: 'near',
        mtu: 1500,
        peer: { name: 'far', namespace: 'dtn-far', mac: '02:00:00:00:00:01' },
      },
      { op: 'add-address', link: 'near', address: '192.0.2.1/24' },
      { op: 'set-link', name: 'near', up: true },
    ] as const;
    await host.changeLinks(null, ends);
    const far = (up: boolean) => host.changeLinks('dtn-far', [{ op: 'set-link', name: 'far', up }]);
    await host.changeLinks('dtn-far', [{ op: 'add-address', link: 'far', address: '192.0.2.2/24' }]);
    await far(true);
    const stop = new AbortController();
    let last: boolean | null = null;
    const probe = { address: '192.0.2.2', intervalMs: 20, bytes: 1500 };
    const asking = host.probe(probe, (answered) => (last = answered), stop.signal);
    await until('it answers', () => last === true);
    assert.equal((await host.underlays(['192.0.2.1', 'near', 'none'])).get('192.0.2.1')?.isUp, true);
    await far(false);
    await until('it is silent', () => last === false);
    // The kernel's own workers tell the near end that the far one is down.
    const near = async () => (await host.underlays(['near'])).get('near');
    await until('the link is seen to be down', async () => (await near())?.isUp === false);
    assert.deepEqual(await near(), { link: 'near', isUp: false, bond: null, devices: ['near'] });
    await far(true);
    await until('it answers again', () => last === true);
    stop.abort();
    await asking;
  });
});
