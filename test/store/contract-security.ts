/** Security groups as hosts see them: hints, scopes, groups. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AddressGroupRow } from '../../src/resources/address-group.ts';
import { agentObjects } from '../../src/store/agent-objects.ts';
import type { Store, Transaction } from '../../src/store/store.ts';
import { hints } from './contract-hints.ts';
import type { WithStore } from './contract.ts';
import {
  host,
  network,
  networkId,
  port,
  portId,
  securityGroup,
  securityGroupRule,
  standard,
  subnet,
  subnetId,
} from './rows.ts';

const N1 = networkId(1);
const groupId = (n: number) => securityGroup(n).id;
const addressGroup: AddressGroupRow = {
  ...standard(networkId(77)),
  ...{ name: 'a', addresses: ['10.9.0.0/16', '10.8.0.0/16'], shared: false },
};

const groupRef = (n: number) => `security-group/${groupId(n)}|security-group/${groupId(n)}`;
const memberRef = (n: number, ofPort: number) => `members/${groupId(n)}|member/${portId(ofPort)}`;
const portRef = (name: string, n: number) => `host/${name}|port/${portId(n)}`;
const leaseRef = (n: number) => `dhcp/${N1}|lease/${portId(n)}`;
const addressRef = `address-group/${addressGroup.id}|address-group/${addressGroup.id}`;
const inGroup = (ofPort: number, n: number) => ({ port_id: portId(ofPort), security_group_id: groupId(n) });
const address = (n: number) => [{ subnet_id: subnetId(1), ip_address: `10.0.1.${n}` }];

/**
 * Ports 1 on a, 2 on b, 3 nowhere; 1 in group 1, 2 and 3 in group 2. Group 1 lets group 2 in, and the address group.
 */
async function cloud(store: Store): Promise<void> {
  await store.transact(async (tx) => {
    await tx.networks.insert([network(1)]);
    await tx.subnets.insert([subnet(1, 1)]);
    await tx.hosts.insert([host('a'), host('b'), host('c')]);
    await tx.ports.insert([
      port(1, 1, { host: 'a', fixed_ips: address(1) }),
      port(2, 1, { host: 'b', fixed_ips: address(2) }),
      port(3, 1, { fixed_ips: address(3) }),
    ]);
    await tx.addressGroups.insert([addressGroup]);
    await tx.securityGroups.insert([securityGroup(1), securityGroup(2, { stateful: false })]);
    await tx.securityGroupRules.insert([
      securityGroupRule(2, 1, { remote_group_id: groupId(2) }),
      securityGroupRule(1, 1, { protocol: 'tcp', port_range_min: 22, port_range_max: 23 }),
      securityGroupRule(3, 1, { remote_address_group_id: addressGroup.id }),
    ]);
    await tx.portSecurityGroups.insert([inGroup(1, 1), inGroup(2, 2), inGroup(3, 2)]);
  });
}

function groupHints(withStore: WithStore): void {
  test('a group, and its rules', () =>
    withStore(async (store) => {
      await hints(store, (tx) => tx.securityGroups.insert([securityGroup(1), securityGroup(2)]), {
        refs: [groupRef(1), groupRef(2)],
      });
      const change = (changes: Parameters<Transaction['securityGroups']['update']>[1]) => (tx: Transaction) =>
        tx.securityGroups.update({ id: groupId(1) }, changes);
      await hints(store, change({ stateful: false }), { refs: [groupRef(1)] });
      await hints(store, change({ stateful: false, name: 'x', shared: true, revision_number: 4 }), null);
      const plain = securityGroupRule(1, 1, { remote_ip_prefix: '10.0.0.0/8' });
      await hints(store, (tx) => tx.securityGroupRules.insert([plain]), { refs: [groupRef(1)] });
      await hints(store, (tx) => tx.securityGroupRules.update({}, { description: 'd' }), null);
      await hints(store, (tx) => tx.securityGroupRules.update({}, { protocol: 'udp' }), {
        refs: [groupRef(1)],
      });
      await hints(store, (tx) => tx.securityGroupRules.remove({}), { refs: [groupRef(1)] });
    }));

  test('a rule with a remote names all who have its group', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.addressGroups.insert([addressGroup]);
        await tx.securityGroups.insert([securityGroup(1), securityGroup(2)]);
      });
      const hosts = [`security-group/${groupId(1)}`];
      for (const remote of [
        { remote_group_id: groupId(2) },
        { remote_group_id: groupId(1) },
        { remote_address_group_id: addressGroup.id },
      ]) {
        const rule = securityGroupRule(1, 1, remote);
        await hints(store, (tx) => tx.securityGroupRules.insert([rule]), { refs: [groupRef(1)], hosts });
        await hints(store, (tx) => tx.securityGroupRules.remove({}), { refs: [groupRef(1)], hosts });
      }
      await store.transact((tx) =>
        tx.securityGroupRules.insert([securityGroupRule(1, 1, { remote_group_id: groupId(2) })]),
      );
      await hints(store, (tx) => tx.securityGroups.remove({ id: groupId(2) }), {
        refs: [groupRef(1), groupRef(2)],
        hosts,
      });
    }));

  test('an address group', () =>
    withStore(async (store) => {
      await hints(store, (tx) => tx.addressGroups.insert([addressGroup]), { refs: [addressRef] });
      await hints(store, (tx) => tx.addressGroups.update({}, { addresses: [] }), { refs: [addressRef] });
      await hints(store, (tx) => tx.addressGroups.update({}, { addresses: [], name: 'x' }), null);
      await hints(store, (tx) => tx.addressGroups.remove({}), { refs: [addressRef] });
    }));
}

