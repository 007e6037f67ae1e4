/** What hosts are told of QoS policies: the bound ports, floating IPs and routers that have one, whoever changes what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ForeignKeyViolation, type Store, type Transaction, UniqueViolation } from '../../src/store/store.ts';
import { agentObjects } from '../../src/store/agent-objects.ts';
import { hints } from './contract-hints.ts';
import { refuses } from './contract-tables.ts';
import type { WithStore } from './contract.ts';
import {
  floatingIp,
  floatingIpId,
  host,
  network,
  networkId,
  port,
  portId,
  qosPolicy,
  qosPolicyId,
  qosRule,
  router,
  routerId,
} from './rows.ts';

const portRef = (n: number) => `host/a|port/${portId(n)}`;
const FLOATING = `router/${routerId(1)}|floating-ip/${floatingIpId(1)}`;
const ROUTER = `router/${routerId(1)}|router/${routerId(1)}`;

/** Of network 1: ports 1 and 2 on host a, 3 nowhere, 4 its DHCP's on a; of network 2: 5 on a. A router, a floating IP of it. */
async function cloud(store: Store): Promise<void> {
  await store.transact(async (tx) => {
    await tx.qosPolicies.insert([qosPolicy(1), qosPolicy(2), qosPolicy(3)]);
    await tx.networks.insert([network(1), network(2)]);
    await tx.hosts.insert([host('a')]);
    await tx.ports.insert([
      port(1, 1, { host: 'a' }),
      port(2, 1, { host: 'a' }),
      port(3, 1),
      port(4, 1, { host: 'a', device_owner: 'network:dhcp' }),
      port(5, 2, { host: 'a' }),
      port(6, 2),
    ]);
    await tx.routers.insert([router(1)]);
    await tx.floatingIps.insert([floatingIp(1, 2, 6, { router_id: routerId(1) }), floatingIp(2, 2, 6)]);
  });
}

type Work = (tx: Transaction) => Promise<unknown>;

