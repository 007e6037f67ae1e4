/** The firewall of ports on real Linux: what must pass, and what must not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecurityRuleBody } from '../../src/resources/agent-view.ts';
import { id } from '../support/network-objects.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import { outward, putAddressGroup, putGroup, putMembers, rule } from '../support/security-objects.ts';
import { makeStage, type Stage } from './firewall-stage.ts';

const [WEB, CLIENT] = [id(0x51), id(0x52)];
const ADDRESSES = id(0x61);

/** 1: a server of WEB on the first host. 2, 3: clients of CLIENT on the first and the second. 4: in no group, beside the server. */
const MACHINES = { 1: 1, 2: 1, 3: 2, 4: 1 } as const;
const groupsOf = (number: number) => (number === 1 ? [WEB] : number === 4 ? [] : [CLIENT]);

function setRules(stage: Stage, rules: readonly SecurityRuleBody[], clients = [2, 3]): void {
  for (const { world } of stage.hosts) {
    putGroup(world, WEB, [...outward(1), ...rules]);
    putGroup(world, CLIENT, outward(3));
    putMembers(world, CLIENT, Object.fromEntries(clients.map((n) => [id(n), [`10.0.0.${n}`, `fd00::${n}`]])));
    putAddressGroup(world, ADDRESSES, ['10.0.0.3/32', 'fd00::3']);
  }
}

type Way = 'ping4' | 'ping6' | 'tcp4' | 'tcp6' | 'udp4' | 'udp6';
const WAYS: readonly Way[] = ['ping4', 'ping6', 'tcp4', 'tcp6', 'udp4', 'udp6'];

/** The ways on which a machine reaches another. */
async function waysTo(stage: Stage, from: number, to: number): Promise<Way[]> {
  const came = await Promise.all(
    WAYS.map((way) => {
      const address = way.endsWith('4') ? `10.0.0.${to}` : `fd00::${to}`;
      const verb = way.slice(0, -1) as 'ping' | 'tcp' | 'udp';
      return stage.talkers.get(from)!.wish({ verb, address });
    }),
  );
  return WAYS.filter((_, index) => came[index]);
}

const all = { 2: WAYS, 3: WAYS };
const none: Way[] = [];
const MATRIX: readonly [string, SecurityRuleBody[], Readonly<Record<2 | 3, readonly Way[]>>][] = [
  ['no rule', [], { 2: none, 3: none }],
  ['IPv4', [rule(10)], { 2: ['ping4', 'tcp4', 'udp4'], 3: ['ping4', 'tcp4', 'udp4'] }],
  ['both', [rule(10), rule(11, { ethertype: 'IPv6' })], all],
  [
    'TCP to a range, UDP beside it',
    [
      rule(10, { protocol: 'tcp', port_range_min: 6999, port_range_max: 7001 }),
      rule(11, { protocol: 'udp', port_range_min: 7001, port_range_max: 7001 }),
    ],
    { 2: ['tcp4'], 3: ['tcp4'] },
  ],
  [
    'echo requests',
    [
      rule(10, { protocol: 'icmp', port_range_min: 8, port_range_max: 0 }),
      rule(11, { protocol: 'icmpv6', ethertype: 'IPv6', port_range_min: 128 }),
    ],
    { 2: ['ping4', 'ping6'], 3: ['ping4', 'ping6'] },
  ],
  [
    'another type, a number',
    [rule(10, { protocol: 'icmp', port_range_min: 13 }), rule(11, { protocol: '17', ethertype: 'IPv6' })],
    { 2: ['udp6'], 3: ['udp6'] },
  ],
  [
    'a prefix',
    [
      rule(10, { remote_ip_prefix: '10.0.0.2/31' }),
      rule(11, { ethertype: 'IPv6', remote_ip_prefix: 'fd00::3/128' }),
    ],
    { 2: ['ping4', 'tcp4', 'udp4'], 3: WAYS },
  ],
  [
    'a remote group',
    [
      rule(10, { remote_group_id: CLIENT, protocol: 'tcp' }),
      rule(11, { remote_group_id: CLIENT, ethertype: 'IPv6', protocol: 'udp' }),
    ],
    { 2: ['tcp4', 'udp6'], 3: ['tcp4', 'udp6'] },
  ],
  [
    'an address group',
    [
      rule(10, { remote_address_group_id: ADDRESSES, protocol: 'udp' }),
      rule(11, { remote_address_group_id: ADDRESSES, ethertype: 'IPv6' }),
    ],
    { 2: [], 3: ['ping6', 'tcp6', 'udp4', 'udp6'] },
  ],
];

inOwnNamespaces(import.meta.url, () => {
  test('rules let in what they say, from the same host and from another, and nothing else', async (t) => {
    const stage = await makeStage(t, MACHINES, (n) => ({ security_groups: groupsOf(n) }));
    for (const [name, rules, wanted] of MATRIX) {
      setRules(stage, rules);
      await stage.converge();
      for (const from of [2, 3] as const)
        assert.deepEqual(
          await waysTo(stage, from, 1),
          [...wanted[from]].sort(),
          `${name}: from machine ${from}`,
        );
    }
    assert.deepEqual(await waysTo(stage, 4, 1), [], 'who is in no group sends nothing');
    setRules(stage, [rule(10, { remote_group_id: CLIENT })], [3]);
    await stage.converge();
    assert.deepEqual(await waysTo(stage, 2, 1), [], 'who is a member no more');
    assert.deepEqual(await waysTo(stage, 3, 1), ['ping4', 'tcp4', 'udp4']);
  });
});
