import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../lib/random.ts';
import { formatAddress, parseAddress, parseCidr } from './address.ts';
import { candidates, randomMac, scan } from './choose.ts';
import { canEui64, eui64Address } from './eui64.ts';
import { checkPools, defaultGateway, defaultPools, formatPool, inRanges, rangesOf, sizeOf } from './pool.ts';

const SEED = { seed: 20260131 };
const cidr = (text: string) => parseCidr(text) ?? assert.fail(text);
const address = (text: string) => parseAddress(text) ?? assert.fail(text);
const pool = (start: string, end: string) => ({ start, end });

test('the pools of a CIDR are its usable addresses around the gateway', () => {
  const poolsOf = (c: string, g: string | null) =>
    defaultPools(cidr(c), g === null ? null : address(g)).map((range) => formatPool(range, cidr(c).version));
  assert.deepEqual(poolsOf('10.0.0.0/24', '10.0.0.1'), [pool('10.0.0.2', '10.0.0.254')]);
  assert.deepEqual(poolsOf('10.0.0.0/24', null), [pool('10.0.0.1', '10.0.0.254')]);
  assert.deepEqual(poolsOf('10.0.0.0/24', '10.0.0.100'), [
    pool('10.0.0.1', '10.0.0.99'),
    pool('10.0.0.101', '10.0.0.254'),
  ]);
  assert.deepEqual(poolsOf('10.0.0.0/24', '10.9.0.1'), [pool('10.0.0.1', '10.0.0.254')]);
  assert.deepEqual(poolsOf('10.0.0.0/30', '10.0.0.1'), [pool('10.0.0.2', '10.0.0.2')]);
  assert.deepEqual(poolsOf('10.0.0.4/32', null), [pool('10.0.0.4', '10.0.0.4')]);
  assert.deepEqual(poolsOf('2001:db8::/64', '2001:db8::1'), [
    pool('2001:db8::2', '2001:db8::ffff:ffff:ffff:ffff'),
  ]);
  assert.equal(formatAddress(defaultGateway(cidr('2001:db8::/64'))), '2001:db8::1');
});

test('a pool never holds the gateway, and misses no other usable address', () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 29 }), fc.nat(), (prefix, n) => {
      const net = cidr(`10.0.0.0/${prefix}`);
      const gateway = {
        version: 4 as const,
        value: net.first + 1n + (BigInt(n) % (net.last - net.first - 1n)),
      };
      const ranges = defaultPools(net, gateway);
      assert.equal(inRanges(ranges, gateway.value), false);
      assert.equal(
        ranges.reduce((sum, range) => sum + sizeOf(range), 0n),
        net.last - net.first - 2n,
      );
    }),
    SEED,
  );
});

test('what is wrong with pools is said', () => {
  const check = (pools: { start: string; end: string }[], gateway: string | null = null) => {
    const result = checkPools(cidr('10.0.0.0/24'), pools, gateway === null ? null : address(gateway));
    return 'problem' in result ? result.problem : result.ranges.length;
  };
  assert.equal(check([pool('10.0.0.2', '10.0.0.9'), pool('10.0.0.20', '10.0.0.20')]), 2);
  assert.deepEqual(check([pool('10.0.0.9', '10.0.0.2')]), { kind: 'invalid', pool: '10.0.0.9-10.0.0.2' });
  assert.deepEqual(check([pool('2001:db8::1', '2001:db8::2')]), {
    kind: 'invalid',
    pool: '2001:db8::1-2001:db8::2',
  });
  assert.deepEqual(check([pool('10.0.0.0', '10.0.0.2')]), {
    kind: 'out-of-bounds',
    pool: '10.0.0.0-10.0.0.2',
  });
  assert.deepEqual(check([pool('10.0.0.9', '10.0.0.255')]), {
    kind: 'out-of-bounds',
    pool: '10.0.0.9-10.0.0.255',
  });
  assert.deepEqual(check([pool('10.0.0.9', '10.0.0.20'), pool('10.0.0.2', '10.0.0.9')]), {
    kind: 'overlapping',
    pool: '10.0.0.2-10.0.0.9',
    other: '10.0.0.9-10.0.0.20',
  });
  assert.deepEqual(check([pool('10.0.0.1', '10.0.0.9')], '10.0.0.1'), {
    kind: 'holds-gateway',
    pool: '10.0.0.1-10.0.0.9',
  });
});

test('candidates are different addresses of the ranges; a small pool is drawn whole', () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 300 }),
      (seed, count, size) => {
        const ranges = [
          { first: 10n, last: 10n + BigInt(size) },
          { first: 1000n, last: 1000n },
        ];
        const drawn = candidates(ranges, count, seededRandom(seed));
        assert.equal(new Set(drawn).size, drawn.length);
        assert.ok(drawn.every((value) => inRanges(ranges, value)));
        if (size + 2 <= count) assert.equal(drawn.length, size + 2);
        assert.ok(drawn.length >= 1 && drawn.length <= count);
      },
    ),
    SEED,
  );
});

test('candidates of a /64 reach beyond 32 bits', () => {
  const ranges = defaultPools(cidr('2001:db8::/64'), null);
  const drawn = candidates(ranges, 16, seededRandom(1));
  assert.equal(drawn.length, 16);
  assert.ok(drawn.some((value) => value - (ranges[0]?.first ?? 0n) > 1n << 40n));
});

test('a scan finds exactly what is free', () => {
  const ranges = rangesOf([pool('10.0.0.1', '10.0.0.3'), pool('10.0.0.9', '10.0.0.9')]);
  const value = (text: string) => address(text).value;
  assert.deepEqual(scan(ranges, new Set([value('10.0.0.1'), value('10.0.0.3')]), 5), [
    value('10.0.0.2'),
    value('10.0.0.9'),
  ]);
  assert.deepEqual(scan(ranges, new Set([value('10.0.0.1')]), 1), [value('10.0.0.2')]);
});

test('EUI-64 is the MAC with ff:fe inside and one bit inverted', () => {
  const mac = 'fa:16:3e:01:02:03';
  assert.equal(formatAddress(eui64Address(cidr('2001:db8::/64'), mac)), '2001:db8::f816:3eff:fe01:203');
  assert.equal(canEui64(cidr('2001:db8::/64')), true);
  assert.equal(canEui64(cidr('2001:db8::/65')), false);
});

test('a MAC keeps its prefix', () => {
  assert.match(randomMac('fa:16:3e', seededRandom(1)), /^fa:16:3e(:[0-9a-f]{2}){3}$/);
  assert.match(randomMac('FA:16:3e:4f:00:00', seededRandom(2)), /^fa:16:3e:4f(:[0-9a-f]{2}){2}$/);
});
