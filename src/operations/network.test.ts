import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createNetwork,
  deleteNetwork,
  listNetworks,
  subnetsOfNetworks,
  updateNetwork,
  type NetworkChanges,
} from './network.ts';
import { createPort } from './port.ts';
import { deleteQuota, quotaUsage, showQuota, updateQuota } from './quota.ts';
import {
  createSubnet,
  deleteSubnet,
  listSubnets,
  showSubnet,
  updateSubnet,
  type SubnetChanges,
  type SubnetCreate,
} from './subnet.ts';
import { bench, fault } from './testing.ts';

test('a network is VXLAN with a VNI of the range and the MTU that is left', async () => {
  const b = bench();
  const network = await b.network({ name: 'one' });
  assert.equal(network.network_type, 'vxlan');
  assert.ok(network.segmentation_id! >= 1000 && network.segmentation_id! <= 1999);
  assert.equal(network.mtu, 1450);
  assert.equal(network.status, 'ACTIVE');
  assert.deepEqual(b.store.rows('networks'), [network]);
  await assert.rejects(b.network({ mtu: 1451 }), fault('InvalidInput', 'maximum is 1450'));
});

test('creates at once never share a VNI, up to the last one', async () => {
  const b = bench({ vniRange: [10, 29] });
  const networks = await Promise.all(Array.from({ length: 20 }, () => b.network()));
  assert.equal(new Set(networks.map((network) => network.segmentation_id)).size, 20);
  await assert.rejects(b.network(), fault('NoNetworkAvailable'));
});

test('what a provider network may be', async () => {
  const b = bench();
  const flat = await b.network({ network_type: 'flat', physical_network: 'physnet1' });
  assert.deepEqual([flat.mtu, flat.segmentation_id], [1500, null]);
  const refused: [Parameters<typeof b.network>[0], Parameters<typeof fault>][] = [
    [{ network_type: 'flat', physical_network: 'physnet1' }, ['FlatNetworkInUse', 'physnet1 is in use']],
    [{ network_type: 'flat' }, ['InvalidInput', 'physical_network required']],
    [{ network_type: 'flat', physical_network: 'x' }, ['InvalidInput', "physical_network 'x' unknown"]],
    [
      { network_type: 'vlan', physical_network: 'physnet1', segmentation_id: 5 },
      ['InvalidInput', 'VLAN provider networks are disabled'],
    ],
    [{ network_type: 'vxlan', physical_network: 'physnet1' }, ['InvalidInput', 'physical_network specified']],
    [{ network_type: 'vxlan', segmentation_id: 2 ** 24 }, ['InvalidInput', 'out of range']],
    [{ segmentation_id: 5 }, ['InvalidInput', 'network_type required']],
  ];
  for (const [asked, expected] of refused) await assert.rejects(b.network(asked), fault(...expected));
  const named = await b.network({ network_type: 'vxlan', segmentation_id: 77 });
  assert.equal(named.segmentation_id, 77);
  await assert.rejects(
    b.network({ network_type: 'vxlan', segmentation_id: 77 }),
    fault('TunnelIdInUse', 'The tunnel ID 77 is in use.'),
  );
});

test('`*` offers every physical network, and is none', async () => {
  const b = bench({ flatNetworks: ['*'] });
  const flat = await b.network({ network_type: 'flat', physical_network: 'lab' });
  assert.equal(flat.physical_network, 'lab');
  await assert.rejects(
    b.network({ network_type: 'flat', physical_network: '*' }),
    fault('InvalidInput', "physical_network '*' unknown"),
  );
});