function portHints(withStore: WithStore): void {
  test('a port comes into a group and goes', () =>
    withStore(async (store) => {
      await cloud(store);
      const bound = { refs: [memberRef(2, 1), portRef('a', 1)], hosts: ['a'] };
      await hints(store, (tx) => tx.portSecurityGroups.insert([inGroup(1, 2)]), bound);
      await hints(store, (tx) => tx.portSecurityGroups.remove(inGroup(1, 2)), bound);
      const unbound = { refs: [memberRef(1, 3)] };
      await hints(store, (tx) => tx.portSecurityGroups.insert([inGroup(3, 1)]), unbound);
      await hints(store, (tx) => tx.portSecurityGroups.remove(inGroup(3, 1)), unbound);
      await hints(store, (tx) => tx.ports.remove({ id: portId(3) }), {
        refs: [leaseRef(3), memberRef(2, 3)],
      });
      await hints(store, (tx) => tx.ports.remove({ id: portId(2) }), {
        refs: [leaseRef(2), memberRef(2, 2), portRef('b', 2), `network/${N1}|endpoint/b`],
        hosts: ['b'],
      });
    }));

  test('a port is another member by its addresses, and is enforced otherwise by its pairs', () =>
    withStore(async (store) => {
      await cloud(store);
      await store.transact((tx) => tx.portSecurityGroups.insert([inGroup(3, 1)]));
      const change =
        (n: number, changes: Parameters<Transaction['ports']['update']>[1]) => (tx: Transaction) =>
          tx.ports.update({ id: portId(n) }, changes);
      const members = [memberRef(1, 3), memberRef(2, 3)];
      await hints(store, change(3, { fixed_ips: address(9) }), { refs: [leaseRef(3), ...members] });
      const pairs = [{ ip_address: '10.0.1.0/24', mac_address: 'fa:16:3e:00:00:09' }];
      await hints(store, change(3, { allowed_address_pairs: pairs }), { refs: members });
      await hints(store, change(3, { allowed_address_pairs: pairs }), null);
      await hints(store, change(3, { port_security_enabled: false }), null);
      await hints(store, change(1, { allowed_address_pairs: pairs }), {
        refs: [memberRef(1, 1), portRef('a', 1)],
      });
      await hints(store, change(1, { port_security_enabled: false }), { refs: [portRef('a', 1)] });
      await hints(store, change(1, { port_security_enabled: false, name: 'x' }), null);
    }));
}

/** What the host sees of security, and the objects of one group. */
async function seen(store: Store, name: string): Promise<string[]> {
  const scopes = await store.view((view) => view.scopes([name]));
  return (scopes.get(name) ?? []).filter((group) => !group.startsWith('network/'));
}

function scopes(withStore: WithStore): void {
  test('a host hears of the groups of its ports and of the remotes of their rules, and for no longer', () =>
    withStore(async (store) => {
      await cloud(store);
      const own = [
        `address-group/${addressGroup.id}`,
        `members/${groupId(2)}`,
        `security-group/${groupId(1)}`,
      ];
      assert.deepEqual(await seen(store, 'a'), own);
      assert.deepEqual(await seen(store, 'b'), [`security-group/${groupId(2)}`]);
      assert.deepEqual(await seen(store, 'c'), []);
      await store.transact((tx) => tx.ports.update({ id: portId(1) }, { host: 'c' }));
      assert.deepEqual(await seen(store, 'a'), []);
      assert.deepEqual(await seen(store, 'c'), own);
      await store.transact((tx) => tx.securityGroupRules.remove({ remote_group_id: groupId(2) }));
      assert.deepEqual(await seen(store, 'c'), [own[0], own[2]]);
      await store.transact((tx) => tx.portSecurityGroups.remove(inGroup(1, 1)));
      assert.deepEqual(await seen(store, 'c'), []);
      const all = await store.view((view) => view.scopes());
      assert.deepEqual(
        [...all],
        [
          ['b', [`network/${N1}`, `security-group/${groupId(2)}`]],
          ['c', [`network/${N1}`]],
        ],
      );
    }));
}

