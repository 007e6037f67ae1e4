/** Which hints each write stages: exactly what agents could see of it, and nothing for what they cannot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store, Transaction } from '../../src/store/store.ts';
import type { WithStore } from './contract.ts';
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
  subnet,
  subnetId,
} from './rows.ts';

const N1 = networkId(1);
const N2 = networkId(2);
const P1 = portId(1);
const P2 = portId(2);

const networkRef = (id: string) => `network/${id}|network/${id}`;
const subnetRef = (network: string, n: number) => `dhcp/${network}|subnet/${subnetId(n)}`;
const leaseRef = (network: string, port: string) => `dhcp/${network}|lease/${port}`;
const portRef = (name: string, port: string) => `host/${name}|port/${port}`;
const endpointRef = (network: string, name: string) => `network/${network}|endpoint/${name}`;
const hostRef = (name: string) => `host/${name}|host/${name}`;

/** Runs `work` and compares the change it appended. Null: none was. */
export async function hints(
  store: Store,
  work: (tx: Transaction) => Promise<unknown>,
  expected: { readonly refs: readonly string[]; readonly hosts?: readonly string[] } | null,
): Promise<void> {
  const before = await store.view((view) => view.head());
  const { place } = await store.transact(work);
  const changes = await store.view((view) => view.changesFrom(before.position + 1, 10));
  const appended = changes.map(({ position, tag, refs, hosts }) => ({ position, tag, refs, hosts }));
  if (expected === null) {
    assert.equal(place, null);
    assert.deepEqual(appended, []);
    return;
  }
  assert.equal(place?.position, before.position + 1);
  assert.deepEqual(appended, [
    {
      position: before.position + 1,
      tag: place?.tag,
      refs: [...expected.refs].sort(),
      hosts: [...(expected.hosts ?? [])].sort(),
    },
  ]);
}

/** Two networks; on the first a subnet, a bound port and a DHCP server. */
async function cloud(store: Store): Promise<void> {
  await store.transact(async (tx) => {
    await tx.networks.insert([network(1), network(2)]);
    await tx.subnets.insert([subnet(1, 1)]);
    await tx.hosts.insert([host('a'), host('b'), host('c')]);
    await tx.agents.insert([agent(1, 'c')]);
    await tx.dhcpBindings.insert([dhcpBinding(1, 1, 'c')]);
    await tx.ports.insert([port(1, 1, { host: 'a' })]);
  });
}