test('an update moves the revision; provider attributes stay', async () => {
  const b = bench();
  const network = await b.network();
  const update = (changes: NetworkChanges, call = b.call) =>
    b.run((tx) => updateNetwork(tx, call, { id: network.id, changes }));
  b.pass(5000);
  const renamed = await update({ name: 'new' });
  assert.deepEqual(
    [renamed.name, renamed.revision_number, renamed.updated_at],
    ['new', 2, '2026-01-31T12:00:05Z'],
  );
  await assert.rejects(update({ segmentation_id: 5 }), fault('InvalidInput', 'provider attributes'));
  await assert.rejects(update({ name: 'x' }, b.as('other')), fault('NetworkNotFound'));
  await update({ shared: true });
  await assert.rejects(update({ name: 'x' }, b.as('other')), fault('PolicyNotAuthorized'));
  await b.run((tx) => createPort(tx, b.as('other'), [{ network_id: network.id }]));
  await assert.rejects(update({ shared: false }), fault('InvalidSharedSetting'));
});

test('a network with ports stays; without them it goes with its subnets', async () => {
  const b = bench();
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  const [port] = await b.run((tx) => createPort(tx, b.call, [{ network_id: network.id }]));
  const remove = () => b.run((tx) => deleteNetwork(tx, b.call, { id: network.id }));
  await assert.rejects(remove(), fault('NetworkInUse', port!.id));
  await b.run((tx) => tx.ports.remove({ id: port!.id }));
  await remove();
  assert.deepEqual([b.store.rows('networks'), b.store.rows('subnets')], [[], []]);
  await assert.rejects(remove(), fault('NetworkNotFound'));
});

test('a subnet gets its gateway and pool, and bumps its network', async () => {
  const b = bench();
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.7/24');
  assert.deepEqual(
    [subnet.cidr, subnet.gateway_ip, subnet.allocation_pools, subnet.ip_version],
    ['10.0.0.0/24', '10.0.0.1', [{ start: '10.0.0.2', end: '10.0.0.254' }], 4],
  );
  assert.equal(b.store.rows('networks')[0]?.revision_number, 2);
  const none = await b.subnet(network.id, '10.0.1.0/24', { gateway_ip: null });
  assert.deepEqual([none.gateway_ip, none.allocation_pools[0]?.start], [null, '10.0.1.1']);
  const subnets = await b.store.view((view) => subnetsOfNetworks(view, [network.id]));
  assert.deepEqual(subnets.map(({ id }) => id).sort(), [subnet.id, none.id].sort());
});

