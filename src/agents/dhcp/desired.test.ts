import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, networkBody, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import type { LeaseBody, SubnetBody } from '../../resources/agent-view.ts';
import { DEFAULT_SETTINGS, type Desired, desiredOf } from './desired.ts';

const NETWORK = id(1);
const SUBNET = id(4);

function subnet(fields: Partial<SubnetBody> = {}): SubnetBody {
  return {
    ...{ id: SUBNET, ip_version: 4, cidr: '10.0.0.0/24', gateway_ip: '10.0.0.1', enable_dhcp: true },
    ...{ ipv6_ra_mode: null, ipv6_address_mode: null, dns_nameservers: [], host_routes: [] },
    ...fields,
  };
}

function lease(n: number, fields: Partial<LeaseBody> = {}): LeaseBody {
  return {
    ...{ port_id: id(0xa0 + n), mac_address: `fa:16:3e:00:00:0${n}`, device_owner: 'compute:nova' },
    ...{ fixed_ips: [{ subnet_id: SUBNET, ip_address: `10.0.0.1${n}` }], dns_name: '', extra_dhcp_opts: [] },
    ...fields,
  };
}

function world(subnets: readonly SubnetBody[], leases: readonly LeaseBody[] = []): TestWorld {
  const made = new TestWorld('h1');
  made.putNetwork(networkBody(NETWORK));
  for (const each of subnets) made.put(`dhcp/${NETWORK}`, `subnet/${each.id}`, each);
  for (const each of leases) made.put(`dhcp/${NETWORK}`, `lease/${each.port_id}`, each);
  const fixed_ips = [{ subnet_id: SUBNET, ip_address: '10.0.0.2' }];
  made.putPort(portBody(id(0xd0), NETWORK, { device_owner: 'network:dhcp', fixed_ips }));
  return made;
}

const desired = (from: TestWorld): Desired => desiredOf(from, NETWORK, DEFAULT_SETTINGS);

function served(from: TestWorld): Desired & { kind: 'served' } {
  const found = desired(from);
  assert.equal(found.kind, 'served');
  return found as Desired & { kind: 'served' };
}

test('nothing is served outside the scope, without a DHCP subnet, or where the network is down', () => {
  assert.equal(desired(new TestWorld('h1')).kind, 'absent');
  assert.equal(desired(world([subnet({ enable_dhcp: false })])).kind, 'absent');
  const down = world([subnet()]);
  down.putNetwork(networkBody(NETWORK, { admin_state_up: false }));
  assert.equal(desired(down).kind, 'absent');
});

test('it waits for the network and for its own DHCP port, and says so', () => {
  const noNetwork = world([subnet()]);
  noNetwork.remove(`network/${NETWORK}`);
  assert.equal(desired(noNetwork).kind, 'waiting');
  const noPort = world([subnet()]);
  noPort.remove('host/h1', `port/${id(0xd0)}`);
  assert.equal(desired(noPort).kind, 'waiting');
  noPort.putPort(portBody(id(0xd1), NETWORK, { device_owner: 'network:router_interface' }));
  assert.equal(desired(noPort).kind, 'waiting');
});

test('names and addresses follow from the ids', () => {
  const { network } = served(world([subnet()]));
  assert.deepEqual(
    [network.namespace, network.tap, network.link, network.addresses],
    [`qdhcp-${NETWORK}`, 'tap000000d0-00', 'ns-000000d0-00', ['10.0.0.2/24']],
  );
});

test('which IPv6 subnets ask for addresses, for options, or for nothing', () => {
  const six = (mode: SubnetBody['ipv6_address_mode'], ra = mode) =>
    served(
      world([
        subnet({
          ip_version: 6,
          cidr: 'fd00::/64',
          ipv6_address_mode: mode,
          ipv6_ra_mode: ra,
          gateway_ip: null,
        }),
      ]),
    ).network.subnets.map((s) => s.stateful);
  assert.deepEqual(six('dhcpv6-stateful'), [true]);
  assert.deepEqual(six('dhcpv6-stateless'), [false]);
  assert.deepEqual(six('slaac'), []);
  assert.deepEqual(six(null), [true]);
  for (const advertised of ['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless'] as const)
    assert.deepEqual(six(null, advertised), [], 'another server answers');
  assert.deepEqual(six('dhcpv6-stateful', null), [true]);
  assert.deepEqual(six('dhcpv6-stateless', null), [false]);
});

test('what is wrong with one object is said of it and holds no other (R19)', () => {
  const leases = [
    lease(1),
    lease(2, { mac_address: 'fa:16:3e:00:00:02\nset:x' }),
    lease(3, { dns_name: 'a,b' }),
    lease(4, { mac_address: 'fa:16:3e:00:00:01' }),
    lease(5, { fixed_ips: [{ subnet_id: SUBNET, ip_address: '10.0.0.11' }] }),
    lease(6, { extra_dhcp_opts: [{ opt_name: 'mtu', opt_value: 'zzz', ip_version: 4 }] }),
  ];
  const found = served(
    world([subnet({ host_routes: [{ destination: '10.9.0.0/16', nexthop: 'x' }] })], leases),
  );
  assert.deepEqual(
    found.shortfalls.map((s) => [s.object, s.state]),
    [`subnet/${SUBNET}`, ...[2, 3, 4, 5, 6].map((n) => `port/${id(0xa0 + n)}`)].map((o) => [o, 'failed']),
  );
  assert.deepEqual(
    [...found.network.entries.keys()],
    [1, 3, 6].map((n) => id(0xa0 + n)),
  );
});

test('all replicas name the same resolvers', () => {
  const other = lease(9, {
    device_owner: 'network:dhcp',
    fixed_ips: [{ subnet_id: SUBNET, ip_address: '10.0.0.3' }],
  });
  const { network } = served(world([subnet()], [other]));
  assert.deepEqual(network.subnets[0]?.dnsServers, ['10.0.0.2', '10.0.0.3']);
  assert.equal(network.entries.get(other.port_id)?.hosts, '', 'a replica asks for no lease');
  assert.notEqual(network.entries.get(other.port_id)?.names, '');
});

test('a second address in a subnet has a name but no lease', () => {
  const fixed_ips = ['10.0.0.11', '10.0.0.12'].map((ip_address) => ({ subnet_id: SUBNET, ip_address }));
  const entry = served(world([subnet()], [lease(1, { fixed_ips })])).network.entries.get(id(0xa1));
  assert.equal(entry?.hosts, 'fa:16:3e:00:00:01,host-10-0-0-11.openstacklocal,10.0.0.11\n');
  assert.equal(entry?.names.trimEnd().split('\n').length, 2);
});

test('equal worlds give equal networks, whatever the road', () => {
  const leases = [lease(1), lease(2), lease(3)];
  const one = world([subnet()], leases);
  const two = world([subnet()], leases.toReversed());
  assert.deepEqual([...served(one).network.entries], [...served(two).network.entries]);
});
