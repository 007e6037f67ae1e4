/** The firewall of ports on real Linux: what must pass, and what must not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SecurityRuleBody } from '../../src/resources/agent-view.ts';
import { id } from '../support/network-objects.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import {
  guardedPort,
  mac,
  outward,
  putAddressGroup,
  putGroup,
  putMembers,
  rule,
} from '../support/security-objects.ts';
import {
  Ear,
  flood,
  machine,
  makeStage,
  NETWORK,
  pings,
  plug,
  sendFrames,
  sh,
  type Stage,
  tapOf,
  until,
} from './firewall-stage.ts';
import * as frame from './frames.ts';

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

/** The ways on which a machine reaches another; on those that are wanted it is given time. */
async function waysTo(
  stage: Stage,
  [from, to]: readonly [number, number],
  wanted: readonly Way[],
): Promise<Way[]> {
  const came = await Promise.all(
    WAYS.map((way) => {
      const address = way.endsWith('4') ? `10.0.0.${to}` : `fd00::${to}`;
      const verb = way.slice(0, -1) as 'ping' | 'tcp' | 'udp';
      return stage.talkers.get(from)!.wish({ verb, address, hoped: wanted.includes(way) });
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
          await waysTo(stage, [from, 1], wanted[from]),
          [...wanted[from]].sort(),
          `${name}: from machine ${from}`,
        );
    }
    assert.deepEqual(await waysTo(stage, [4, 1], none), [], 'who is in no group sends nothing');
    setRules(stage, [rule(10, { remote_group_id: CLIENT })], [3]);
    await stage.converge();
    assert.deepEqual(await waysTo(stage, [2, 1], none), [], 'who is a member no more');
    const left: Way[] = ['ping4', 'tcp4', 'udp4'];
    assert.deepEqual(await waysTo(stage, [3, 1], left), left);
  });

  test('nobody sends under a name that is not theirs, or what only routers and servers may say', async (t) => {
    const stage = await makeStage(t, { 1: 1, 2: 1, 4: 2 }, (n) =>
      n === 4 ? { port_security_enabled: undefined } : { security_groups: [WEB] },
    );
    setRules(stage, [rule(10), rule(11, { ethertype: 'IPv6' })]);
    await stage.converge();
    const ear = await Ear.at(4);
    t.after(() => ear.end());
    let count = 0;
    /** Those of the frames that come out at the open port of the other host. */
    const heard = async (frames: Readonly<Record<string, string>>) => {
      count += 1;
      const last = frame.arp({ number: 1 }, `10.0.9.${count}`);
      sendFrames(1, [...Object.values(frames), last]);
      await until('the last frame is heard', () => ear.heard(last));
      return Object.keys(frames).filter((name) => ear.heard(frame.afterTag(frames[name]!)));
    };
    const me = { number: 1 };
    const proper = {
      'an ARP probe': frame.arp({ ...me, address: '0.0.0.0' }, '10.0.8.1'),
      RARP: frame.ether(me, '8035', `00010800060400030${'0'.repeat(39)}`),
      'a DHCP request': frame.udp4({ ...me, address: '0.0.0.0' }, [68, 67], 'aa01'),
      'a renewal': frame.udp4(me, [68, 67], 'aa02'),
      'a datagram': frame.udp6(me, [5000, 5001], 'aa03'),
      'a link-local address': frame.udp6({ ...me, address: 'fe80::f816:3eff:fe00:1' }, [546, 547], 'aa04'),
      'its own neighbour advertisement': frame.advertisement(me, 'fd00::1'),
    };
    assert.deepEqual(await heard(proper), Object.keys(proper));
    const improper = (round: number) => {
      const mark = (number: number) => `${(0xb000 + round * 0x100 + number).toString(16)}`;
      return {
        'the address of another in ARP': frame.arp({ ...me, address: '10.0.0.2' }, `10.0.${round}.1`),
        'the MAC of another in ARP': frame.arp(me, `10.0.${round}.2`, mac(2)),
        'the MAC of another': frame.arp({ ...me, mac: mac(2) }, `10.0.${round}.3`),
        'the address of another': frame.udp4({ ...me, address: '10.0.0.2' }, [5000, 5001], mark(4)),
        'the IPv6 address of another': frame.udp6({ ...me, address: 'fd00::2' }, [5000, 5001], mark(5)),
        'a DHCP answer': frame.udp4(me, [67, 68], mark(6)),
        'a DHCPv6 answer': frame.udp6(me, [547, 546], mark(7)),
        'a router advertisement': frame.icmp6(me, 134, `4000070800000000${mark(8)}`),
        'a redirect': frame.icmp6(me, 137, `00000000${mark(9)}`),
        'an advertisement for another': frame.advertisement(me, `fd00::${round + 2}`),
        'another protocol': frame.ether(me, '88b5', mark(11)),
        'a tag': frame.tagged(frame.arp(me, `10.0.${round}.12`), 7),
        'a tagged packet': frame.tagged(frame.udp4(me, [5000, 5001], mark(13)), 7),
      };
    };
    assert.deepEqual(await heard(improper(1)), []);
    const fragment = frame.icmp6(me, 134, '4000070800000000bbbb', true);
    assert.deepEqual(await heard({ 'an advertisement in fragments': fragment }), []);

    const [first] = stage.hosts;
    const pairs = [
      { ip_address: '10.0.0.2', mac_address: mac(1) },
      { ip_address: 'fd00:0:0:5::/64', mac_address: mac(9) },
      { ip_address: '10.5.0.0/16', mac_address: mac(1) },
    ];
    first.world.putPort(guardedPort(1, NETWORK, { security_groups: [WEB], allowed_address_pairs: pairs }));
    await stage.converge();
    assert.deepEqual(await heard(improper(2)), ['the address of another in ARP', 'the address of another']);
    const other = { number: 1, mac: mac(9) };
    const paired = {
      'a prefix': frame.udp4({ ...me, address: '10.5.6.7' }, [5000, 5001], 'cc01'),
      'a prefix in ARP': frame.arp({ ...me, address: '10.5.6.8' }, '10.0.7.1'),
      'an IPv6 prefix by its MAC': frame.udp6({ ...other, address: 'fd00:0:0:5::8' }, [5000, 5001], 'cc02'),
      'an advertisement of it': frame.advertisement({ ...other, address: 'fd00:0:0:5::8' }, 'fd00:0:0:5::9'),
    };
    assert.deepEqual(await heard(paired), Object.keys(paired));
    const wrong = {
      'the prefix by another MAC': frame.udp4({ ...other, address: '10.5.6.9' }, [5000, 5001], 'dd01'),
      'beside the prefix': frame.udp4({ ...me, address: '10.6.0.1' }, [5000, 5001], 'dd02'),
      'the IPv6 prefix by another MAC': frame.udp6({ ...me, address: 'fd00:0:0:5::a' }, [5000, 5001], 'dd03'),
    };
    assert.deepEqual(await heard(wrong), []);

    first.world.putPort(guardedPort(1, NETWORK, { port_security_enabled: undefined }));
    await stage.converge();
    const all = improper(3);
    assert.deepEqual(await heard(all), Object.keys(all));
  });

  test('what goes ends what it let pass; a later life of the agent opens and loses nothing', async (t) => {
    const stage = await makeStage(t, MACHINES, (n) => ({ security_groups: groupsOf(n) }));
    const [one, two] = [stage.talkers.get(2)!, stage.talkers.get(3)!];
    const remote = rule(10, { remote_group_id: CLIENT });
    const prefix = rule(11, { remote_ip_prefix: '10.0.0.0/24', protocol: 'tcp' });
    const still = async (wanted: readonly [boolean, boolean], message: string) => {
      const say = (talker: typeof one, hoped: boolean) => talker.wish({ verb: 'say', hoped });
      const said = await Promise.all([say(one, wanted[0]), say(two, wanted[1])]);
      assert.deepEqual(said, wanted, message);
    };
    const begin = async () => {
      const opened = await Promise.all(
        [one, two].map((talker) => talker.wish({ verb: 'hold', address: '10.0.0.1', hoped: true })),
      );
      assert.deepEqual(opened, [true, true]);
    };
    setRules(stage, [remote]);
    await stage.converge();
    await begin();
    setRules(stage, [remote], [3]);
    await stage.converge();
    await still([false, true], 'the member that left');
    setRules(stage, [remote]);
    await stage.converge();
    await begin();
    setRules(stage, [remote, prefix]);
    await stage.converge();
    setRules(stage, [prefix]);
    await stage.converge();
    await still([true, true], 'another rule lets them pass');
    setRules(stage, []);
    await stage.converge();
    await still([false, false], 'the last rule that let them pass');
    setRules(stage, [remote]);
    await stage.converge();
    await begin();
    stage.hosts[0].world.putPort(guardedPort(1, NETWORK, { security_groups: [CLIENT] }));
    await stage.converge();
    await still([false, false], 'a group that the port left');

    stage.hosts[0].world.putPort(guardedPort(1, NETWORK, { security_groups: [WEB] }));
    setRules(stage, [remote], [3]);
    await stage.converge();
    const [passing, stopped] = [flood(3, '10.0.0.1'), flood(2, '10.0.0.1')];
    for (let life = 0; life < 3; life += 1) for (const host of stage.hosts) await host.beBornAgain();
    const { sent, received } = await passing();
    assert.ok(sent > 100, `${sent} sent`);
    assert.equal(received, sent);
    assert.equal((await stopped()).received, 0);
  });

  test('a link that is not wanted, or not yet, reaches nobody; what another hand opens is closed', async (t) => {
    const stage = await makeStage(t, { 1: 1, 2: 1 }, () => ({ security_groups: [WEB] }));
    const [first] = stage.hosts;
    setRules(stage, [rule(10)]);
    await stage.converge();
    assert.ok(pings(2, '10.0.0.1'));
    plug(5, 1);
    sh(`ip -n dtn-h1 link set ${tapOf(5)} master brq000000aa-00 up`);
    assert.ok(!pings(5, '10.0.0.1'), 'a stranger');
    assert.ok(!pings(1, '10.0.0.5'));
    first.world.putPort(guardedPort(5, NETWORK, { security_groups: [WEB] }));
    first.hearOfLinks();
    await first.converge();
    assert.ok(pings(5, '10.0.0.1'));

    sh('ip -n dtn-h1 link set brq000000aa-00 type bridge nf_call_iptables 0');
    assert.ok(!pings(2, '10.0.0.1'), 'a bridge that asks nobody');
    first.hearOfLinks();
    await first.converge();
    assert.ok(pings(2, '10.0.0.1'));

    sh('ip netns exec dtn-h1 nft delete table bridge deuteron_firewall');
    sh(`ip netns exec dtn-h1 nft flush chain inet deuteron_firewall in-${WEB}`);
    assert.deepEqual(
      [...first.agent.keysOfHostEvent({ type: 'inside', what: 'bridge deuteron_firewall' })],
      [`network/${NETWORK}`],
    );
    await first.converge();
    assert.ok(pings(2, '10.0.0.1'));
    sh(`ip -n ${machine(2)} address add 10.0.0.77/24 dev eth0`);
    assert.ok(!pings(2, '10.0.0.1', ['-I', '10.0.0.77']));

    first.world.remove('host/dtn-h1', `port/${id(5)}`);
    await first.converge();
    assert.ok(!pings(5, '10.0.0.1'), 'who left');
    for (const number of [1, 2]) first.world.remove('host/dtn-h1', `port/${id(number)}`);
    await first.converge();
    assert.equal(sh('ip netns exec dtn-h1 nft list tables').includes('deuteron_firewall'), false);
  });

  test('stateless groups let answers pass by rules only, and what they let pass is not tracked', async (t) => {
    const stage = await makeStage(t, { 1: 1, 2: 1, 3: 2 }, (n) => ({
      security_groups: [n === 1 ? WEB : CLIENT],
    }));
    const put = (more: readonly SecurityRuleBody[]) => {
      for (const { world } of stage.hosts) {
        putGroup(world, CLIENT, outward(3));
        putGroup(world, WEB, [rule(10, { protocol: 'tcp' }), ...more], { stateful: false });
      }
    };
    put([]);
    await stage.converge();
    const ways = (wanted: readonly Way[]) =>
      Promise.all(([2, 3] as const).map((from) => waysTo(stage, [from, 1], wanted)));
    assert.deepEqual(await ways(none), [[], []]);
    put([rule(12, { direction: 'egress', protocol: 'tcp' })]);
    await stage.converge();
    assert.deepEqual(await ways(['tcp4']), [['tcp4'], ['tcp4']]);
    const tracked = sh('ip netns exec dtn-h1 conntrack -L -p tcp 2>/dev/null');
    assert.ok(
      tracked.includes('src=10.0.0.2 dst=10.0.0.1'),
      'the stateful machine of the same host needs it',
    );
    assert.ok(!tracked.includes('10.0.0.3'), tracked);
  });
});
