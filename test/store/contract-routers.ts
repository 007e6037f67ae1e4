/** Routers and what hangs on them: constraints, hints, scopes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentObjects } from '../../src/store/agent-objects.ts';
import type { InterfaceBody, NetworkBody } from '../../src/resources/agent-view.ts';
import { ForeignKeyViolation, type Store, type Transaction, UniqueViolation } from '../../src/store/store.ts';
import { hints } from './contract-hints.ts';
import type { WithStore } from './contract.ts';
import {
  agent,
  floatingIp,
  floatingIpId,
  forwarding,
  forwardingId,
  host,
  network,
  networkId,
  port,
  portId,
  router,
  routerBinding,
  routerId,
  subnet,
  subnetId,
} from './rows.ts';

const N1 = networkId(1);
const N2 = networkId(2);
const R1 = routerId(1);

const routerRef = (key: string) => `router/${R1}|${key}`;
const interfaceRef = (n: number) => routerRef(`interface/${portId(n)}`);
const endpointRef = (of: string, name: string) => `network/${of}|endpoint/${name}`;
const leaseRef = (of: string, n: number) => `dhcp/${of}|lease/${portId(n)}`;

const interfacePort = (n: number, ofNetwork: number, owner = 'network:router_interface') =>
  port(n, ofNetwork, {
    ...{ device_id: R1, device_owner: owner },
    fixed_ips: [{ subnet_id: subnetId(ofNetwork), ip_address: `10.0.${ofNetwork}.1` }],
  });

/** Networks 1 (inside) and 2 (outside), router 1 on both with a replica on a and on b, a machine's port 5, and a floating IP. */
async function cloud(store: Store): Promise<void> {
  await store.transact(async (tx) => {
    await tx.networks.insert([network(1), network(2)]);
    await tx.subnets.insert([subnet(1, 1), subnet(2, 2)]);
    await tx.hosts.insert([host('a'), host('b'), host('c')]);
    await tx.agents.insert([
      agent(1, 'a', { role: 'l3' }),
      agent(2, 'b', { role: 'l3' }),
      agent(3, 'c', { role: 'l3' }),
    ]);
    await tx.ports.insert([
      interfacePort(1, 1),
      interfacePort(2, 2, 'network:router_gateway'),
      port(5, 1, { fixed_ips: [{ subnet_id: subnetId(1), ip_address: '10.0.1.5' }] }),
      port(6, 2),
    ]);
    await tx.routers.insert([router(1, { gw_port_id: portId(2) })]);
    await tx.routerBindings.insert([routerBinding(1, 1, 'a'), routerBinding(1, 2, 'b', 1)]);
    await tx.floatingIps.insert([floatingIp(1, 2, 6)]);
  });
}

const order = { epoch: 1, do: 'yield', incarnation: 7, seq: 2, why: 'two are active' } as const;

const associated = { port_id: portId(5), fixed_ip_address: '10.0.1.5', router_id: R1 };

