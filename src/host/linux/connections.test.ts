import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectionFilter } from '../host.ts';
import { filtersThatMatch, parseConnections } from './connections.ts';

const LISTING = `tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=44512 dport=80 src=10.0.0.2 dst=10.0.0.1 sport=80 dport=44512 [ASSURED] mark=286335522 zone=77 use=1
icmpv6   58 28 src=fd00::1 dst=fd00::2 type=128 code=0 id=20101 src=fd00::2 dst=fd00::1 type=129 code=0 id=20101 mark=0 use=1
`;

test('connections are read as conntrack lists them', () => {
  assert.deepEqual(parseConnections(LISTING), [
    { source: '10.0.0.1', destination: '10.0.0.2', mark: 0x1111_2222, zone: 77 },
    { source: 'fd00::1', destination: 'fd00::2', mark: 0, zone: 0 },
  ]);
});

test('filters are kept that there is a connection for', () => {
  const low = { value: 0x2222, mask: 0xffff };
  const high = { value: 0x1111_0000, mask: 0xffff_0000 };
  const yes: ConnectionFilter[] = [
    { version: 4, zone: 77, source: '10.0.0.1' },
    { version: 4, destination: '10.0.0.2', mark: high },
    { version: 4, mark: low },
    { version: 4, source: '10.0.0.0/24', mark: low },
    { version: 6, destination: 'fd00::2' },
    { version: 6, source: 'fd00::/64' },
    { version: 6, zone: 0, source: 'fd00::1', destination: 'fd00::2' },
  ];
  const no: ConnectionFilter[] = [
    { version: 4, zone: 76, source: '10.0.0.1' },
    { version: 4, source: '10.0.0.2' },
    { version: 4, mark: { ...low, value: 0x2221 } },
    { version: 4, source: '10.0.1.0/24' },
    { version: 6, mark: low },
    { version: 6, source: 'fd00::1', destination: 'fd00::3' },
  ];
  assert.deepEqual(filtersThatMatch([...no, ...yes], parseConnections(LISTING)), yes);
});