test('what a subnet may not be', async () => {
  const b = bench();
  const network = await b.network();
  await b.subnet(network.id, '10.0.0.0/24');
  const slaac = { ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' } as const;
  const refused: [string, SubnetCreate, Parameters<typeof fault>][] = [
    [
      '10.0.0.128/25',
      {},
      ['InvalidInput', `Requested subnet with cidr: 10.0.0.128/25 for network: ${network.id} overlaps`],
    ],
    ['10.1.0.0/24', { ip_version: 6 }, ['InvalidInput', "does not match the ip_version '6'"]],
    ['10.1.0.0/24', { gateway_ip: '2001:db8::1' }, ['InvalidInput', 'gateway_ip']],
    ['10.1.0.0/24', { gateway_ip: '10.1.0.255' }, ['InvalidInput', 'Gateway is not valid on subnet']],
    ['10.1.0.0/31', {}, ['InvalidInput', 'incompatible with DHCP']],
    ['224.0.0.0/24', {}, ['InvalidInput', 'Multicast']],
    ['127.0.0.0/24', {}, ['InvalidInput', 'Loopback']],
    ['0.0.0.0/24', {}, ['InvalidInput', 'First IP']],
    ['0.0.0.0/0', {}, ['InvalidInput', 'CIDR prefix length']],
    [
      '10.1.0.0/24',
      { allocation_pools: [{ start: '10.1.0.1', end: '10.1.0.9' }] },
      ['GatewayConflictWithAllocationPools'],
    ],
    [
      '10.1.0.0/24',
      { allocation_pools: [{ start: '10.1.0.9', end: '10.1.1.9' }] },
      ['OutOfBoundsAllocationPool'],
    ],
    [
      '10.1.0.0/24',
      { allocation_pools: [{ start: '10.1.0.9', end: '10.1.0.2' }] },
      ['InvalidAllocationPool'],
    ],
    [
      '10.1.0.0/24',
      {
        allocation_pools: [
          { start: '10.1.0.2', end: '10.1.0.9' },
          { start: '10.1.0.9', end: '10.1.0.20' },
        ],
      },
      ['OverlappingAllocationPools'],
    ],
    ['10.1.0.0/24', { dns_nameservers: ['2001:db8::1'] }, ['InvalidInput', 'dns_nameserver']],
    [
      '10.1.0.0/24',
      { dns_nameservers: Array.from({ length: 6 }, (_, i) => `192.0.2.${i}`) },
      ['DNSNameServersExhausted'],
    ],
    [
      '10.1.0.0/24',
      { host_routes: [{ destination: '2001:db8::/64', nexthop: '10.1.0.1' }] },
      ['InvalidInput', 'destination'],
    ],
    [
      '10.1.0.0/24',
      { host_routes: [{ destination: '10.9.0.0/24', nexthop: '2001:db8::1' }] },
      ['InvalidInput', 'nexthop'],
    ],
    ['10.1.0.0/24', { service_types: ['anything'] }, ['InvalidServiceType']],
    ['10.1.0.0/24', slaac, ['InvalidInput', 'ipv6_ra_mode is not valid when ip_version is 4']],
    ['2001:db8::/64', { ...slaac, enable_dhcp: false }, ['InvalidInput', 'enable_dhcp is set to False']],
    [
      '2001:db8::/64',
      { ...slaac, ipv6_ra_mode: 'dhcpv6-stateful' },
      ['InvalidInput', 'they must be the same value'],
    ],
    ['2001:db8::/65', slaac, ['InvalidInput', 'requires the prefix to be /64']],
  ];
  for (const [cidr, asked, expected] of refused) {
    await assert.rejects(
      b.subnet(network.id, cidr, asked),
      fault(...expected),
      `${cidr} ${JSON.stringify(asked)}`,
    );
  }
  await assert.rejects(
    b.run((tx) => createSubnet(tx, b.call, [{ network_id: network.id }])),
    fault('BadRequest', 'a subnetpool must be specified in the absence of a cidr'),
  );
  await assert.rejects(b.subnet('nowhere', '10.1.0.0/24'), fault('NetworkNotFound'));
  assert.equal(b.store.rows('subnets').length, 1);
});

test('subnets of one list must not overlap, nor those of creates at once', async () => {
  const b = bench();
  const network = await b.network();
  const asked = { network_id: network.id, cidr: '10.0.0.0/24' };
  await assert.rejects(
    b.run((tx) => createSubnet(tx, b.call, [asked, asked])),
    fault('InvalidInput', 'overlaps'),
  );
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, () => b.subnet(network.id, '10.0.0.0/24')),
  );
  assert.equal(results.filter((result) => result.status === 'fulfilled').length, 1);
});

test('a subnet changes within its rules', async () => {
  const b = bench();
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.0/24');
  const update = (changes: SubnetChanges, id = subnet.id) =>
    b.run((tx) => updateSubnet(tx, b.call, { id, changes }));
  await assert.rejects(update({ gateway_ip: '10.0.0.9' }), fault('GatewayConflictWithAllocationPools'));
  const moved = await update({
    gateway_ip: '10.0.0.9',
    allocation_pools: [{ start: '10.0.0.20', end: '10.0.0.30' }],
  });
  assert.deepEqual([moved.gateway_ip, moved.revision_number], ['10.0.0.9', 2]);
  await b.run((tx) =>
    createPort(tx, b.call, [
      {
        network_id: network.id,
        device_owner: 'network:router_interface',
        fixed_ips: [{ ip_address: '10.0.0.9' }],
      },
    ]),
  );
  await assert.rejects(update({ gateway_ip: null }), fault('GatewayIpInUse', '10.0.0.9'));
  const slaac = await b.subnet(network.id, '2001:db8::/64', {
    ipv6_ra_mode: 'slaac',
    ipv6_address_mode: 'slaac',
  });
  await assert.rejects(
    update({ enable_dhcp: false }, slaac.id),
    fault('InvalidInput', 'Cannot disable enable_dhcp'),
  );
});