function objects(withStore: WithStore): void {
  test('whole groups, and their objects one by one', () =>
    withStore(async (store) => {
      await cloud(store);
      const pairs = [
        { ip_address: '10.0.1.2', mac_address: 'fa:16:3e:00:00:09' },
        { ip_address: '10.0.0.0/24', mac_address: 'fa:16:3e:00:00:09' },
      ];
      await store.transact(async (tx) => {
        await tx.ports.update({ id: portId(2) }, { allowed_address_pairs: pairs });
        await tx.portSecurityGroups.insert([inGroup(2, 1)]);
      });
      await store.view(async (view) => {
        const seen = agentObjects(view);
        const names = [1, 2].flatMap((n) => [`security-group/${groupId(n)}`, `members/${groupId(n)}`]);
        const groups = await seen.groups([...names, addressRef.split('|')[0] as string, 'host/a', 'host/b']);
        const rule = { direction: 'ingress', ethertype: 'IPv4', protocol: null };
        const open = { port_range_min: null, port_range_max: null, remote_ip_prefix: null };
        const remote = { remote_group_id: null, remote_address_group_id: null };
        const id = (n: number) => securityGroupRule(n, 1).id;
        const has = (group: string) => Object.fromEntries(groups.get(group) ?? []);
        assert.deepEqual(has(`security-group/${groupId(1)}`), {
          [`security-group/${groupId(1)}`]: {
            ...{ id: groupId(1), stateful: true },
            rules: [
              {
                ...{ ...rule, ...open, ...remote, id: id(1), protocol: 'tcp' },
                ...{ port_range_min: 22, port_range_max: 23 },
              },
              { ...rule, ...open, ...remote, id: id(2), remote_group_id: groupId(2) },
              { ...rule, ...open, ...remote, id: id(3), remote_address_group_id: addressGroup.id },
            ],
          },
        });
        assert.deepEqual(has(`security-group/${groupId(2)}`), {
          [`security-group/${groupId(2)}`]: { id: groupId(2), stateful: false, rules: [] },
        });
        const second = { port_id: portId(2), addresses: ['10.0.0.0/24', '10.0.1.2'] };
        assert.deepEqual(has(`members/${groupId(2)}`), {
          [`member/${portId(2)}`]: second,
          [`member/${portId(3)}`]: { port_id: portId(3), addresses: ['10.0.1.3'] },
        });
        assert.deepEqual(has(`members/${groupId(1)}`), {
          [`member/${portId(1)}`]: { port_id: portId(1), addresses: ['10.0.1.1'] },
          [`member/${portId(2)}`]: second,
        });
        assert.deepEqual(has(addressRef.split('|')[0] as string), {
          [addressRef.split('|')[0] as string]: {
            id: addressGroup.id,
            addresses: ['10.8.0.0/16', '10.9.0.0/16'],
          },
        });
        const own = has('host/b')[`port/${portId(2)}`];
        assert.ok(own && 'port_security_enabled' in own);
        assert.deepEqual(
          [own.port_security_enabled, own.security_groups, own.allowed_address_pairs],
          [true, [groupId(1), groupId(2)], pairs],
        );
        // one by one the same, and nothing of what is not in that group
        const refs = [...groups].flatMap(([name, them]) => [...them.keys()].map((key) => `${name}|${key}`));
        const foreign = [
          memberRef(2, 1),
          memberRef(9, 1),
          groupRef(9),
          `members/${groupId(1)}|security-group/${groupId(1)}`,
          `security-group/${groupId(1)}|security-group/${groupId(2)}`,
        ];
        const one = await seen.objects([...refs, ...foreign]);
        for (const [name, them] of groups) {
          for (const [key, body] of them) assert.deepEqual(one.get(`${name}|${key}`), body);
        }
        assert.deepEqual(
          foreign.map((ref) => one.get(ref)),
          foreign.map(() => null),
        );
      });
    }));

  test('a port without port security is told of as ports were before there was any', () =>
    withStore(async (store) => {
      await cloud(store);
      await store.transact((tx) => tx.ports.update({ id: portId(1) }, { port_security_enabled: false }));
      const groups = await store.view((view) => agentObjects(view).groups(['host/a']));
      assert.deepEqual(Object.keys(groups.get('host/a')?.get(`port/${portId(1)}`) ?? {}).sort(), [
        ...['admin_state_up', 'device_id', 'device_owner', 'fixed_ips', 'generation', 'id', 'mac_address'],
        'network_id',
      ]);
    }));
}

export function securityTests(withStore: WithStore): void {
  groupHints(withStore);
  portHints(withStore);
  scopes(withStore);
  objects(withStore);
}