function rowHints(withStore: WithStore): void {
  test('a network: made, seen change, unseen change, removed with its subnets', () =>
    withStore(async (store) => {
      await hints(store, (tx) => tx.networks.insert([network(1), network(2)]), {
        refs: [networkRef(N1), networkRef(N2)],
      });
      const change = (changes: Parameters<Transaction['networks']['update']>[1]) => (tx: Transaction) =>
        tx.networks.update({ id: N1 }, changes);
      for (const changes of [
        { name: 'x' },
        { admin_state_up: false },
        { mtu: 1400 },
        { physical_network: 'p' },
        { segmentation_id: 9 },
        { network_type: 'flat' as const },
        { dns_domain: 'd.' },
      ]) {
        await hints(store, change(changes), { refs: [networkRef(N1)] });
        await hints(store, change(changes), null);
      }
      await hints(
        store,
        change({ status: 'DOWN', description: 'd', revision_number: 9, shared: true }),
        null,
      );
      await store.transact((tx) => tx.subnets.insert([subnet(1, 1)]));
      await hints(store, (tx) => tx.networks.remove({ id: N1 }), {
        refs: [networkRef(N1), subnetRef(N1, 1)],
      });
    }));

  test('a subnet', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1)]));
      const refs = [subnetRef(N1, 1)];
      await hints(store, (tx) => tx.subnets.insert([subnet(1, 1)]), { refs });
      for (const changes of [
        { gateway_ip: null },
        { enable_dhcp: false },
        { dns_nameservers: ['10.0.0.5'] },
        { host_routes: [{ destination: '10.1.0.0/16', nexthop: '10.0.1.3' }] },
        { ipv6_ra_mode: 'slaac' as const },
        { ipv6_address_mode: 'slaac' as const },
      ]) {
        await hints(store, (tx) => tx.subnets.update({}, changes), { refs });
        await hints(store, (tx) => tx.subnets.update({}, changes), null);
      }
      await hints(store, (tx) => tx.subnets.update({}, { name: 'x', allocation_pools: [] }), null);
      await hints(store, (tx) => tx.subnets.remove({}), { refs });
    }));

  test('a port: unbound, bound, moved, changed, removed', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1)]));
      const lease = leaseRef(N1, P1);
      const at = (name: string) => [portRef(name, P1), endpointRef(N1, name)];
      const change = (changes: Parameters<Transaction['ports']['update']>[1]) => (tx: Transaction) =>
        tx.ports.update({ id: P1 }, changes);
      await hints(store, (tx) => tx.ports.insert([port(1, 1)]), { refs: [lease] });
      await hints(store, change({ mac_address: 'fa:16:3e:99:99:99' }), { refs: [lease] });
      await hints(store, change({ host: 'a', generation: 1 }), { refs: [lease, ...at('a')], hosts: ['a'] });
      await hints(store, change({ host: 'b', generation: 2 }), {
        refs: [lease, ...at('a'), ...at('b')],
        hosts: ['a', 'b'],
      });
      for (const changes of [
        { fixed_ips: [{ subnet_id: subnetId(1), ip_address: '10.0.1.2' }] },
        { admin_state_up: false },
        { device_id: 'd' },
        { device_owner: 'compute:nova' },
        { extra_dhcp_opts: [{ opt_name: 'mtu', opt_value: '1', ip_version: 4 as const }] },
        { dns_name: 'n' },
        { generation: 3 },
      ]) {
        await hints(store, change(changes), { refs: [lease, ...at('b')], hosts: ['b'] });
        await hints(store, change(changes), null);
      }
      await hints(
        store,
        change({ status: 'ACTIVE', vif_type: 'bridge', revision_number: 4, name: 'x' }),
        null,
      );
      await hints(store, (tx) => tx.ports.remove({}), { refs: [lease, ...at('b')], hosts: ['b'] });
    }));

  test('a host: its address; its networks hear of it', () =>
    withStore(async (store) => {
      await cloud(store);
      await hints(store, (tx) => tx.hosts.insert([host('d')]), { refs: [hostRef('d')], hosts: ['d'] });
      await hints(store, (tx) => tx.hosts.update({ name: 'a' }, { tunnel_ip: '192.0.2.9' }), {
        refs: [hostRef('a'), endpointRef(N1, 'a')],
        hosts: ['a'],
      });
      await hints(store, (tx) => tx.hosts.update({ name: 'c' }, { tunnel_ip: '192.0.2.8' }), {
        refs: [hostRef('c'), endpointRef(N1, 'c')],
        hosts: ['c'],
      });
      await hints(store, (tx) => tx.hosts.update({ name: 'c' }, { tunnel_ip: '192.0.2.8' }), null);
      await hints(
        store,
        (tx) => tx.hosts.update({ name: 'a' }, { credential_hash: 'x', physical_networks: ['p'] }),
        null,
      );
    }));
}

