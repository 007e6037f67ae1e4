import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseLeases, primeLeases } from './leases.ts';

const PORT = 'd0d0d0d0-0000-4000-8000-000000000001';

const entry = (mac: string, ip: string, name: string) => ({
  hosts: '',
  names: '',
  claims: [],
  leases: [{ mac, ip, name }],
});

const prime = (
  previous: string,
  entries: [string, string, string][],
  previousMacs: [string, string][] = [],
) =>
  primeLeases({
    entries: new Map(entries.map(([mac, ip, name], i) => [String(i), entry(mac, ip, name)])),
    dhcpPortId: PORT,
    previous,
    previousMacs: new Map(previousMacs),
    nowSeconds: 1000,
    leaseSeconds: 600,
  });

const DUID = 'duid 00:04:d0:d0:d0:d0:00:00:40:00:80:00:00:00:00:00:00:01';

test('every IPv4 port is primed, what its client said is kept', () => {
  const previous = `1100 fa:16:3e:00:00:01 10.0.0.1 old 01:fa:16:3e:00:00:01
1100 fa:16:3e:00:00:02 10.0.0.2 gone *
1100 fa:16:3e:00:00:09 10.0.0.3 other *
999 fa:16:3e:00:00:04 10.0.0.4 late 01:02
duid 00:01:02
`;
  const entries: [string, string, string][] = [
    ['fa:16:3e:00:00:01', '10.0.0.1', 'one'],
    ['fa:16:3e:00:00:03', '10.0.0.3', 'three'],
    ['fa:16:3e:00:00:04', '10.0.0.4', 'four'],
  ];
  assert.equal(
    prime(previous, entries),
    `1100 fa:16:3e:00:00:01 10.0.0.1 one 01:fa:16:3e:00:00:01
1600 fa:16:3e:00:00:03 10.0.0.3 three *
1600 fa:16:3e:00:00:04 10.0.0.4 four *
${DUID}
`,
  );
});

test('an IPv6 lease is kept only where its address still belongs to the same MAC', () => {
  const previous = '1100 77 fd00::1 a 00:01:aa\n1100 78 fd00::2 b 00:01:bb\n1100 79 fd00::3 c 00:01:cc\n';
  const entries: [string, string, string][] = [
    ['fa:16:3e:00:00:01', 'fd00::1', 'a'],
    ['fa:16:3e:00:00:22', 'fd00::2', 'b'],
    ['fa:16:3e:00:00:03', 'fd00::3', 'c'],
  ];
  const macs: [string, string][] = [
    ['fd00::1', 'fa:16:3e:00:00:01'],
    ['fd00::2', 'fa:16:3e:00:00:02'],
  ];
  assert.equal(prime(previous, entries, macs), `${DUID}\n1100 77 fd00::1 a 00:01:aa\n`);
});

test('a file that was cut short or tampered with costs its broken lines only', () => {
  assert.deepEqual(parseLeases('1100 fa:16:3e:00:00:01 10.0.0.1 one *\n1100 fa:16:3e:00:00:0').length, 1);
  assert.deepEqual(
    parseLeases('x y z\n-1 fa:16:3e:00:00:01 10.0.0.1 a *\n1 fa:16:3e:00:00:01 10.0.0.1 a;b *'),
    [],
  );
});

test('a large network starts with the leases that clients hold, and no others', () => {
  const entries = Array.from({ length: 600 }, (_, i): [string, string, string] => [
    'fa:16:3e:00:00:01',
    `10.0.${i >> 8}.${i & 255}`,
    'host',
  ]);
  const held = '1100 fa:16:3e:00:00:01 10.0.0.7 host *';
  assert.equal(prime(`${held}\n`, entries), `${held}\n${DUID}\n`);
});