function constraints(withStore: WithStore): void {
  test('what constraints of routers refuse', () =>
    withStore(async (store) => {
      await cloud(store);
      const refuses = (
        error: typeof UniqueViolation | typeof ForeignKeyViolation,
        constraint: string,
        work: (tx: Transaction) => Promise<unknown>,
      ) =>
        assert.rejects(store.transact(work), (thrown) => {
          assert.ok(thrown instanceof error, String(thrown));
          assert.equal(thrown.constraint, constraint);
          return true;
        });
      await refuses(UniqueViolation, 'routers_vrid', async (tx) => {
        await tx.haNetworks.insert([{ network_id: N1, project_id: 'p' }]);
        const ha = { ha: true, ha_network_id: N1, ha_vr_id: 1 };
        await tx.routers.insert([router(2, ha), router(3, ha)]);
      });
      await refuses(UniqueViolation, 'floating_ips_fixed', async (tx) => {
        await tx.floatingIps.update({ id: floatingIpId(1) }, associated);
        await tx.floatingIps.insert([floatingIp(2, 2, 6, associated)]);
      });
      await refuses(UniqueViolation, 'port_forwardings_external', async (tx) => {
        const of = { floatingIp: 1, router: 1, port: 5 };
        await tx.portForwardings.insert([
          forwarding(1, of),
          forwarding(2, of, { external_port_first: 8001 }),
        ]);
      });
      await refuses(ForeignKeyViolation, 'routers_gateway', (tx) => tx.ports.remove({ id: portId(2) }));
      await refuses(ForeignKeyViolation, 'routers_ha_network', (tx) =>
        tx.routers.insert([router(2, { ha_network_id: N1 })]),
      );
      await refuses(ForeignKeyViolation, 'router_bindings_agent', (tx) =>
        tx.routerBindings.insert([routerBinding(1, 9, 'a')]),
      );
      await refuses(ForeignKeyViolation, 'floating_ips_floating_port', (tx) =>
        tx.ports.remove({ id: portId(6) }),
      );
      await refuses(ForeignKeyViolation, 'floating_ips_router', async (tx) => {
        await tx.floatingIps.update({}, associated);
        await tx.routers.remove({});
      });
      await store.transact(async (tx) => {
        // several that are not associated, several routers without a segment
        await tx.floatingIps.insert([floatingIp(2, 2, 6), floatingIp(3, 2, 6)]);
        await tx.routers.insert([router(2), router(3)]);
      });
    }));

  test('replicas are found by what they are told', () =>
    withStore(async (store) => {
      await cloud(store);
      const order = { epoch: 1, do: 'prefer', incarnation: 1, seq: 1, why: 'to "yield" is another' } as const;
      await store.transact(async (tx) => {
        await tx.routerBindings.insert([
          { ...routerBinding(1, 3, 'c', 2), tag: tx.tag, position: null, order },
        ]);
      });
      const told = async (what: string) => {
        const filters = [{ column: 'order', operator: 'contains', values: [`"${what}"`] }] as const;
        const rows = await store.view((view) => view.routerBindings.list({ filters, sort: [] }));
        return rows.map(({ host }) => host);
      };
      assert.deepEqual([await told('prefer'), await told('fault'), await told('yield')], [['c'], [], []]);
    }));

  test('a replica gets the position of its making at the commit, and keeps it', () =>
    withStore(async (store) => {
      await cloud(store);
      const made = await store.transact((tx) =>
        tx.routerBindings.insert([{ ...routerBinding(1, 3, 'c', 2), tag: tx.tag, position: null }]),
      );
      await store.transact((tx) => tx.routerBindings.update({}, { rank: 5 }));
      const [binding] = await store.view((view) => view.routerBindings.find({ host: 'c' }));
      assert.deepEqual([binding?.tag, binding?.position], [made.place?.tag, made.place?.position]);
    }));
}

