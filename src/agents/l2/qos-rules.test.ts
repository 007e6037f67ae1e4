import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import { policeBytes, policePackets } from '../police.ts';
import { qosPorts, qosRuleset, shaperOf } from './qos-rules.ts';

const NETWORK = id(0xa0);

test('ports with rules, and what is too much of what they send and get', () => {
  const world = new TestWorld('h1');
  const qos = {
    egress: { max_kbps: 10_000, max_burst_kbps: 0, max_kpps: 1, max_burst_kpps: 0 },
    ingress: { max_kbps: 8000, max_burst_kbps: 4000, max_kpps: 2, max_burst_kpps: 3 },
    dscp_mark: 26,
  };
  world.putPort(portBody(id(2), NETWORK, { qos: { ingress: { max_kbps: 1, max_burst_kbps: 0 } } }));
  world.putPort(portBody(id(1), NETWORK, { qos }));
  world.putPort(portBody(id(3), NETWORK));
  const ports = qosPorts(world);
  assert.deepEqual(
    ports.map(({ link }) => link),
    ['tap00000001-00', 'tap00000002-00'],
  );
  const { text = '', mark = '' } = qosRuleset(ports) ?? {};
  assert.equal(
    text,
    `table bridge deuteron_qos
delete table bridge deuteron_qos
table bridge deuteron_qos {
  comment "${mark}"
  chain sent_tap00000001_00 {
    limit rate over 1250000 bytes/second burst 65536 bytes counter drop
    limit rate over 1000/second burst 800 packets counter drop
    ip dscp set 26
    ip6 dscp set 26
  }
  chain got_tap00000001_00 {
    limit rate over 2000/second burst 3000 packets counter drop
  }
  chain from_machines {
    type filter hook prerouting priority dstnat + 10; policy accept;
    iifname vmap { "tap00000001-00" : jump sent_tap00000001_00 }
  }
  chain to_machines {
    type filter hook postrouting priority srcnat - 10; policy accept;
    oifname vmap { "tap00000001-00" : jump got_tap00000001_00 }
  }
}
`,
  );
  assert.deepEqual(shaperOf(qos.ingress), { bytesPerSecond: 1_000_000, burstBytes: 500_000 });
});

test('what is only queued needs no table', () => {
  const world = new TestWorld('h1');
  world.putPort(portBody(id(1), NETWORK, { qos: { ingress: { max_kbps: 100, max_burst_kbps: 0 } } }));
  assert.equal(qosRuleset(qosPorts(world)), null);
});

test('no limit is none, and the least and the most that there can be stay within what the kernel takes', () => {
  for (const none of [undefined, {}, { max_kbps: 0, max_kpps: 0 }]) {
    assert.deepEqual([policeBytes(none), policePackets(none), shaperOf(none)], [[], [], null]);
  }
  const most = 2 ** 31 - 1;
  const all = { max_kbps: most, max_burst_kbps: most, max_kpps: most, max_burst_kpps: most };
  assert.deepEqual(policeBytes(all), [
    'limit rate over 268435455875 bytes/second burst 65536 bytes counter drop',
  ]);
  assert.deepEqual(policePackets(all), [
    'limit rate over 1000000000/second burst 4294967295 packets counter drop',
  ]);
  assert.deepEqual(shaperOf(all), { bytesPerSecond: 268_435_455_875, burstBytes: 2 ** 31 - 1 });
  const least = { max_kbps: 1, max_burst_kbps: 1 };
  assert.deepEqual(shaperOf(least), { bytesPerSecond: 125, burstBytes: 20_000 });
  // a burst beyond the second's worth that the kernel gives anyhow
  assert.deepEqual(policeBytes({ max_kbps: 8, max_burst_kbps: 8000 }), [
    'limit rate over 1000 bytes/second burst 999000 bytes counter drop',
  ]);
});

test('what is no number of the grammar gets nowhere near nft', () => {
  const bad = { max_kbps: '1; flush ruleset' as unknown as number, max_kpps: Number.NaN };
  assert.deepEqual([policeBytes(bad), policePackets(bad), shaperOf(bad)], [[], [], null]);
});
