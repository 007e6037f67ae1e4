/** Golden texts: whatever changes here changes what every router does to packets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutsOf, natOf, type NatInput } from './nat.ts';
import { type Elements, MARK, renderChanges, renderTable } from './nftables.ts';
import type { FloatingIpBody, ForwardingBody } from '../../resources/agent-view.ts';

const floatingIp = (id: string, outside: string, inside: string): FloatingIpBody => ({
  id,
  floating_ip_address: outside,
  fixed_ip_address: inside,
  port_id: 'p',
  network_id: 'n',
});

const forwarding = (id: string, fields: Partial<ForwardingBody> = {}): ForwardingBody => ({
  id,
  floating_ip_address: '203.0.113.9',
  protocol: 'tcp',
  external_port: [8080, 8081],
  internal_ip_address: '10.0.0.7',
  internal_port: [80, 81],
  ...fields,
});

const nat = (fields: Partial<NatInput> = {}) =>
  natOf({
    gateway: { link: 'qg-00000ee1-00', address: '203.0.113.5' },
    enableSnat: true,
    floatingIps: [floatingIp('f1', '203.0.113.8', '10.0.0.6')],
    forwardings: [forwarding('w1')],
    ...fields,
  });

const EMPTY: Elements = {
  floating: new Map(),
  fixed: new Map(),
  forwarding: new Map(),
  gateway: new Map(),
};

test('the table as a whole', () => {
  assert.equal(
    renderTable(nat().elements),
    `table inet deuteron_l3
delete table inet deuteron_l3
table inet deuteron_l3 {
  comment "${MARK}"
  map floating { type ipv4_addr : ipv4_addr; }
  map fixed { type ipv4_addr : ipv4_addr; }
  map forwarding { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map gateway { type ifname : ipv4_addr; }
  set heard { type ipv4_addr; size 64; flags dynamic,timeout; timeout 350ms; }
  chain prerouting {
    type nat hook prerouting priority -100; policy accept;
    dnat ip to ip daddr map @floating
    dnat ip to ip daddr . meta l4proto . th dport map @forwarding
  }
  chain output {
    type nat hook output priority -100; policy accept;
    dnat ip to ip daddr map @floating
    dnat ip to ip daddr . meta l4proto . th dport map @forwarding
  }
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    iifname "qr-*" oifname "qr-*" ct status dnat snat ip to ip saddr map @fixed
    iifname "qr-*" oifname "qr-*" ct status dnat meta nfproto ipv4 masquerade
    oifname "qg-*" snat ip to ip saddr map @fixed
    oifname "qg-*" snat ip to oifname map @gateway
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "ha-*" ip protocol 112 ip ttl 255 update @heard { ip saddr } accept
    iifname "ha-*" ip saddr 169.254.192.0/18 ip daddr 225.0.1.0/24 udp dport 3781-4035 accept
    iifname "ha-*" counter drop
    iifname != "lo" tcp flags & (syn | rst) == 0 ct state invalid,new counter drop
    iifname != "lo" ip daddr { 169.254.0.0/24, 169.254.192.0/18 } counter drop
    iifname != "lo" ip saddr { 169.254.0.0/24, 169.254.192.0/18 } counter drop
  }
  chain mute {
    type filter hook output priority 0; policy accept;
    oifname "qr-*" fib saddr type != local counter drop
    oifname "qg-*" fib saddr type != local counter drop
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "ha-*" counter drop
    oifname "ha-*" counter drop
    iifname "qg-*" oifname "qg-*" ct status dnat accept
    iifname "qg-*" oifname "qg-*" counter drop
  }
}
add element inet deuteron_l3 floating { 203.0.113.8 : 10.0.0.6 }
add element inet deuteron_l3 fixed { 10.0.0.6 : 203.0.113.8 }
add element inet deuteron_l3 forwarding { 203.0.113.9 . tcp . 8080 : 10.0.0.7 . 80, 203.0.113.9 . tcp . 8081 : 10.0.0.7 . 81 }
add element inet deuteron_l3 gateway { "qg-00000ee1-00" : 203.0.113.5 }
`,
  );
});

test('one floating IP more is two elements, one that moves is deleted and added at once', () => {
  const before = nat();
  const [first] = [floatingIp('f1', '203.0.113.8', '10.0.0.6')];
  const more = nat({ floatingIps: [first!, floatingIp('f2', '203.0.113.10', '10.0.0.8')] });
  const maps = new Map(Object.entries(before.elements));
  assert.equal(renderChanges(maps, before.elements), '');
  assert.equal(
    renderChanges(maps, more.elements),
    `add element inet deuteron_l3 floating { 203.0.113.10 : 10.0.0.8 }
add element inet deuteron_l3 fixed { 10.0.0.8 : 203.0.113.10 }
`,
  );
  assert.deepEqual(cutsOf(maps, more.elements), []);
  const moved = nat({ floatingIps: [floatingIp('f1', '203.0.113.8', '10.0.0.9')] });
  assert.equal(
    renderChanges(maps, moved.elements),
    `delete element inet deuteron_l3 floating { 203.0.113.8 }
add element inet deuteron_l3 floating { 203.0.113.8 : 10.0.0.9 }
delete element inet deuteron_l3 fixed { 10.0.0.6 }
add element inet deuteron_l3 fixed { 10.0.0.9 : 203.0.113.8 }
`,
  );
  assert.deepEqual(cutsOf(maps, moved.elements), ['-d 203.0.113.8', '-s 10.0.0.6 -q 203.0.113.8']);
});

test('whatever goes takes its connections with it, many ports of one forwarding at once', () => {
  const all = nat({
    forwardings: [
      forwarding('w1'),
      forwarding('w2', { external_port: [9000, 9099], internal_port: [1, 100] }),
    ],
  });
  assert.deepEqual(cutsOf(new Map(Object.entries(all.elements)), EMPTY), [
    '-d 203.0.113.8',
    '-p tcp -d 203.0.113.9 -r 10.0.0.7',
    '-q 203.0.113.5',
    '-s 10.0.0.6 -q 203.0.113.8',
  ]);
  const few = nat({ floatingIps: [], enableSnat: false });
  assert.deepEqual(cutsOf(new Map(Object.entries(few.elements)), EMPTY), [
    '-p tcp -d 203.0.113.9 --dport 8080',
    '-p tcp -d 203.0.113.9 --dport 8081',
  ]);
});

test('what cannot be is a shortfall of its own object and does not hold the others', () => {
  const { elements, shortfalls, addresses } = nat({
    floatingIps: [
      floatingIp('f1', '203.0.113.8', '10.0.0.6'),
      floatingIp('f2', '203.0.113.8', '10.0.0.7'),
      floatingIp('f3', '203.0.113.11; drop', '10.0.0.8'),
      floatingIp('f4', '2001:db8::1', '10.0.0.8'),
    ],
    forwardings: [
      forwarding('w1'),
      forwarding('w2', { protocol: 'icmp' }),
      forwarding('w3', { external_port: [1, 2], internal_port: [1, 3] }),
      forwarding('w4', { floating_ip_address: '203.0.113.8' }),
      forwarding('w5', { external_port: [8081, 8081], internal_port: [5, 5] }),
      forwarding('w6', { external_port: [0, 70_000], internal_port: [5, 5] }),
      forwarding('w7', { external_port: [100, 102], internal_port: [5, 5] }),
    ],
  });
  assert.deepEqual([...elements.floating], [['203.0.113.8', '10.0.0.6']]);
  assert.deepEqual(
    [...elements.forwarding].map(([key, value]) => `${key} ${value}`),
    [
      '203.0.113.9 . tcp . 8080 10.0.0.7 . 80',
      '203.0.113.9 . tcp . 8081 10.0.0.7 . 81',
      '203.0.113.9 . tcp . 100 10.0.0.7 . 5',
      '203.0.113.9 . tcp . 101 10.0.0.7 . 5',
      '203.0.113.9 . tcp . 102 10.0.0.7 . 5',
    ],
  );
  assert.deepEqual([...addresses.keys()], ['203.0.113.8', '203.0.113.9']);
  assert.deepEqual(
    shortfalls.map(({ object }) => object),
    [
      'floating-ip/f2',
      'floating-ip/f3',
      'floating-ip/f4',
      'forwarding/w2',
      'forwarding/w3',
      'forwarding/w4',
      'forwarding/w5',
      'forwarding/w6',
    ],
  );
  const without = nat({ gateway: null });
  assert.deepEqual(without.elements, EMPTY);
  assert.deepEqual(
    without.shortfalls.map(({ object, reason }) => `${object}: ${reason}`),
    ['floating-ip/f1: the router has no gateway here', 'forwarding/w1: the router has no gateway here'],
  );
});
