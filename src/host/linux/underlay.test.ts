/** As `ip -j -d address show` tells of links: bonds cannot be made in every kernel, so these are its words from one that can. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { devicesUnder, type RawUnderlay, underlayOf } from './underlay.ts';

const member = (ifname: string, isUp: boolean, mii = isUp ? 'UP' : 'DOWN'): RawUnderlay => ({
  ifname,
  flags: isUp
    ? ['BROADCAST', 'MULTICAST', 'SLAVE', 'UP', 'LOWER_UP']
    : ['NO-CARRIER', 'BROADCAST', 'MULTICAST', 'SLAVE', 'UP'],
  operstate: isUp ? 'UP' : 'DOWN',
  master: 'bond0',
  linkinfo: { info_slave_kind: 'bond', info_slave_data: { mii_status: mii } },
});

function machine(first: RawUnderlay, second: RawUnderlay): RawUnderlay[] {
  const isUp = [first, second].some(({ linkinfo }) => linkinfo?.info_slave_data?.mii_status === 'UP');
  const up = isUp ? ['UP', 'LOWER_UP'] : ['NO-CARRIER', 'UP'];
  return [
    { ifname: 'lo', flags: ['LOOPBACK', 'UP', 'LOWER_UP'], operstate: 'UNKNOWN' },
    first,
    second,
    {
      ifname: 'bond0',
      flags: ['BROADCAST', 'MULTICAST', 'MASTER', ...up],
      operstate: isUp ? 'UP' : 'DOWN',
      linkinfo: { info_kind: 'bond' },
    },
    {
      ifname: 'bond0.7',
      link: 'bond0',
      flags: ['BROADCAST', 'MULTICAST', ...up],
      operstate: isUp ? 'UP' : 'LOWERLAYERDOWN',
      linkinfo: { info_kind: 'vlan' },
      addr_info: [{ local: '192.0.2.1' }],
    },
    {
      ifname: 'bond0.8',
      link: 'bond0',
      flags: ['UP', 'LOWER_UP'],
      operstate: 'UP',
      master: 'br-mgmt',
      linkinfo: { info_kind: 'vlan' },
    },
    {
      ifname: 'br-mgmt',
      flags: ['UP', 'LOWER_UP'],
      operstate: 'UP',
      linkinfo: { info_kind: 'bridge' },
      addr_info: [{ local: '198.51.100.1' }],
    },
  ];
}

test('a bond with all its links', () => {
  assert.deepEqual(underlayOf(machine(member('eth0', true), member('eth1', true)), '192.0.2.1'), {
    link: 'bond0.7',
    isUp: true,
    bond: { name: 'bond0', members: 2, down: [] },
  });
});

test('one link of a bond is lost: it carries on', () => {
  const lost = machine(member('eth0', true), member('eth1', false));
  const bond = { name: 'bond0', members: 2, down: ['eth1'] };
  assert.deepEqual(underlayOf(lost, '192.0.2.1'), { link: 'bond0.7', isUp: true, bond });
  assert.deepEqual(underlayOf(lost, '198.51.100.1'), { link: 'br-mgmt', isUp: true, bond });
  assert.deepEqual(underlayOf(lost, 'bond0')?.bond, bond);
});

test("a link that the bond's own watch has found dead counts as lost, whatever its carrier says", () => {
  const dead = machine(member('eth0', true), member('eth1', true, 'DOWN'));
  assert.deepEqual(underlayOf(dead, '192.0.2.1')?.bond?.down, ['eth1']);
});

test('all links of a bond are lost', () => {
  const lost = underlayOf(machine(member('eth0', false), member('eth1', false)), '192.0.2.1');
  assert.deepEqual(lost, {
    link: 'bond0.7',
    isUp: false,
    bond: { name: 'bond0', members: 2, down: ['eth0', 'eth1'] },
  });
});

test('a plain link, and none', () => {
  const plain: RawUnderlay[] = [
    { ifname: 'eth0', flags: ['UP', 'NO-CARRIER'], operstate: 'DOWN', addr_info: [{ local: '192.0.2.1' }] },
    {
      ifname: 'tun0',
      flags: ['UP', 'LOWER_UP'],
      operstate: 'UNKNOWN',
      addr_info: [{ local: '2001:db8::1' }],
    },
  ];
  assert.deepEqual(underlayOf(plain, '192.0.2.1'), { link: 'eth0', isUp: false, bond: null });
  assert.deepEqual(underlayOf(plain, '2001:db8::1'), { link: 'tun0', isUp: true, bond: null });
  assert.equal(underlayOf(plain, '192.0.2.2'), null);
});

test('what stands on what, down to the links with a wire', () => {
  const all = [
    ...machine(member('eth0', true), member('eth1', true)),
    { ifname: 'tap1', master: 'br-mgmt', linkinfo: { info_kind: 'tun' } },
    { ifname: 'eth2', addr_info: [{ local: '203.0.113.9' }] },
    { ifname: 'eth2.5', link: 'eth2', linkinfo: { info_kind: 'vlan' } },
    // a veth's other end is not below it
    { ifname: 'tun0', link: 'eth2', linkinfo: { info_kind: 'veth' } },
  ];
  for (const named of ['192.0.2.1', '198.51.100.1', 'bond0'])
    assert.deepEqual(devicesUnder(all, named), ['eth0', 'eth1']);
  for (const named of ['203.0.113.9', 'eth2.5']) assert.deepEqual(devicesUnder(all, named), ['eth2']);
  assert.deepEqual(devicesUnder(all, 'tun0'), ['tun0']);
  assert.deepEqual(devicesUnder(all, 'none'), []);
});
