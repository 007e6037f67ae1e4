/** Golden texts: whatever changes here changes what every keepalived is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BASE_PRIORITY, type KeepalivedInput, renderKeepalived, renderTracked } from './keepalived.ts';

const input: KeepalivedInput = {
  name: 'h1-0700',
  vrId: 7,
  link: 'ha-000000a2-00',
  advertMs: 100,
  addresses: [
    { address: '10.0.1.1/24', link: 'qr-000000a1-00' },
    { address: 'fe80::f816:3eff:fe00:1/64', link: 'qr-000000a1-00' },
    { address: '203.0.113.5/24', link: 'qg-000000e1-00' },
  ],
  routes: [
    { destination: '0.0.0.0/0', nexthop: '203.0.113.1', link: 'qg-000000e1-00' },
    { destination: '198.51.100.0/24', nexthop: '10.0.1.9', link: null },
    { destination: '192.0.2.0/24', nexthop: null, link: 'qg-000000e1-00' },
    { destination: '2001:db8::/64', nexthop: null, link: 'qg-000000e1-00' },
    {
      ...{ destination: '198.18.0.0/15', nexthop: '10.0.1.8', link: 'qr-000000a1-00' },
      others: [{ nexthop: '203.0.113.9', link: 'qg-000000e1-00' }],
    },
  ],
  tracked: '/var/lib/deuteron/l3/r/health',
  lease: '/var/lib/deuteron/l3/r/lease',
};

test('a replica as a whole', () => {
  assert.equal(
    renderKeepalived(input),
    `global_defs {
  router_id h1-0700
  script_user nobody
  enable_script_security
  dynamic_interfaces
  vrrp_garp_master_repeat 5
  vrrp_garp_master_refresh 10
}
track_file health {
  file "/var/lib/deuteron/l3/r/health"
}
track_file lease {
  file "/var/lib/deuteron/l3/r/lease"
}
vrrp_instance VR_7 {
  state BACKUP
  interface ha-000000a2-00
  version 3
  virtual_router_id 7
  priority 250
  advert_int 0.1
  garp_master_delay 1
  track_file {
    health weight -1
    lease weight 0
  }
  virtual_ipaddress {
    169.254.0.7/24 dev ha-000000a2-00
  }
  virtual_ipaddress_excluded {
    10.0.1.1/24 dev qr-000000a1-00 no_track
    fe80::f816:3eff:fe00:1/64 dev qr-000000a1-00 no_track
    203.0.113.5/24 dev qg-000000e1-00 no_track
  }
  virtual_routes {
    0.0.0.0/0 via 203.0.113.1 dev qg-000000e1-00 onlink protocol 157 no_track
    198.51.100.0/24 via 10.0.1.9 protocol 157 no_track
    192.0.2.0/24 dev qg-000000e1-00 scope link protocol 157 no_track
    2001:db8::/64 dev qg-000000e1-00 protocol 157 no_track
    198.18.0.0/15 protocol 157 no_track nexthop via 10.0.1.8 dev qr-000000a1-00 onlink nexthop via 203.0.113.9 dev qg-000000e1-00 onlink
  }
}
`,
  );
  assert.ok(!/virtual_routes|excluded/.test(renderKeepalived({ ...input, addresses: [], routes: [] })));
});

test('no word gets in that could end a line or a block', () => {
  const bad: Partial<KeepalivedInput>[] = [
    { name: 'a b' },
    { vrId: 256 },
    { advertMs: 15 },
    { link: 'ha }' },
    { tracked: 'relative' },
    { tracked: '/x\n}' },
    { lease: '/x y' },
    { addresses: [{ address: '10.0.0.1/24\n}', link: 'qr' }] },
    { addresses: [{ address: '10.0.0.1/24', link: 'qr no_track' }] },
    { routes: [{ destination: 'default', nexthop: '10.0.0.1', link: null }] },
    { routes: [{ destination: '0.0.0.0/0', nexthop: '10.0.0.1 dev x', link: null }] },
    { routes: [{ destination: '0.0.0.0/0', nexthop: null, link: null }] },
    {
      routes: [
        {
          destination: '0.0.0.0/0',
          nexthop: '10.0.0.1',
          link: 'x',
          others: [{ nexthop: '10.0.0.2', link: 'a b' }],
        },
      ],
    },
  ];
  for (const fields of bad)
    assert.throws(() => renderKeepalived({ ...input, ...fields }), JSON.stringify(fields));
});

test('stand-bys stand apart by rank, the primary by none, and nobody falls out', () => {
  const off = (rank: number, isPrimary: boolean, penalty = 0) =>
    renderTracked({ rank, isPrimary, penalty }).trim();
  assert.deepEqual([off(0, false), off(1, false), off(2, false)], ['20', '40', '60']);
  assert.equal(off(2, true), '0');
  assert.equal(off(1, true, 60), '60');
  assert.deepEqual([off(1, true, 200), off(0, false, 200), off(2, false, 150)], ['120', '140', '180']);
  assert.equal(off(9, false, 200), '200');
  const unwired = (rank: number, isPrimary = false) =>
    Number(renderTracked({ rank, isPrimary, penalty: 0, isUnwired: true }));
  assert.deepEqual([unwired(0, true), unwired(0), unwired(1), unwired(2)], [205, 215, 225, 235]);
  assert.ok(unwired(0, true) > Number(off(9, false, 200)), 'whatever ails one that is wired');
  assert.ok(unwired(9) < BASE_PRIORITY, 'something is left of the base');
  const preferred = { rank: 2, isPrimary: false, penalty: 0, isPreferred: true };
  assert.deepEqual(
    [renderTracked(preferred), renderTracked({ ...preferred, penalty: 60 })],
    ['-3\n', '57\n'],
  );
});