test('a subnet with addresses in use stays, but automatic addresses go with it', async () => {
  const b = bench();
  const network = await b.network();
  const manual = await b.subnet(network.id, '10.0.0.0/24');
  const slaac = await b.subnet(network.id, '2001:db8::/64', {
    ipv6_ra_mode: 'slaac',
    ipv6_address_mode: 'slaac',
  });
  await b.run((tx) => createPort(tx, b.call, [{ network_id: network.id }]));
  await assert.rejects(
    b.run((tx) => deleteSubnet(tx, b.call, { id: manual.id })),
    fault('SubnetInUse', manual.id),
  );
  await b.run((tx) => deleteSubnet(tx, b.call, { id: slaac.id }));
  assert.deepEqual(
    b.store.rows('ports')[0]?.fixed_ips.map((ip) => ip.subnet_id),
    [manual.id],
  );
  assert.equal(b.store.rows('ipAllocations').length, 1);
});

test('projects see their own and what is shared', async () => {
  const b = bench();
  const own = await b.network();
  const shared = await b.network({ shared: true, project_id: 'admin' });
  const hidden = await b.network({ project_id: 'admin' });
  const visible = await b.subnet(shared.id, '10.0.0.0/24', { project_id: 'admin' });
  const secret = await b.subnet(hidden.id, '10.0.0.0/24', { project_id: 'admin' });
  const call = b.as('demo');
  const query = { filters: [], sort: [] };
  const networks = await b.store.view((view) => listNetworks(view, call, query));
  assert.deepEqual(networks.map((one) => one.id).sort(), [own.id, shared.id].sort());
  const subnets = await b.store.view((view) => listSubnets(view, call, query));
  assert.deepEqual(
    subnets.map((one) => one.id),
    [visible.id],
  );
  await assert.rejects(
    b.store.view((view) => showSubnet(view, call, secret.id)),
    fault('SubnetNotFound'),
  );
  await assert.rejects(
    b.run((tx) => createSubnet(tx, call, [{ network_id: shared.id, cidr: '10.1.0.0/24' }])),
    fault('PolicyNotAuthorized'),
  );
});

test('a project has the default limits or its own', async () => {
  const b = bench({ quotas: { network: 1, subnet: 5, port: 5 } });
  await b.network();
  await assert.rejects(b.network(), fault('OverQuota', "['network']"));
  const limits = await b.run((tx) => updateQuota(tx, b.call, { projectId: 'demo', limits: { network: 2 } }));
  const unlimited = {
    ...{ router: -1, floatingip: -1, rbac_policy: -1, subnetpool: -1, trunk: -1 },
    ...{ security_group: -1, security_group_rule: -1 },
  };
  assert.deepEqual(limits, { network: 2, subnet: 5, port: 5, ...unlimited });
  await b.network();
  const usage = await b.store.view((view) => quotaUsage(view, b.call, 'demo'));
  assert.deepEqual(usage['network'], { limit: 2, used: 2, reserved: 0 });
  await assert.rejects(
    b.run((tx) => updateQuota(tx, b.call, { projectId: 'demo', limits: { bgpvpn: 2 } })),
    fault('QuotaResourceUnknown', "Unknown quota resources ['bgpvpn']."),
  );
  await b.run((tx) => deleteQuota(tx, b.call, 'demo'));
  assert.equal((await b.store.view((view) => showQuota(view, b.call, 'demo')))['network'], 1);
  await assert.rejects(
    b.run((tx) => deleteQuota(tx, b.call, 'demo')),
    fault('TenantQuotaNotFound'),
  );
  await b.run((tx) => createNetwork(tx, b.call, [{ project_id: 'fresh' }]));
});