function routerHints(withStore: WithStore): void {
  test('a router: made, seen change, unseen change, removed with its replicas', () =>
    withStore(async (store) => {
      await hints(store, (tx) => tx.routers.insert([router(1)]), { refs: [routerRef(`router/${R1}`)] });
      for (const changes of [
        { name: 'x' },
        { admin_state_up: false },
        { enable_snat: false },
        { routes: [{ destination: '10.9.0.0/16', nexthop: '10.0.1.9' }] },
      ]) {
        await hints(store, (tx) => tx.routers.update({}, changes), { refs: [routerRef(`router/${R1}`)] });
        await hints(store, (tx) => tx.routers.update({}, changes), null);
      }
      await hints(store, (tx) => tx.routers.update({}, { status: 'ERROR', description: 'd' }), null);
      await store.transact(async (tx) => {
        await tx.hosts.insert([host('a')]);
        await tx.agents.insert([agent(1, 'a', { role: 'l3' })]);
        await tx.routerBindings.insert([routerBinding(1, 1, 'a')]);
      });
      await hints(store, (tx) => tx.routers.remove({}), {
        refs: [routerRef(`router/${R1}`), routerRef('replica/a')],
        hosts: ['a'],
      });
    }));

  test('a replica brings its host into the networks of the router, and out', () =>
    withStore(async (store) => {
      await cloud(store);
      const refs = [routerRef('replica/c'), endpointRef(N1, 'c'), endpointRef(N2, 'c')];
      const own = routerBinding(1, 3, 'c', 2);
      await hints(store, (tx) => tx.routerBindings.insert([own]), { refs, hosts: ['c'] });
      await hints(store, (tx) => tx.routerBindings.update({ host: 'c' }, { rank: 7 }), {
        refs,
        hosts: ['c'],
      });
      await hints(
        store,
        (tx) =>
          tx.routerBindings.update(
            { host: 'c' },
            { ha_state: 'active', leaving: true, role_seq: 2, epoch: 1 },
          ),
        null,
      );
      for (const given of [order, null]) {
        const work = (tx: Transaction) => tx.routerBindings.update({ host: 'c' }, { order: given });
        await hints(store, work, { refs: [routerRef('replica/c')] });
        await hints(store, work, null);
      }
      const hostRefs = [`host/c|host/c`, ...refs];
      await hints(store, (tx) => tx.hosts.update({ name: 'c' }, { management_ip: '198.51.100.1' }), {
        refs: hostRefs,
        hosts: ['c'],
      });
      await hints(store, (tx) => tx.agents.remove({ host: 'c' }), { refs, hosts: ['c'] });
    }));

  test('a port of the router, its networks and subnets', () =>
    withStore(async (store) => {
      await cloud(store);
      const both = (of: string) => [endpointRef(of, 'a'), endpointRef(of, 'b')];
      await hints(store, (tx) => tx.ports.update({ id: portId(1) }, { mac_address: 'fa:16:3e:99:99:99' }), {
        refs: [leaseRef(N1, 1), interfaceRef(1), ...both(N1)],
        hosts: ['a', 'b'],
      });
      await hints(store, (tx) => tx.networks.update({ id: N1 }, { mtu: 1400 }), {
        refs: [`network/${N1}|network/${N1}`, interfaceRef(1)],
      });
      await hints(store, (tx) => tx.subnets.update({ id: subnetId(2) }, { gateway_ip: null }), {
        refs: [`dhcp/${N2}|subnet/${subnetId(2)}`, interfaceRef(2)],
      });
      await hints(store, (tx) => tx.ports.remove({ id: portId(1) }), {
        refs: [leaseRef(N1, 1), interfaceRef(1), ...both(N1)],
        hosts: ['a', 'b'],
      });
      await hints(
        store,
        (tx) => tx.ports.update({ id: portId(5) }, { device_owner: 'network:router_interface' }),
        {
          refs: [leaseRef(N1, 5)],
        },
      );
      const spoilt = { device_id: `x\nhost/a|host/a` };
      await hints(store, (tx) => tx.ports.update({ id: portId(5) }, spoilt), { refs: [leaseRef(N1, 5)] });
    }));

  test('floating IPs and forwardings', () =>
    withStore(async (store) => {
      await cloud(store);
      const ref = routerRef(`floating-ip/${floatingIpId(1)}`);
      await hints(store, (tx) => tx.floatingIps.insert([floatingIp(2, 2, 6)]), null);
      await hints(store, (tx) => tx.floatingIps.update({ id: floatingIpId(1) }, associated), { refs: [ref] });
      await hints(store, (tx) => tx.floatingIps.update({}, { status: 'ACTIVE', description: 'd' }), null);
      await hints(
        store,
        (tx) => tx.floatingIps.update({ id: floatingIpId(1) }, { port_id: null, router_id: null }),
        {
          refs: [ref],
        },
      );
      const own = forwarding(1, { floatingIp: 1, router: 1, port: 5 });
      const refs = [routerRef(`forwarding/${forwardingId(1)}`)];
      await hints(store, (tx) => tx.portForwardings.insert([own]), { refs });
      await hints(store, (tx) => tx.portForwardings.update({}, { external_port_last: 9000 }), { refs });
      await hints(store, (tx) => tx.portForwardings.update({}, { description: 'd' }), null);
      await hints(store, (tx) => tx.floatingIps.remove({ id: floatingIpId(1) }), { refs });
    }));
}