export function qosTests(withStore: WithStore): void {
  const tests = (
    name: string,
    work: (look: (what: Work, refs: readonly string[]) => Promise<void>) => Promise<void>,
  ) =>
    test(name, () =>
      withStore(async (store) => {
        await cloud(store);
        await work((what, refs) => hints(store, what, refs.length === 0 ? null : { refs }));
      }),
    );
  const qos_policy_id = qosPolicyId(1);

  tests('which policy something has', async (look) => {
    const ofPort = (n: number, to: string | null) => (tx: Transaction) =>
      tx.ports.update({ id: portId(n) }, { qos_policy_id: to });
    await look(ofPort(1, qos_policy_id), [portRef(1)]);
    await look(ofPort(1, qos_policy_id), []);
    await look(ofPort(3, qos_policy_id), []);
    const ofNetwork = (to: string | null) => (tx: Transaction) =>
      tx.networks.update({ id: networkId(1) }, { qos_policy_id: to });
    await look(ofNetwork(qosPolicyId(2)), [portRef(2)]);
    await look(ofPort(1, null), [portRef(1)]);
    await look(ofNetwork(null), [portRef(1), portRef(2)]);
    await look((tx) => tx.floatingIps.update({}, { qos_policy_id }), [FLOATING]);
    await look((tx) => tx.routers.update({}, { qos_policy_id }), [ROUTER]);
  });

  tests('what the rules of a policy say', async (look) => {
    await look((tx) => tx.qosRules.insert([qosRule(1, 1)]), []);
    await look((tx) => tx.ports.update({ id: portId(5) }, { qos_policy_id }), [portRef(5)]);
    await look((tx) => tx.networks.update({ id: networkId(1) }, { qos_policy_id }), [portRef(1), portRef(2)]);
    await look((tx) => tx.floatingIps.update({}, { qos_policy_id }), [FLOATING]);
    await look((tx) => tx.routers.update({}, { qos_policy_id }), [ROUTER]);
    const all = [portRef(1), portRef(2), portRef(5), FLOATING, ROUTER];
    for (const change of [{ parameters: { max_kbps: 7 } }, { direction: 'ingress' as const }]) {
      await look((tx) => tx.qosRules.update({}, change), all);
      await look((tx) => tx.qosRules.update({}, change), []);
    }
    await look((tx) => tx.qosPolicies.update({}, { name: 'another', is_default: true }), []);
    await look((tx) => tx.qosRules.remove({}), all);
    await look((tx) => tx.qosRules.insert([qosRule(2, 2)]), []);
    await look((tx) => tx.qosPolicies.remove({ id: qosPolicyId(2) }), []);
  });

  test('constraints: one default a project, one rule of a type and direction, no policy that is not there', () =>
    withStore(async (store) => {
      await cloud(store);
      await store.transact(async (tx) => {
        await tx.qosPolicies.update({ id: qos_policy_id }, { default_of: 'p1' });
        await tx.qosRules.insert([qosRule(1, 1), qosRule(2, 1, { type: 'dscp_marking', direction: null })]);
        await tx.qosRules.insert([qosRule(3, 1, { direction: 'ingress' }), qosRule(4, 2)]);
      });
      await refuses(store, UniqueViolation, 'qos_policies_default', (tx) =>
        tx.qosPolicies.insert([qosPolicy(4, { default_of: 'p1' })]),
      );
      for (const change of [{}, { type: 'dscp_marking', direction: null } as const])
        await refuses(store, UniqueViolation, 'qos_rules_once', (tx) =>
          tx.qosRules.insert([qosRule(9, 1, change)]),
        );
      const nowhere = { qos_policy_id: qosPolicyId(9) };
      const foreign = (constraint: string, work: Work) =>
        refuses(store, ForeignKeyViolation, constraint, work);
      await foreign('networks_qos_policy', (tx) => tx.networks.update({}, nowhere));
      await foreign('ports_qos_policy', (tx) => tx.ports.update({}, nowhere));
      await foreign('routers_qos_policy', (tx) => tx.routers.update({}, nowhere));
      await foreign('floating_ips_qos_policy', (tx) => tx.floatingIps.update({}, nowhere));
      await foreign('qos_rules_policy', (tx) => tx.qosRules.insert([qosRule(9, 9)]));
      await store.transact((tx) => tx.routers.update({}, { qos_policy_id }));
      await foreign('routers_qos_policy', (tx) => tx.qosPolicies.remove({ id: qos_policy_id }));
      await store.transact(async (tx) => {
        await tx.qosPolicies.remove({ id: [qosPolicyId(2), qosPolicyId(3)] });
        assert.equal(await tx.qosRules.count({}), 3);
      });
    }));

  test('what hosts hear: the port’s own policy, else its network’s, but for the network’s own ports; nothing where no rule says so', () =>
    withStore(async (store) => {
      await cloud(store);
      await store.transact(async (tx) => {
        const parameters = { max_kpps: 2, max_burst_kpps: 0 };
        await tx.qosRules.insert([
          qosRule(1, 1, { type: 'packet_rate_limit', parameters }),
          qosRule(2, 1),
          qosRule(3, 2, { type: 'dscp_marking', direction: null, parameters: { dscp_mark: 8 } }),
          qosRule(4, 3, { type: 'minimum_bandwidth', parameters: { min_kbps: 7 } }),
          qosRule(5, 3, { parameters: { max_kbps: 0 } }),
        ]);
        await tx.ports.update({ id: [portId(1), portId(4)] }, { qos_policy_id });
        await tx.ports.update({ id: portId(5) }, { qos_policy_id: qosPolicyId(3) });
        await tx.networks.update({ id: networkId(1) }, { qos_policy_id: qosPolicyId(2) });
        await tx.routers.update({}, { qos_policy_id });
        await tx.floatingIps.update(
          { id: floatingIpId(1) },
          { qos_policy_id, port_id: portId(1), fixed_ip_address: '10.0.1.2' },
        );
        await tx.ports.insert([port(7, 1, { host: 'a', device_owner: 'network:dhcp' })]);
      });
      const gold = { egress: { max_kbps: 1000, max_burst_kbps: 0, max_kpps: 2, max_burst_kpps: 0 } };
      const said = { 1: gold, 2: { dscp_mark: 8 }, 4: gold, 5: undefined, 7: undefined };
      const router = `router/${routerId(1)}`;
      await store.view(async (view) => {
        const objects = agentObjects(view);
        const refs = [...Object.keys(said).map((n) => portRef(Number(n))), FLOATING, ROUTER];
        const bodies = await objects.objects(refs);
        const qosOf = (body: unknown) => (body as { qos?: object } | null | undefined)?.qos;
        const expected = [...Object.values(said), gold, gold];
        assert.deepEqual(
          refs.map((ref) => qosOf(bodies.get(ref))),
          expected,
        );
        // a group that is read whole says the same
        const groups = await objects.groups(['host/a', router]);
        const whole = refs.map((ref) => {
          const [group = '', key = ''] = ref.split('|');
          return groups.get(group)?.get(key);
        });
        assert.deepEqual(
          whole,
          refs.map((ref) => bodies.get(ref)),
        );
      });
    }));
}
