/** Golden texts for radvd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { subnetOf } from '../../../test/support/router-objects.ts';
import { type Advertised, renderRa } from './ra.ts';

const link = (fields: Partial<Advertised>): Advertised => ({
  kind: 'internal',
  name: 'qr-00000aa1-00',
  mtu: 1450,
  up: true,
  subnets: [],
  ...fields,
});
const six = (mode: 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless' | null, servers: string[] = []) =>
  subnetOf('fd20::/64', 'fd20::1', { ipv6_ra_mode: mode, dns_nameservers: servers });

test('addresses by themselves, with name servers', () => {
  const servers = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4', '192.0.2.1', 'x; }'];
  assert.equal(
    renderRa([link({ subnets: [six('slaac', servers)] })]),
    `interface qr-00000aa1-00 {
  AdvSendAdvert on;
  MinRtrAdvInterval 30;
  MaxRtrAdvInterval 100;
  AdvLinkMTU 1450;
  AdvManagedFlag off;
  AdvOtherConfigFlag off;
  prefix fd20::/64 { AdvOnLink on; AdvAutonomous on; };
  RDNSS 2001:db8::1 2001:db8::2 2001:db8::3 { };
  RDNSS 2001:db8::4 { };
};
`,
  );
});

test('the flags follow the mode', () => {
  const flags = (mode: 'dhcpv6-stateful' | 'dhcpv6-stateless') =>
    renderRa([link({ subnets: [six(mode)] })])
      .split('\n')
      .filter((line) => /Flag|prefix/.test(line))
      .map((line) => line.trim());
  assert.deepEqual(flags('dhcpv6-stateful'), [
    'AdvManagedFlag on;',
    'AdvOtherConfigFlag off;',
    'prefix fd20::/64 { AdvOnLink on; AdvAutonomous off; };',
  ]);
  assert.deepEqual(flags('dhcpv6-stateless'), [
    'AdvManagedFlag off;',
    'AdvOtherConfigFlag on;',
    'prefix fd20::/64 { AdvOnLink on; AdvAutonomous on; };',
  ]);
});

test('several subnets on one link: a flag is on where one asks for it, and each prefix has its own', () => {
  const at = (n: number, mode: 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless', server: string) =>
    subnetOf(`fd20:${n}::/64`, `fd20:${n}::1`, { ipv6_ra_mode: mode, dns_nameservers: [server] });
  const subnets = [
    at(1, 'dhcpv6-stateful', '2001:db8::1'),
    at(2, 'dhcpv6-stateless', '2001:db8::2'),
    at(3, 'slaac', '2001:db8::3'),
  ];
  const lines = renderRa([link({ subnets, mtu: 1000 })]).split('\n');
  assert.deepEqual(
    lines.filter((line) => /MTU|Flag|prefix|RDNSS/.test(line)).map((line) => line.trim()),
    [
      'AdvLinkMTU 1280;',
      'AdvManagedFlag on;',
      'AdvOtherConfigFlag on;',
      'prefix fd20:1::/64 { AdvOnLink on; AdvAutonomous off; };',
      'prefix fd20:2::/64 { AdvOnLink on; AdvAutonomous on; };',
      'prefix fd20:3::/64 { AdvOnLink on; AdvAutonomous on; };',
      'RDNSS 2001:db8::2 2001:db8::3 { };',
    ],
    'who asks DHCPv6 for an address asks it for servers too',
  );
});

test('nothing where nobody asks: no mode, IPv4, the outside, a link that is down', () => {
  assert.equal(renderRa([link({ subnets: [six(null), subnetOf('10.0.0.0/24', '10.0.0.1')] })]), '');
  assert.equal(renderRa([link({ kind: 'gateway', subnets: [six('slaac')] })]), '');
  assert.equal(renderRa([link({ up: false, subnets: [six('slaac')] })]), '');
});