function whatAgentsSee(withStore: WithStore): void {
  test('the scope of a replica, and its groups', () =>
    withStore(async (store) => {
      await cloud(store);
      await store.transact(async (tx) => {
        await tx.floatingIps.update({ id: floatingIpId(1) }, associated);
        await tx.portForwardings.insert([forwarding(1, { floatingIp: 1, router: 1, port: 5 })]);
        await tx.routerBindings.update({ host: 'b' }, { order });
        await tx.subnets.insert([subnet(3, 1), subnet(4, 2)]);
      });
      await store.view(async (view) => {
        const group = `router/${R1}`;
        assert.deepEqual(
          [...(await view.scopes(['a', 'c']))],
          [
            ['a', [`network/${N1}`, `network/${N2}`, group]],
            ['c', []],
          ],
        );
        assert.deepEqual([...(await view.scopes()).keys()], ['a', 'b']);
        const objects = agentObjects(view);
        const groups = await objects.groups([group, `network/${N1}`]);
        const seen = groups.get(group) ?? new Map();
        assert.deepEqual([...seen.keys()].sort(), [
          `floating-ip/${floatingIpId(1)}`,
          `forwarding/${forwardingId(1)}`,
          `interface/${portId(1)}`,
          `interface/${portId(2)}`,
          'replica/a',
          'replica/b',
          `router/${R1}`,
        ]);
        assert.deepEqual([...(groups.get(`network/${N1}`)?.keys() ?? [])].sort(), [
          'endpoint/a',
          'endpoint/b',
          `network/${N1}`,
        ]);
        // one by one the same, and nothing of what is not in that group
        const refs = [...seen.keys()].map((key) => `${group}|${key}`);
        const foreign = [
          `router/${routerId(2)}|interface/${portId(1)}`,
          `${group}|replica/c`,
          `${group}|interface/${portId(5)}`,
        ];
        const one = await objects.objects([...refs, ...foreign, endpointRef(N1, 'b'), endpointRef(N1, 'c')]);
        for (const [key, body] of seen) assert.deepEqual(one.get(`${group}|${key}`), body);
        assert.deepEqual(
          foreign.map((ref) => one.get(ref)),
          [null, null, null],
        );
        assert.deepEqual(one.get(endpointRef(N1, 'b')), { host: 'b', tunnel_ip: '192.0.2.1' });
        assert.equal(one.get(endpointRef(N1, 'c')), null);
        assert.deepEqual(seen.get('replica/b'), {
          ...{ host: 'b', rank: 1, tunnel_ip: '192.0.2.1', management_ip: '', order },
        });
        const outside = seen.get(`interface/${portId(2)}`) as InterfaceBody;
        assert.deepEqual(
          outside.subnets.map(({ id }) => id),
          [subnetId(2)],
        );
        assert.deepEqual(outside.on_link, [subnet(4, 2).cidr]);
        assert.deepEqual(seen.get(`interface/${portId(1)}`), {
          port_id: portId(1),
          network_id: N1,
          owner: 'network:router_interface',
          host: '',
          mac_address: 'fa:16:3e:00:00:01',
          mtu: 1450,
          admin_state_up: true,
          fixed_ips: [{ subnet_id: subnetId(1), ip_address: '10.0.1.1', prefix: 24 }],
          subnets: [
            {
              ...{ id: subnetId(1), ip_version: 4, cidr: '10.0.1.0/24', gateway_ip: '10.0.1.1' },
              ...{ enable_dhcp: true, ipv6_ra_mode: null, ipv6_address_mode: null, dns_nameservers: [] },
            },
          ],
        });
      });
    }));
}

function haSegment(withStore: WithStore): void {
  test('an HA segment says so, and where its hosts are on the management network; no other network does', () =>
    withStore(async (store) => {
      await cloud(store);
      await store.transact(async (tx) => {
        await tx.haNetworks.insert([{ network_id: N1, project_id: 'p' }]);
        await tx.hosts.update({ name: 'b' }, { management_ip: '198.51.100.2' });
      });
      await store.view(async (view) => {
        const objects = agentObjects(view);
        const groups = await objects.groups([`network/${N1}`, `network/${N2}`]);
        const seen = (of: string, key: string) => groups.get(`network/${of}`)?.get(key);
        const b = { host: 'b', tunnel_ip: '192.0.2.1' };
        assert.deepEqual(seen(N1, 'endpoint/b'), { ...b, management_ip: '198.51.100.2' });
        assert.deepEqual(seen(N1, 'endpoint/a'), { ...b, host: 'a', management_ip: '' });
        assert.deepEqual(seen(N2, 'endpoint/b'), b);
        assert.equal((seen(N1, `network/${N1}`) as NetworkBody).ha, true);
        assert.ok(!('ha' in (seen(N2, `network/${N2}`) as NetworkBody)));
        const keys = (of: string) => [`network/${of}`, 'endpoint/a', 'endpoint/b'];
        const refs = [N1, N2].flatMap((of) => keys(of).map((key) => ({ of, key })));
        const one = await objects.objects(refs.map(({ of, key }) => `network/${of}|${key}`));
        for (const { of, key } of refs) assert.deepEqual(one.get(`network/${of}|${key}`), seen(of, key));
      });
    }));
}

export function routerTests(withStore: WithStore): void {
  constraints(withStore);
  routerHints(withStore);
  whatAgentsSee(withStore);
  haSegment(withStore);
}
