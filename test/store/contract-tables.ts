/** Table verbs: what they find, change and return; what constraints refuse. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ForeignKeyViolation,
  type Store,
  type Table,
  type Transaction,
  UniqueViolation,
} from '../../src/store/store.ts';
import type { WithStore } from './contract.ts';
import { EVERYTHING } from './everything.ts';
import {
  agent,
  agentId,
  allocation,
  block,
  dhcpBinding,
  host,
  network,
  networkId,
  port,
  portId,
  securityGroup,
  securityGroupRule,
  subnet,
  subnetId,
} from './rows.ts';

const PARENTS_FIRST = [
  'qosPolicies',
  'qosRules',
  'addressGroups',
  'addressScopes',
  'subnetPools',
  'rbacPolicies',
  'securityGroups',
  'securityGroupRules',
  'networks',
  'subnets',
  'ports',
  'portSecurityGroups',
  'ipAllocations',
  'provisioningBlocks',
  'hosts',
  'agents',
  'dhcpBindings',
  'haNetworks',
  'meteringLabels',
  'meteringLabelRules',
  'autoAllocatedTopologies',
  'networkSegmentRanges',
  'flavors',
  'serviceProfiles',
  'flavorProfiles',
  'trunks',
  'subports',
  'routers',
  'routerBindings',
  'floatingIps',
  'portForwardings',
  'routerRemovals',
  'quotas',
  'leases',
  'fencings',
  'fenceChecks',
  'events',
] as const;
/** The compiler says which table is not among them. */
type Left = Exclude<keyof typeof EVERYTHING, (typeof PARENTS_FIRST)[number]>;
const NONE_LEFT: [Left] extends [never] ? true : Left = true;

async function insertEverything(tx: Transaction): Promise<void> {
  assert.ok(NONE_LEFT);
  for (const name of PARENTS_FIRST) {
    await (tx[name] as Table<object>).insert(EVERYTHING[name]);
  }
}

export async function refuses(
  store: Store,
  error: typeof UniqueViolation | typeof ForeignKeyViolation,
  constraint: string,
  work: (tx: Transaction) => Promise<unknown>,
): Promise<void> {
  await assert.rejects(store.transact(work), (thrown) => {
    assert.ok(thrown instanceof error, String(thrown));
    assert.equal(thrown.constraint, constraint);
    return true;
  });
}

