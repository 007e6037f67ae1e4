import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BASE_PRIORITY, ownAddress, renderKeepalived } from '../../../src/agents/l3/keepalived.ts';
import { readConfig } from './keepalived-config.ts';

test('what agents write, the model of keepalived reads', () => {
  const addresses = [
    { address: '203.0.113.7/24', link: 'qg-01234567-89' },
    { address: 'fe80::1/64', link: 'qr-01234567-89' },
  ];
  const routes = [
    { destination: '0.0.0.0/0', nexthop: '203.0.113.1', link: 'qg-01234567-89' },
    { destination: '192.0.2.0/24', nexthop: null, link: 'qg-01234567-89' },
    {
      ...{ destination: '198.18.0.0/15', nexthop: '10.0.1.8', link: 'qr-01234567-89' },
      others: [{ nexthop: '203.0.113.9', link: 'qg-01234567-89' }],
    },
  ];
  const text = renderKeepalived({
    ...{ name: 'r', vrId: 7, link: 'ha-01234567-89', advertMs: 100, addresses, routes },
    ...{ tracked: '/state/health', lease: '/state/lease' },
  });
  assert.deepEqual(readConfig(text), {
    vrId: 7,
    link: 'ha-01234567-89',
    advertMs: 100,
    priority: BASE_PRIORITY,
    tracked: [
      { path: '/state/health', weight: -1 },
      { path: '/state/lease', weight: 0 },
    ],
    addresses: [{ address: ownAddress(7), link: 'ha-01234567-89' }, ...addresses],
    routes,
  });
});
