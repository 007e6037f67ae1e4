/** Golden texts: whatever changes here changes what every dnsmasq is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, networkBody, portBody, TestWorld } from '../../../test/support/network-objects.ts';
import type { LeaseBody, SubnetBody } from '../../resources/agent-view.ts';
import { DEFAULT_SETTINGS, type DesiredNetwork, desiredOf } from './desired.ts';
import { claimsIn, configHash, parseBase, renderBase, renderConf, renderOptions } from './dnsmasq.ts';

const NETWORK = id(1);
const V4 = id(4);
const OTHER = id(5);
const V6 = id(6);

const subnet = (fields: Partial<SubnetBody>): SubnetBody => ({
  id: V4,
  ip_version: 4,
  cidr: '10.20.0.0/22',
  gateway_ip: '10.20.0.1',
  enable_dhcp: true,
  ipv6_ra_mode: null,
  ipv6_address_mode: null,
  dns_nameservers: [],
  host_routes: [],
  ...fields,
});

const lease = (n: number, fields: Partial<LeaseBody> = {}): LeaseBody => ({
  port_id: id(0xa0 + n),
  mac_address: `fa:16:3e:00:00:0${n}`,
  fixed_ips: [
    { subnet_id: V4, ip_address: `10.20.1.${n}` },
    { subnet_id: V6, ip_address: `fd20::${n}` },
  ],
  device_owner: 'compute:nova',
  dns_name: '',
  extra_dhcp_opts: [],
  ...fields,
});

function world(leases: readonly LeaseBody[] = [lease(1)], subnets?: readonly SubnetBody[]): TestWorld {
  const made = new TestWorld('h1');
  made.putNetwork(networkBody(NETWORK));
  const six = { id: V6, ip_version: 6, cidr: 'fd20::/64', ipv6_address_mode: 'dhcpv6-stateful' } as const;
  for (const each of subnets ?? [subnet({}), subnet({ ...six, gateway_ip: 'fd20::1' })])
    made.put(`dhcp/${NETWORK}`, `subnet/${each.id}`, each);
  for (const each of leases) made.put(`dhcp/${NETWORK}`, `lease/${each.port_id}`, each);
  const fixed_ips = [
    { subnet_id: V4, ip_address: '10.20.0.2' },
    { subnet_id: V6, ip_address: 'fd20::2' },
  ];
  made.putPort(portBody(id(0xd0), NETWORK, { device_owner: 'network:dhcp', fixed_ips }));
  return made;
}

function served(from: TestWorld): DesiredNetwork {
  const desired = desiredOf(from, NETWORK, DEFAULT_SETTINGS);
  assert.equal(desired.kind, 'served');
  return (desired as { network: DesiredNetwork }).network;
}

const input = (network: DesiredNetwork) => ({
  network,
  settings: DEFAULT_SETTINGS,
  directory: '/state/dhcp/n',
  watched: true,
});

test('the main configuration', () => {
  const option = { opt_name: 'mtu', opt_value: '1400', ip_version: 4 } as const;
  const network = served(world([lease(1, { extra_dhcp_opts: [option] }), lease(2)]));
  assert.equal(
    renderConf(input(network)),
    `port=53
no-hosts
no-resolv
user=nobody
pid-file
bind-dynamic
interface=ns-000000d0-00
except-interface=lo
no-ping
quiet-dhcp
quiet-dhcp6
quiet-ra
log-facility=/state/dhcp/n/log
dhcp-leasefile=/state/dhcp/n/leases
dhcp-lease-max=65536
domain=openstacklocal
local=/openstacklocal/
dhcp-match=set:ipxe,175
dhcp-range=set:subnet-${V4},10.20.0.0,static,255.255.252.0,86400s
dhcp-range=set:subnet-${V6},fd20::,static,64,86400s
dhcp-ignore=tag:!known,tag:subnet-${V4}
dhcp-ignore=tag:!known,tag:subnet-${V6}
dhcp-mac=set:port-${id(0xa1)},fa:16:3e:00:00:01
dhcp-hostsfile=/state/dhcp/n/base
dhcp-hostsdir=/state/dhcp/n/hosts
dhcp-optsfile=/state/dhcp/n/fence
dhcp-optsfile=/state/dhcp/n/opts
addn-hosts=/state/dhcp/n/names-base
hostsdir=/state/dhcp/n/names
`,
  );
});

test('the options of subnets and ports', () => {
  const option = { opt_name: 'mtu', opt_value: '1400', ip_version: 4 } as const;
  const routed = subnet({ host_routes: [{ destination: '198.51.100.0/24', nexthop: '10.20.0.9' }] });
  const bare = subnet({
    id: OTHER,
    cidr: '10.30.0.0/24',
    gateway_ip: null,
    enable_dhcp: false,
    dns_nameservers: ['0.0.0.0'],
  });
  const six = subnet({ id: V6, ip_version: 6, cidr: 'fd20::/64', dns_nameservers: ['2001:db8::53'] });
  const network = served(world([lease(1, { extra_dhcp_opts: [option] })], [routed, bare, six]));
  assert.equal(
    renderOptions(network),
    `tag:subnet-${V4},option:router,10.20.0.1
tag:subnet-${V4},option:dns-server,10.20.0.2
tag:subnet-${V4},option:mtu,1450
tag:subnet-${V4},option:classless-static-route,10.30.0.0/24,0.0.0.0,198.51.100.0/24,10.20.0.9,0.0.0.0/0,10.20.0.1
tag:subnet-${V4},249,10.30.0.0/24,0.0.0.0,198.51.100.0/24,10.20.0.9,0.0.0.0/0,10.20.0.1
tag:subnet-${V6},option6:dns-server,[2001:db8::53]
tag:subnet-${V6},option6:domain-search,openstacklocal
tag:port-${id(0xa1)},option:mtu,1400
`,
  );
});

test('a subnet that wants no gateway and no name server says so', () => {
  const network = served(world([], [subnet({ gateway_ip: null, dns_nameservers: ['0.0.0.0'] })]));
  assert.match(renderOptions(network), /^tag:\S+,option:router\ntag:\S+,option:dns-server\ntag:/);
});

test('the entries of ports, and back', () => {
  const { entries } = served(world([lease(1), lease(2, { dns_name: 'Web.example.org' })]));
  const hosts = renderBase(entries, 'hosts');
  assert.equal(
    hosts,
    `# ${id(0xa1)}
fa:16:3e:00:00:01,host-10-20-1-1.openstacklocal,10.20.1.1
fa:16:3e:00:00:01,host-fd20--1.openstacklocal,[fd20::1]
# ${id(0xa2)}
fa:16:3e:00:00:02,web.openstacklocal,10.20.1.2
fa:16:3e:00:00:02,web.openstacklocal,[fd20::2]
`,
  );
  assert.equal(
    renderBase(entries, 'names').split('\n')[1],
    '10.20.1.1 host-10-20-1-1.openstacklocal host-10-20-1-1',
  );
  for (const [portId, text] of parseBase(hosts)) assert.equal(entries.get(portId)?.hosts, text);
  assert.deepEqual(claimsIn(entries.get(id(0xa1))?.hosts ?? ''), [
    'fa:16:3e:00:00:01',
    '10.20.1.1',
    'fa:16:3e:00:00:01',
    'fd20::1',
  ]);
  assert.ok(!hosts.includes('set:'), 'SIGHUP kills a dnsmasq 2.90 whose host lines carry tags');
});

test('the config hash changes with what only a restart changes', () => {
  const hash = (network: DesiredNetwork) => configHash(input(network));
  const before = hash(served(world()));
  assert.equal(hash(served(world([lease(1), lease(2)]))), before, 'a port more');
  const routed = [
    subnet({ gateway_ip: '10.20.0.9', dns_nameservers: ['192.0.2.1'] }),
    subnet({ id: V6, ip_version: 6, cidr: 'fd20::/64' }),
  ];
  assert.equal(hash(served(world(undefined, routed))), before, 'other options');
  assert.notEqual(hash(served(world(undefined, [subnet({})]))), before, 'a subnet less');
  const option = { opt_name: 'mtu', opt_value: '1400', ip_version: 4 } as const;
  const tagged = served(world([lease(1, { extra_dhcp_opts: [option] })]));
  assert.notEqual(hash(tagged), before, 'a port with options');
  assert.notEqual(
    configHash({ ...input(served(world())), settings: { ...DEFAULT_SETTINGS, leaseSeconds: 600 } }),
    before,
  );
});