function otherHints(withStore: WithStore): void {
  test('a DHCP binding brings its host in and out', () =>
    withStore(async (store) => {
      await cloud(store);
      await hints(store, (tx) => tx.dhcpBindings.insert([dhcpBinding(2, 1, 'c')]), {
        refs: [endpointRef(N2, 'c')],
        hosts: ['c'],
      });
      await hints(store, (tx) => tx.dhcpBindings.remove({ network_id: N2 }), {
        refs: [endpointRef(N2, 'c')],
        hosts: ['c'],
      });
    }));

  test('cascades stage as plain removals do', () =>
    withStore(async (store) => {
      await cloud(store);
      await hints(store, (tx) => tx.agents.remove({ id: agentId(1) }), {
        refs: [endpointRef(N1, 'c')],
        hosts: ['c'],
      });
      await store.transact(async (tx) => {
        await tx.agents.insert([agent(2, 'b')]);
        await tx.dhcpBindings.insert([dhcpBinding(2, 2, 'b')]);
      });
      await hints(store, (tx) => tx.hosts.remove({ name: 'b' }), {
        refs: [hostRef('b'), endpointRef(N2, 'b')],
        hosts: ['b'],
      });
      await store.transact(async (tx) => {
        await tx.agents.insert([agent(3, 'c')]);
        await tx.dhcpBindings.insert([dhcpBinding(2, 3, 'c')]);
        await tx.subnets.insert([subnet(2, 2)]);
      });
      await hints(store, (tx) => tx.networks.remove({ id: N2 }), {
        refs: [networkRef(N2), subnetRef(N2, 2), endpointRef(N2, 'c')],
        hosts: ['c'],
      });
    }));

  test('what no agent reads takes no position', () =>
    withStore(async (store) => {
      await cloud(store);
      await hints(store, (tx) => tx.agents.insert([agent(5, 'a')]), null);
      await hints(
        store,
        (tx) => tx.agents.update({}, { heartbeat_at: 'now', counter: 4, realised_position: 3 }),
        null,
      );
      await hints(store, (tx) => tx.ipAllocations.insert([allocation(1, 1, 1, '10.0.1.2')]), null);
      await hints(store, (tx) => tx.provisioningBlocks.insert([block(1, 'L2', 5)]), null);
      await hints(store, (tx) => tx.provisioningBlocks.remove({}), null);
      await hints(store, (tx) => tx.quotas.insert([{ project_id: 'p', resource: 'port', limit: 1 }]), null);
      await hints(store, (tx) => tx.dhcpBindings.update({}, { leaving: true }), null);
      await hints(store, (tx) => tx.leases.insert([{ name: 'duties', holder: 's', term: 1, beat: 1 }]), null);
      const fencing = { host: 'a', number: 1, state: 'acting', server_id: 's', at: '' } as const;
      await hints(store, (tx) => tx.fencings.insert([fencing]), null);
      const check = { host: 'a', ok: true, since: '', at: '', message: '' };
      await hints(store, (tx) => tx.fenceChecks.insert([check]), null);
      await hints(store, (tx) => tx.ports.find({}), null);
      await hints(store, async () => 'nothing', null);
      await hints(store, (tx) => tx.ports.update({ id: portId(9) }, { host: 'a' }), null);
    }));

  test('one change a transaction: each ref and host once, in order', () =>
    withStore(async (store) => {
      await cloud(store);
      const work = async (tx: Transaction) => {
        await tx.ports.insert([port(2, 1, { host: 'b' }), port(3, 1, { host: 'a' })]);
        await tx.ports.update({ id: P2 }, { dns_name: 'x' });
        await tx.ports.update({ id: P2 }, { dns_name: '' });
        await tx.networks.update({ id: N1 }, { name: 'x' });
      };
      await hints(store, work, {
        refs: [
          leaseRef(N1, P2),
          leaseRef(N1, portId(3)),
          portRef('b', P2),
          portRef('a', portId(3)),
          endpointRef(N1, 'a'),
          endpointRef(N1, 'b'),
          networkRef(N1),
        ],
        hosts: ['a', 'b'],
      });
    }));

  test('made and removed in one transaction is hinted all the same', () =>
    withStore(async (store) => {
      const work = async (tx: Transaction) => {
        await tx.networks.insert([network(1)]);
        await tx.networks.remove({ id: N1 });
      };
      await hints(store, work, { refs: [networkRef(N1)] });
    }));

  test('a large transaction hints every row, and the next of the same session none of these', () =>
    withStore(async (store) => {
      const numbers = Array.from({ length: 300 }, (_, at) => at + 1);
      await hints(store, (tx) => tx.networks.insert(numbers.map((n) => network(n))), {
        refs: numbers.map((n) => networkRef(networkId(n))),
      });
      const ports = numbers.map((n) => port(n, n, { host: `h${n % 7}` }));
      await hints(store, (tx) => tx.ports.insert(ports), {
        refs: numbers.flatMap((n) => [
          leaseRef(networkId(n), portId(n)),
          portRef(`h${n % 7}`, portId(n)),
          endpointRef(networkId(n), `h${n % 7}`),
        ]),
        hosts: ['h0', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6'],
      });
      for (let i = 0; i < 20; i++) {
        await hints(store, (tx) => tx.networks.update({ id: N2 }, { name: `n${i}` }), {
          refs: [networkRef(N2)],
        });
      }
    }));

  test('a transaction that was undone leaves no hint to the next', () =>
    withStore(async (store) => {
      await cloud(store);
      for (let i = 0; i < 20; i++) {
        const failing = store.transact(async (tx) => {
          await tx.networks.update({ id: N2 }, { name: 'never' });
          throw new Error('undone');
        });
        await assert.rejects(failing, { message: 'undone' });
        await hints(store, (tx) => tx.ports.update({ id: P1 }, { status: i % 2 ? 'ACTIVE' : 'DOWN' }), null);
      }
    }));
}

export function hintTests(withStore: WithStore): void {
  rowHints(withStore);
  otherHints(withStore);
}
