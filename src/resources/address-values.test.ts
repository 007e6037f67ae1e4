import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allocationPools,
  cidr,
  fixedIps,
  hostRoutes,
  ipAddress,
  macAddress,
  nameservers,
  networkCidrs,
  routeCidr,
} from './address-values.ts';
import type { ValueType } from './values.ts';

const read = (type: ValueType, value: unknown): unknown => {
  const reading = type.read(value);
  assert.ok('value' in reading, JSON.stringify(reading));
  return reading.value;
};
const refused = (type: ValueType, ...values: unknown[]) => {
  for (const value of values) assert.ok('reason' in type.read(value), JSON.stringify(value));
};

test('addresses become canonical text', () => {
  assert.equal(read(ipAddress, '10.0.0.1'), '10.0.0.1');
  assert.equal(read(ipAddress, '2001:DB8:0:0:0:0:0:1'), '2001:db8::1');
  assert.equal(read(ipAddress, '::'), '::');
  assert.equal(read(ipAddress, '2001:db8:0:0:1:0:0:1'), '2001:db8::1:0:0:1');
  refused(
    ipAddress,
    '010.0.0.1',
    '10.0.0.256',
    '10.0.0',
    '1',
    'fe80::1%1',
    '::1::',
    '10.0.0.1\n',
    '',
    null,
    5,
    '[::1]',
  );
});

test('a CIDR keeps its bits, a route may have none beyond the prefix', () => {
  assert.equal(read(cidr, '10.0.0.9/24'), '10.0.0.9/24');
  assert.equal(read(cidr, '2001:DB8::/32'), '2001:db8::/32');
  assert.equal(read(routeCidr, '0.0.0.0/0'), '0.0.0.0/0');
  assert.equal(read(routeCidr, '2001:db8:0:8000::/49'), '2001:db8:0:8000::/49');
  assert.equal(read(routeCidr, '::/0'), '::/0');
  refused(
    routeCidr,
    '10.0.0.1/24',
    '2001:db8:0:8000::/48',
    '127.0.0.0/8',
    '224.0.0.0/4',
    'ff00::/8',
    '::1/128',
    '10.0.0.0',
  );
  refused(cidr, '10.0.0.0', '10.0.0.0/33', '::/129', '10.0.0.0/ 8', '/8', '10.0.0.0/1e1', null);
});

test('MAC addresses: unicast, in pairs with colons', () => {
  for (const given of ['0C:00:00:00:AB:01', '0c-00-00-00-ab-01', '0c000000ab01', 'c:0:0:0:ab:1'])
    assert.equal(read(macAddress, given), '0c:00:00:00:ab:01');
  refused(
    macAddress,
    '01:00:5e:00:00:01',
    'ff:ff:ff:ff:ff:ff',
    '00:00:00:00:00:00',
    '0c:00-00:00:ab:01',
    '',
    5,
    null,
  );
});

test('lists of addresses and of records of them', () => {
  assert.deepEqual(read(nameservers, ['8.8.8.8', '2001:DB8::1']), ['8.8.8.8', '2001:db8::1']);
  refused(nameservers, ['::1', '0:0:0:0:0:0:0:1'], ['x'], '8.8.8.8');
  assert.deepEqual(read(allocationPools, [{ start: '10.0.0.1', end: '10.0.0.2' }]), [
    { start: '10.0.0.1', end: '10.0.0.2' },
  ]);
  refused(allocationPools, [{ start: '10.0.0.1' }], [['10.0.0.1', '10.0.0.2']]);
  assert.deepEqual(read(hostRoutes, null), []);
});

test('fixed IPs: the same subnet twice is two addresses, the same address is not', () => {
  const subnet_id = '3b1fcb9e-0000-4000-8000-00000000dead';
  assert.deepEqual(read(fixedIps, [{ subnet_id }, { subnet_id }]), [{ subnet_id }, { subnet_id }]);
  assert.deepEqual(read(fixedIps, [{ ip_address: '2001:DB8::1' }]), [{ ip_address: '2001:db8::1' }]);
  refused(fixedIps, [{ ip_address: '::1' }, { ip_address: '0::1' }], [{}], [{ subnet_id: null }], 'x');
});

test('networks lose the bits after their prefix, and are each there once', () => {
  const read = (...addresses: unknown[]) => networkCidrs.read(addresses);
  assert.deepEqual(read('10.1.2.3/12', '0.0.0.0/0', '255.255.255.255/32', '192.0.2.255/25'), {
    value: ['10.0.0.0/12', '0.0.0.0/0', '255.255.255.255/32', '192.0.2.128/25'],
  });
  assert.deepEqual(read('2001:DB8:0:0:ffff::1/65', 'fd00::1/128', 'ffff::/1', '::/0'), {
    value: ['2001:db8:0:0:8000::/65', 'fd00::1/128', '8000::/1', '::/0'],
  });
  for (const wrong of ['10.0.0.1', '10.0.0.1/33', '::/129', 'x', '', 1, null])
    assert.ok('reason' in read(wrong), String(wrong));
  assert.ok('reason' in read('10.0.0.1/24', '10.0.0.2/24'));
});