export function tableTests(withStore: WithStore): void {
  test('every column of every table comes back as it went in', () =>
    withStore(async (store) => {
      await store.transact(insertEverything);
      await store.view(async (view) => {
        for (const name of PARENTS_FIRST) {
          assert.deepEqual(await view[name].find({}), EVERYTHING[name], name);
        }
      });
    }));

  test('many rows go in at once, and come out in the order of the primary key', () =>
    withStore(async (store) => {
      const rows = [7, 3, 12, 1].map((n) => network(n, { availability_zone_hints: [`z${n}`, 'q"\\,{}'] }));
      await store.transact((tx) => tx.networks.insert(rows));
      await store.transact(async (tx) => {
        const found = await tx.networks.find({});
        assert.deepEqual(
          found.map((row) => row.segmentation_id),
          [1, 3, 7, 12],
        );
        assert.deepEqual(found[3], rows[2]);
        await tx.ipAllocations.insert([]);
      });
    }));

  test('a two-column key orders by its columns in turn', () =>
    withStore(async (store) => {
      const row = (project_id: string, resource: string) => ({ project_id, resource, limit: 1 });
      await store.transact(async (tx) => {
        await tx.quotas.insert([row('b', 'a'), row('a', 'b'), row('B', 'z'), row('a', 'a')]);
        assert.deepEqual(
          (await tx.quotas.find({})).map((r) => r.project_id + r.resource),
          ['Bz', 'aa', 'ab', 'ba'],
        );
      });
    }));

  test('where: equality, membership, null, conjunction, nothing', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.networks.insert([
          network(1, { physical_network: 'x' }),
          network(2, { mtu: 9000 }),
          network(3, { mtu: 9000, shared: true }),
        ]);
        const ids = async (where: Parameters<typeof tx.networks.find>[0]) =>
          (await tx.networks.find(where)).map((row) => row.segmentation_id);
        assert.deepEqual(await ids({}), [1, 2, 3]);
        assert.deepEqual(await ids({ id: networkId(2) }), [2]);
        assert.deepEqual(await ids({ mtu: 9000 }), [2, 3]);
        assert.deepEqual(await ids({ mtu: 9000, shared: true }), [3]);
        assert.deepEqual(await ids({ id: [networkId(3), networkId(1), networkId(9)] }), [1, 3]);
        assert.deepEqual(await ids({ id: [] }), []);
        assert.deepEqual(await ids({ physical_network: null }), [2, 3]);
        assert.deepEqual(await ids({ physical_network: ['x'] }), [1]);
        assert.deepEqual(await ids({ physical_network: ['x', null] }), [1, 2, 3]);
        assert.deepEqual(await ids({ id: 'not a uuid' }), []);
        assert.deepEqual(await ids({ mtu: 2 ** 40 }), []);
        assert.equal(await tx.networks.count({ mtu: 9000 }), 2);
        assert.equal(await tx.networks.count({}), 3);
        assert.equal(await tx.networks.count({ id: [] }), 0);
        assert.deepEqual(await tx.networks.get({ id: networkId(9) }), undefined);
        assert.equal((await tx.networks.get({ shared: true }))?.segmentation_id, 3);
      });
    }));

  test('get: two rows where one was meant are a bug', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1), network(2)]));
      await assert.rejects(
        store.view((view) => view.networks.get({ project_id: 'p1' })),
        { name: 'Bug' },
      );
    }));

  test('update changes what is named, where it is meant, and returns the rows as they are', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.ports.insert([]));
      await store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.ports.insert([port(2, 1), port(1, 1), port(3, 1, { name: 'other' })]);
        const fixed_ips = [{ subnet_id: subnetId(1), ip_address: '10.0.1.7' }];
        const updated = await tx.ports.update(
          { id: [portId(1), portId(2)] },
          { fixed_ips, revision_number: 5 },
        );
        assert.deepEqual(updated, [
          port(1, 1, { fixed_ips, revision_number: 5 }),
          port(2, 1, { fixed_ips, revision_number: 5 }),
        ]);
        assert.deepEqual(await tx.ports.update({ id: portId(9) }, { name: 'x' }), []);
        assert.deepEqual(await tx.ports.update({ id: [] }, { name: 'x' }), []);
        assert.deepEqual(await tx.ports.update({ id: portId(3) }, {}), [port(3, 1, { name: 'other' })]);
      });
      await store.view(async (view) => {
        assert.deepEqual(
          (await view.ports.find({})).map((row) => row.revision_number),
          [5, 5, 0],
        );
      });
    }));

  test('a column can become null and be set again', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.subnets.insert([subnet(1, 1)]);
        assert.equal((await tx.subnets.update({}, { gateway_ip: null }))[0]?.gateway_ip, null);
        assert.equal((await tx.subnets.update({}, { gateway_ip: '10.0.1.9' }))[0]?.gateway_ip, '10.0.1.9');
      });
    }));

  test('remove returns what it removed', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.networks.insert([network(2), network(1), network(3)]);
        assert.deepEqual(await tx.networks.remove({ id: [networkId(2), networkId(1)] }), [
          network(1),
          network(2),
        ]);
        assert.deepEqual(await tx.networks.remove({ id: networkId(1) }), []);
        assert.deepEqual(await tx.networks.find({}), [network(3)]);
      });
    }));

  test('lock returns the rows', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(2), network(1)]));
      const { result, place } = await store.transact((tx) => tx.networks.lock({ project_id: 'p1' }));
      assert.deepEqual(result, [network(1), network(2)]);
      assert.equal(place, null);
    }));

  test('rows given and rows returned are apart from the store', () =>
    withStore(async (store) => {
      const given = network(1, { availability_zone_hints: ['a'] });
      await store.transact(async (tx) => {
        await tx.networks.insert([given]);
        given.availability_zone_hints.push('b');
        const found = await tx.networks.get({});
        found?.availability_zone_hints.push('c');
        if (found) found.name = 'changed';
        assert.deepEqual(await tx.networks.get({}), network(1, { availability_zone_hints: ['a'] }));
      });
    }));

  test('unique and primary keys refuse, by name', () =>
    withStore(async (store) => {
      await store.transact(insertEverything);
      const unique = (constraint: string, work: (tx: Transaction) => Promise<unknown>) =>
        refuses(store, UniqueViolation, constraint, work);
      await unique('subnet_pools_default', (tx) =>
        tx.subnetPools.insert(EVERYTHING.subnetPools.map((pool) => ({ ...pool, id: networkId(60) }))),
      );
      await unique('networks_pkey', (tx) => tx.networks.insert([network(1)]));
      await unique('networks_segment', (tx) =>
        tx.networks.insert([
          network(2, { network_type: 'flat', physical_network: 'physnet1', segmentation_id: null }),
        ]),
      );
      await unique('networks_segment', (tx) =>
        tx.networks.insert([network(2, { segmentation_id: 77 }), network(3, { segmentation_id: 77 })]),
      );
      await unique('ports_mac', (tx) =>
        tx.ports.insert([port(2, 1, { mac_address: port(1, 1).mac_address })]),
      );
      await unique('ports_mac', async (tx) => {
        await tx.ports.insert([port(2, 1)]);
        await tx.ports.update({ id: portId(2) }, { mac_address: port(1, 1).mac_address });
      });
      await unique('ip_allocations_pkey', (tx) =>
        tx.ipAllocations.insert([{ ...allocation(1, 1, 1, '10.0.1.2'), network_id: networkId(8) }]),
      );
      await unique('ip_allocations_address', async (tx) => {
        await tx.subnets.insert([subnet(2, 1)]);
        await tx.ipAllocations.insert([allocation(2, 1, 1, '10.0.1.2')]);
      });
      await unique('provisioning_blocks_pkey', (tx) => tx.provisioningBlocks.insert([block(1, 'L2', 5)]));
      await unique('hosts_pkey', (tx) => tx.hosts.insert([host('h1')]));
      await unique('hosts_credential', (tx) => tx.hosts.insert([host('h2', { credential_hash: 'abc' })]));
      await unique('agents_pkey', (tx) => tx.agents.insert([agent(1, 'h1', { role: 'l2' })]));
      await unique('agents_host_role', (tx) => tx.agents.insert([agent(2, 'h1')]));
      await unique('dhcp_bindings_pkey', (tx) => tx.dhcpBindings.insert([dhcpBinding(1, 1, 'h1')]));
      await unique('security_groups_default', (tx) =>
        tx.securityGroups.insert([securityGroup(3, { default_of: 'p1' })]),
      );
      await unique('port_security_groups_pkey', (tx) =>
        tx.portSecurityGroups.insert(EVERYTHING.portSecurityGroups),
      );
      await unique('quotas_pkey', (tx) =>
        tx.quotas.insert([{ project_id: 'p1', resource: 'port', limit: 5 }]),
      );
      await store.transact(async (tx) => {
        // nulls are not equal here, and the same segment of another physical network is free
        await tx.hosts.insert([host('h2'), host('h3')]);
        await tx.networks.insert([
          network(2, { network_type: 'flat', physical_network: 'physnet2', segmentation_id: null }),
        ]);
        await tx.ports.insert([port(2, 2, { mac_address: port(1, 1).mac_address })]);
      });
    }));

  test('foreign keys refuse, by name', () =>
    withStore(async (store) => {
      await store.transact(insertEverything);
      const foreign = (constraint: string, work: (tx: Transaction) => Promise<unknown>) =>
        refuses(store, ForeignKeyViolation, constraint, work);
      await foreign('subnets_subnet_pool', (tx) =>
        tx.subnets.insert([subnet(2, 1, { subnetpool_id: networkId(9) })]),
      );
      await foreign('subnets_subnet_pool', (tx) => tx.subnetPools.remove({}));
      await foreign('subnet_pools_address_scope', (tx) => tx.addressScopes.remove({}));
      await foreign('trunks_port', (tx) => tx.ports.remove({ id: portId(1) }));
      await foreign('trunk_subports_port', (tx) => tx.ports.remove({ id: portId(91) }));
      await foreign('routers_flavor', (tx) => tx.flavors.remove({}));
      await foreign('flavor_profiles_profile', (tx) => tx.serviceProfiles.remove({}));
      await foreign('subnets_network', (tx) => tx.subnets.insert([subnet(2, 9)]));
      await foreign('ports_network', (tx) => tx.ports.insert([port(2, 9)]));
      await foreign('ip_allocations_subnet', (tx) =>
        tx.ipAllocations.insert([allocation(9, 1, 1, '10.0.1.3')]),
      );
      await foreign('ip_allocations_port', (tx) =>
        tx.ipAllocations.insert([allocation(1, 1, 9, '10.0.1.3')]),
      );
      await foreign('provisioning_blocks_port', (tx) => tx.provisioningBlocks.insert([block(9, 'L2', 1)]));
      await foreign('agents_host', (tx) => tx.agents.insert([agent(2, 'nowhere')]));
      await foreign('security_group_rules_group', (tx) =>
        tx.securityGroupRules.insert([securityGroupRule(5, 9)]),
      );
      await foreign('security_group_rules_remote', (tx) =>
        tx.securityGroupRules.insert([securityGroupRule(5, 1, { remote_group_id: networkId(9) })]),
      );
      await foreign('security_group_rules_address_group', (tx) => tx.addressGroups.remove({}));
      await foreign('port_security_groups_group', (tx) =>
        tx.securityGroups.remove({ id: securityGroup(1).id }),
      );
      await foreign('port_security_groups_port', (tx) =>
        tx.portSecurityGroups.insert([{ port_id: portId(9), security_group_id: securityGroup(2).id }]),
      );
      await foreign('dhcp_bindings_network', (tx) => tx.dhcpBindings.insert([dhcpBinding(9, 1, 'h1')]));
      await foreign('dhcp_bindings_agent', (tx) => tx.dhcpBindings.insert([dhcpBinding(1, 9, 'h1')]));
      // a child still is there
      await store.transact(async (tx) => {
        await tx.networks.insert([network(2)]);
        await tx.ports.insert([port(2, 2)]);
      });
      await foreign('ports_network', (tx) => tx.networks.remove({ id: networkId(2) }));
      await foreign('ip_allocations_subnet', (tx) => tx.subnets.remove({ id: subnetId(1) }));
    }));

  test('what goes by cascade', () =>
    withStore(async (store) => {
      await store.transact(insertEverything);
      await store.transact(async (tx) => {
        await tx.trunks.remove({});
        assert.equal(await tx.subports.count({}), 0);
        await tx.ports.remove({ id: portId(1) });
        assert.equal(await tx.ipAllocations.count({}), 0);
        assert.equal(await tx.provisioningBlocks.count({}), 0);
        assert.equal(await tx.portSecurityGroups.count({}), 0);
        await tx.securityGroups.remove({ id: securityGroup(2).id });
        const rules = await tx.securityGroupRules.find({});
        assert.deepEqual(
          rules.map(({ id }) => id),
          [1, 2].map((n) => securityGroupRule(n, 1).id),
        );
        await tx.securityGroups.remove({});
        assert.equal(await tx.securityGroupRules.count({}), 0);
        await tx.hosts.remove({ name: 'h1' });
        assert.equal(await tx.agents.count({ id: agentId(1) }), 0);
        assert.equal(await tx.dhcpBindings.count({}), 0);
        assert.equal(await tx.routerBindings.count({}), 0);
        await tx.floatingIps.remove({});
        assert.equal(await tx.portForwardings.count({}), 0);
        await tx.routers.remove({});
        await tx.flavors.remove({});
        assert.equal(await tx.flavorProfiles.count({}), 0);
        await tx.ports.remove({});
        await tx.networks.remove({ id: networkId(1) });
        assert.equal(await tx.subnets.count({}), 0);
        assert.equal(await tx.haNetworks.count({}), 0);
        assert.equal(await tx.quotas.count({}), 1);
      });
    }));
}
