import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ipv6Mode, SubnetRow } from '../resources/subnet.ts';
import {
  changedWants,
  defaultWants,
  type FixedIpProblem,
  FixedIpRefused,
  type FixedIpRequest,
  requestedWants,
  subnetsForOwner,
} from './fixed-ips.ts';

function subnet(id: string, cidr: string, mode: Ipv6Mode | null = null): SubnetRow {
  return {
    id,
    network_id: 'net',
    project_id: 'p',
    name: '',
    description: '',
    ip_version: cidr.includes(':') ? 6 : 4,
    cidr,
    gateway_ip: null,
    enable_dhcp: true,
    ipv6_ra_mode: mode,
    ipv6_address_mode: mode,
    allocation_pools: [],
    dns_nameservers: [],
    host_routes: [],
    service_types: [],
    dns_publish_fixed_ip: false,
    subnetpool_id: null,
    revision_number: 0,
    tags: [],
    created_at: '',
    updated_at: '',
  };
}

const OWNER = { device_owner: 'compute:nova', mac_address: 'fa:16:3e:01:02:03' };
const ROUTER = { device_owner: 'network:router_interface', mac_address: 'fa:16:3e:01:02:03' };
const A = subnet('a', '10.0.0.0/24');
const B = subnet('b', '10.0.1.0/24');
const STATEFUL = subnet('stateful', '2001:db8:1::/64', 'dhcpv6-stateful');
const SLAAC = subnet('slaac', '2001:db8:2::/64', 'slaac');
const ALL = [A, B, STATEFUL, SLAAC];
const EUI = '2001:db8:2:0:f816:3eff:fe01:203';
const AUTO = { kind: 'address', ip: { subnet_id: 'slaac', ip_address: EUI }, automatic: true };
const any = (...subnetIds: string[]) => ({ kind: 'any', subnetIds });
const address = (subnet_id: string, ip_address: string) => ({
  kind: 'address',
  ip: { subnet_id, ip_address },
  automatic: false,
});

function problem(requests: FixedIpRequest[], subnets = ALL, owner = OWNER): FixedIpProblem {
  try {
    requestedWants(requests, subnets, owner);
  } catch (error) {
    if (error instanceof FixedIpRefused) return error.problem;
    throw error;
  }
  return assert.fail('was not refused');
}

test('a port that asks for nothing gets one IPv4, one IPv6 address and every automatic one', () => {
  assert.deepEqual(defaultWants(ALL, OWNER), [any('a', 'b'), any('stateful'), AUTO]);
  assert.deepEqual(defaultWants([SLAAC], ROUTER), []);
  assert.deepEqual(defaultWants([], OWNER), []);
});

test('a request names an address, a subnet, or both; automatic addresses come along', () => {
  assert.deepEqual(requestedWants([{ ip_address: '10.0.1.7' }, { subnet_id: 'a' }], ALL, OWNER), [
    address('b', '10.0.1.7'),
    any('a'),
    AUTO,
  ]);
  assert.deepEqual(requestedWants([{ subnet_id: 'slaac' }], ALL, OWNER), [AUTO]);
  assert.deepEqual(requestedWants([{ subnet_id: 'slaac', ip_address: EUI }], ALL, OWNER), [AUTO]);
  assert.deepEqual(requestedWants([{ subnet_id: 'slaac' }], ALL, ROUTER), [any('slaac')]);
  assert.deepEqual(requestedWants([], ALL, OWNER), []);
  assert.deepEqual(requestedWants([{ ip_address: '2001:DB8:1:0::9' }], ALL, ROUTER), [
    address('stateful', '2001:db8:1::9'),
  ]);
});

test('what cannot be is refused', () => {
  assert.deepEqual(problem([{ subnet_id: 'a' }], []), { kind: 'no-subnets' });
  assert.deepEqual(problem([{}]), { kind: 'nothing-named' });
  assert.deepEqual(problem([{ subnet_id: 'x' }]), { kind: 'not-on-network', subnetId: 'x' });
  assert.deepEqual(problem([{ subnet_id: 'a', ip_address: '10.0.1.1' }]), {
    kind: 'not-in-subnet',
    address: '10.0.1.1',
  });
  assert.deepEqual(problem([{ subnet_id: 'a', ip_address: '10.0.0.255' }]), {
    kind: 'not-in-subnet',
    address: '10.0.0.255',
  });
  assert.deepEqual(problem([{ ip_address: '192.0.2.1' }]), { kind: 'not-in-network', address: '192.0.2.1' });
  assert.deepEqual(problem([{ ip_address: '2001:db8:2::9' }]), {
    kind: 'automatic-subnet',
    address: '2001:db8:2::9',
    subnetId: 'slaac',
  });
});

test('a subnet for a service type is for ports of that owner, and before the others', () => {
  const special = { ...B, service_types: ['compute:nova'] };
  assert.deepEqual(subnetsForOwner([A, special], 'compute:nova'), [special, A]);
  assert.deepEqual(subnetsForOwner([A, special], 'network:dhcp'), [A]);
});

test('an update keeps what is asked for again, by address and then by subnet', () => {
  const has = [
    { subnet_id: 'a', ip_address: '10.0.0.5' },
    { subnet_id: 'a', ip_address: '10.0.0.6' },
    { subnet_id: 'slaac', ip_address: EUI },
  ];
  const context = { subnets: ALL, owner: OWNER };
  assert.deepEqual(changedWants(has, [{ subnet_id: 'a' }, { ip_address: '10.0.0.6' }], context), {
    keep: [has[1], has[2], has[0]],
    add: [],
  });
  assert.deepEqual(changedWants(has, [{ ip_address: '10.0.1.9' }, { subnet_id: 'stateful' }], context), {
    keep: [has[2]],
    add: [address('b', '10.0.1.9'), any('stateful')],
  });
  assert.deepEqual(changedWants(has, [], context), { keep: [has[2]], add: [] });
});

test('a new MAC changes the automatic address', () => {
  const has = [{ subnet_id: 'slaac', ip_address: EUI }];
  const owner = { ...OWNER, mac_address: 'fa:16:3e:01:02:04' };
  assert.deepEqual(changedWants(has, [], { subnets: ALL, owner }), {
    keep: [],
    add: [
      {
        kind: 'address',
        ip: { subnet_id: 'slaac', ip_address: '2001:db8:2:0:f816:3eff:fe01:204' },
        automatic: true,
      },
    ],
  });
});
