import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  canonicalAddress,
  contains,
  formatAddress,
  formatCidr,
  isHostAddress,
  overlaps,
  parseAddress,
  parseCidr,
} from './address.ts';

const SEED = { seed: 20260131 };
const cidr = (text: string) => parseCidr(text) ?? assert.fail(text);
const address = (text: string) => parseAddress(text) ?? assert.fail(text);

test('canonical text follows RFC 5952', () => {
  const cases: [string, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['::', '::'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
    ['0:0:1:0:0:0:1:0', '0:0:1::1:0'],
  ];
  for (const [text, canonical] of cases) assert.equal(canonicalAddress(text), canonical);
});

test('what is no address is refused', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7',
    'g::',
    '::1%eth0',
    ' 1.2.3.4',
    '1:2:3:4:5:6:7:8:9',
    '1.2.3.4::',
    '1:2:3:4:5:6:7::8',
  ]) {
    assert.equal(parseAddress(text), undefined, text);
  }
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/08',
    '::/129',
    '/8',
    '10.0.0.0/8/8',
  ]) {
    assert.equal(parseCidr(text), undefined, text);
  }
});

test('every value survives its text, and Node agrees that it is an address', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }),
      fc.constantFrom(4 as const, 6 as const),
      (any, version) => {
        const value = version === 4 ? any % 2n ** 32n : any;
        const text = formatAddress({ version, value });
        assert.equal(isIP(text), version);
        assert.deepEqual(parseAddress(text), { version, value });
      },
    ),
    SEED,
  );
});

test('a sparse IPv6 value is compressed and still the same', () => {
  const groups = fc.array(fc.constantFrom(0, 0, 0, 1, 0xffff), { minLength: 8, maxLength: 8 });
  fc.assert(
    fc.property(groups, (parts) => {
      const long = parts.map((part) => part.toString(16)).join(':');
      const short = canonicalAddress(long) ?? assert.fail(long);
      assert.deepEqual(parseAddress(short), parseAddress(long));
      assert.ok(short.length <= long.length);
      assert.equal(/(^|:)0:0(:|$)/.test(short) && !short.includes('::'), false);
    }),
    SEED,
  );
});

test('host bits of a CIDR are cleared', () => {
  assert.equal(formatCidr(cidr('10.1.2.3/24')), '10.1.2.0/24');
  assert.equal(formatCidr(cidr('2001:db8::1/64')), '2001:db8::/64');
  assert.equal(formatCidr(cidr('10.1.2.3/0')), '0.0.0.0/0');
  assert.equal(formatCidr(cidr('10.1.2.3/32')), '10.1.2.3/32');
});

test('two CIDRs overlap exactly if one contains the first address of the other', () => {
  const any = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }), fc.integer({ min: 20, max: 32 }));
  fc.assert(
    fc.property(any, any, ([a, p], [b, q]) => {
      const one = cidr(`${formatAddress({ version: 4, value: a })}/${p}`);
      const two = cidr(`${formatAddress({ version: 4, value: (a & ~0xffffn) | (b & 0xffffn) })}/${q}`);
      const holds =
        contains(one, { version: 4, value: two.first }) || contains(two, { version: 4, value: one.first });
      assert.equal(overlaps(one, two), holds);
      assert.equal(overlaps(two, one), holds);
    }),
    SEED,
  );
});

test('network, broadcast and anycast addresses are for no host', () => {
  const at = (c: string, a: string, router = false) => isHostAddress(cidr(c), address(a), { router });
  assert.equal(at('10.0.0.0/24', '10.0.0.0'), false);
  assert.equal(at('10.0.0.0/24', '10.0.0.255'), false);
  assert.equal(at('10.0.0.0/24', '10.0.0.1'), true);
  assert.equal(at('10.0.0.0/24', '10.0.1.1'), false);
  assert.equal(at('10.0.0.0/31', '10.0.0.0'), true);
  assert.equal(at('2001:db8::/64', '2001:db8::'), false);
  assert.equal(at('2001:db8::/64', '2001:db8::', true), true);
  assert.equal(at('2001:db8::/64', '10.0.0.1'), false);
});
