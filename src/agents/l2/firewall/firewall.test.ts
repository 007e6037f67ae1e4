/** What of the firewall can be told without a kernel; what passes and what does not is in test/lab/l2-firewall.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeHost } from '../../../host/fake/fake-host.ts';
import { endpoint, id, networkBody, portBody, TestWorld } from '../../../../test/support/network-objects.ts';
import {
  guardedPort,
  outward,
  putAddressGroup,
  putGroup,
  putMembers,
  rule,
} from '../../../../test/support/security-objects.ts';
import type { RoleAgent } from '../../role.ts';
import { createL2Agent } from '../reconciler.ts';
import { BRIDGE_TABLE, INET_TABLE } from './frame.ts';
import { ruleMark } from './marks.ts';

const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const BRIDGE = 'brq000000aa-00';
const [WEB, CLIENT] = [id(0x51), id(0x52)];
const NEVER = new AbortController().signal;
const tap = (number: number) => `tap0000000${number}-00`;

/** Keeps what was applied. */
class ListeningHost extends FakeHost {
  readonly applied: string[] = [];
  refuses = false;

  override async applyRuleset(namespace: string | null, text: string): Promise<void> {
    if (text.includes('deuteron_firewall')) {
      if (this.refuses) throw new Error('nft refused the ruleset: no room');
      this.applied.push(text);
    }
    await super.applyRuleset(namespace, text);
  }
}

class Bench {
  readonly host = new ListeningHost();
  readonly world = new TestWorld('h1');
  agent: RoleAgent;

  constructor() {
    this.world.putNetwork(networkBody(NETWORK), [endpoint('h1', '192.0.2.1'), endpoint('h2', '192.0.2.2')]);
    putGroup(this.world, WEB, [...outward(1), rule(10, { remote_group_id: CLIENT, protocol: 'tcp' })]);
    putGroup(this.world, CLIENT, outward(3));
    putMembers(this.world, CLIENT, { [id(2)]: ['10.0.0.2'], [id(7)]: ['10.0.0.7', 'fd00::7'] });
    for (const number of [1, 2]) {
      this.world.putPort(guardedPort(number, NETWORK, { security_groups: [number === 1 ? WEB : CLIENT] }));
      this.host.plug({ name: tap(number) });
    }
    this.agent = this.#born();
    void this.host.follow((event) => void this.agent.keysOfHostEvent(event), NEVER);
  }

  #born(): RoleAgent {
    const { host, world } = this;
    return createL2Agent({ host, world, hostName: 'h1', tunnelIp: '192.0.2.1', bridgeMappings: new Map() });
  }

  beBornAgain(): void {
    this.agent = this.#born();
  }

  /** What falls short. */
  async converge(key = KEY): Promise<string[]> {
    void [...this.agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
    const { shortfalls } = await this.agent.reconcile(key, NEVER);
    return shortfalls.map(({ object, state, reason }) => `${object} ${state}: ${reason}`);
  }

  /** The statements of the last change, and none before it. */
  async changeOf(change: () => void): Promise<string[]> {
    this.host.applied.length = 0;
    change();
    assert.deepEqual(await this.converge(), []);
    return this.host.applied.flatMap((text) => text.trim().split('\n'));
  }

  async isIn(number: number): Promise<boolean> {
    return (await this.host.links([tap(number)]))[0]?.master === BRIDGE;
  }

  async form() {
    const [bridge, inet] = [
      await this.host.tableForm(null, BRIDGE_TABLE),
      await this.host.tableForm(null, INET_TABLE),
    ];
    return { bridge, inet };
  }
}

test('a port joins its network behind its firewall, and both go with it', async () => {
  const bench = new Bench();
  assert.deepEqual(await bench.converge(), []);
  const { bridge, inet } = await bench.form();
  assert.deepEqual([...(bridge?.sets.get('filtered') ?? [])].sort(), [tap(1), tap(2)]);
  assert.deepEqual([...(inet?.sets.get(`m4-${CLIENT}`) ?? [])].sort(), ['10.0.0.2', '10.0.0.7']);
  assert.deepEqual([...(inet?.maps.get('zones') ?? [])], [[BRIDGE, '1']]);
  assert.ok((await bench.host.links([BRIDGE]))[0]?.filtered);
  assert.ok((await bench.isIn(1)) && (await bench.isIn(2)));

  for (const number of [1, 2]) bench.world.remove('host/h1', `port/${id(number)}`);
  assert.deepEqual(await bench.converge(), []);
  assert.deepEqual(await bench.form(), { bridge: null, inet: null });
  assert.ok(!(await bench.isIn(1)), 'it left its bridge before its firewall went');
});

test('what could not be forgotten of ports that left is tried again, though no port is left to tell of it', async () => {
  const bench = new Bench();
  await bench.converge();
  for (const number of [1, 2]) bench.world.remove('host/h1', `port/${id(number)}`);
  bench.host.refuses = true;
  void [...bench.agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
  assert.ok(((await bench.agent.reconcile(KEY, NEVER)).again ?? 0) > 0);
  bench.host.refuses = false;
  assert.equal((await bench.agent.reconcile(KEY, NEVER)).again, undefined);
  assert.deepEqual(await bench.form(), { bridge: null, inet: null });
});

test('without a firewall a port stays outside and says why; an open one beside it is wired', async () => {
  const bench = new Bench();
  bench.world.putPort(portBody(id(3), NETWORK));
  bench.host.plug({ name: tap(3) });
  bench.host.filtering = 'the kernel does not have br_netfilter';
  const reason = 'failed: security groups cannot be enforced here: the kernel does not have br_netfilter';
  assert.deepEqual(await bench.converge(), [`port/${id(1)} ${reason}`, `port/${id(2)} ${reason}`]);
  assert.ok(!(await bench.isIn(1)) && (await bench.isIn(3)));
  bench.host.filtering = null;
  bench.host.refuses = true;
  assert.deepEqual((await bench.converge()).length, 2);
  assert.ok(!(await bench.isIn(1)));
  bench.host.refuses = false;
  assert.deepEqual(await bench.converge(), []);
  assert.ok(await bench.isIn(1));
});

test('a member is one element, a rule its chain, a port its own elements', async () => {
  const bench = new Bench();
  await bench.converge();
  assert.deepEqual(
    await bench.changeOf(() =>
      putMembers(bench.world, CLIENT, {
        [id(2)]: ['10.0.0.2', '10.0.0.8'],
        [id(7)]: ['10.0.0.7', 'fd00::7'],
      }),
    ),
    [`add element ${INET_TABLE} m4-${CLIENT} { 10.0.0.8 }`],
  );
  const changed = await bench.changeOf(() =>
    putGroup(bench.world, WEB, [
      ...outward(1),
      rule(10, { remote_group_id: CLIENT, protocol: 'tcp' }),
      rule(11, { protocol: 'icmp' }),
    ]),
  );
  assert.ok(
    changed.every((line) => line.includes(` in-${WEB}`)),
    changed.join('\n'),
  );
  assert.ok(changed.length === 3, changed.join('\n'));
  bench.host.plug({ name: tap(4) });
  const port = await bench.changeOf(() =>
    bench.world.putPort(guardedPort(4, NETWORK, { security_groups: [WEB] })),
  );
  assert.ok(
    port.every((line) => line.startsWith(`add element ${BRIDGE_TABLE}`) && line.includes(tap(4))),
    port.join('\n'),
  );
  assert.deepEqual(await bench.changeOf(() => undefined), []);
});

test('a later life adopts what stands, and puts right what another hand changed', async () => {
  const bench = new Bench();
  putAddressGroup(bench.world, id(0x61), ['10.9.0.0/16', '10.9.1.0/24']);
  putGroup(bench.world, CLIENT, [...outward(3), rule(12, { remote_address_group_id: id(0x61) })]);
  await bench.converge();
  const before = await bench.form();
  bench.beBornAgain();
  assert.deepEqual(await bench.changeOf(() => undefined), []);
  await bench.host.applyRuleset(null, `add rule ${INET_TABLE} in-${WEB} accept comment "mine"\n`);
  await bench.host.applyRuleset(null, `delete element ${INET_TABLE} m4-${CLIENT} { 10.0.0.2 }\n`);
  assert.notDeepEqual(await bench.form(), before);
  bench.beBornAgain();
  assert.deepEqual(await bench.converge(), []);
  assert.deepEqual(await bench.form(), before);
});

test('while a lost mirror fills, what stands stays', async () => {
  const bench = new Bench();
  putMembers(bench.world, CLIENT, { [id(2)]: ['10.0.0.2', '10.3.0.0/24'] });
  await bench.converge();
  const before = await bench.form();
  bench.beBornAgain();
  for (const group of [`security-group/${WEB}`, `members/${CLIENT}`]) bench.world.remove(group);
  assert.deepEqual(await bench.converge(), [
    `port/${id(1)} failed: security group ${WEB} is not known here yet`,
  ]);
  const { inet } = await bench.form();
  assert.deepEqual(inet?.chains, before.inet?.chains);
  for (const set of [`m4-${CLIENT}`, `mp4-${CLIENT}`])
    assert.deepEqual(inet?.sets.get(set), before.inet?.sets.get(set));
  putGroup(bench.world, WEB, [...outward(1), rule(10, { remote_group_id: CLIENT, protocol: 'tcp' })]);
  assert.deepEqual(await bench.converge(), [
    `port/${id(1)} failed: the members of ${CLIENT} are not known here yet`,
  ]);
  assert.deepEqual(await bench.form(), before);
  assert.ok(await bench.isIn(1));
});

test('what goes ends the connections that it let pass, and no others', async () => {
  const bench = new Bench();
  await bench.converge();
  const endedBy = async (change: () => void) => {
    bench.host.ended.length = 0;
    change();
    assert.deepEqual(await bench.converge(), []);
    return [...bench.host.ended];
  };
  const web = (more: readonly number[]) =>
    putGroup(bench.world, WEB, [
      ...outward(1),
      ...more.map((number) => rule(number, { remote_group_id: CLIENT, protocol: 'tcp' })),
    ]);
  const mark = { value: ruleMark(rule(10).id), mask: 0xffff };
  assert.deepEqual(await endedBy(() => putMembers(bench.world, CLIENT, { [id(2)]: ['10.0.0.2'] })), [
    { version: 4, mark, source: '10.0.0.7' },
  ]);
  assert.deepEqual(await endedBy(() => web([10, 11])), []);
  assert.deepEqual(await endedBy(() => web([11])), [{ version: 4, mark }]);
  const regroup = (groups: readonly string[]) =>
    bench.world.putPort(guardedPort(1, NETWORK, { security_groups: groups }));
  assert.deepEqual(await endedBy(() => regroup([CLIENT, WEB])), []);
  const lost = await endedBy(() => regroup([CLIENT]));
  assert.ok(
    lost.length > 0 &&
      lost.every(
        ({ zone, source = null, destination = null }) =>
          zone === 1 || (source === null && destination === null),
      ),
  );
  const of = (address: string) => ({ version: address.includes(':') ? 6 : 4, zone: 1 });
  assert.deepEqual(
    (await endedBy(() => bench.world.remove('host/h1', `port/${id(2)}`))).filter((one) => one.zone === 1),
    ['10.0.0.2', 'fd00::2', 'fe80::f816:3eff:fe00:2'].flatMap((address) => [
      { ...of(address), source: address },
      { ...of(address), destination: address },
    ]),
  );
});

test('connections that could not be ended are ended by a later life', async () => {
  const bench = new Bench();
  await bench.converge();
  const { endConnections } = bench.host;
  bench.host.endConnections = async () => {
    throw new Error('conntrack is gone');
  };
  putGroup(bench.world, WEB, outward(1));
  assert.equal((await bench.converge()).length, 2);
  bench.host.endConnections = endConnections;
  bench.beBornAgain();
  assert.deepEqual(await bench.converge(), []);
  assert.deepEqual(
    bench.host.ended.map(({ mark }) => mark?.value),
    [ruleMark(rule(10).id)],
  );
});

test('what stands serves on while the mirror is not whole, or the host refuses a change or to tell', async () => {
  const bench = new Bench();
  await bench.converge();
  const before = await bench.form();
  bench.beBornAgain();
  bench.world.putPort(portBody(id(9), id(0xab)));
  assert.notDeepEqual(await bench.converge(), []);
  assert.ok((await bench.isIn(1)) && (await bench.isIn(2)));
  assert.deepEqual(await bench.form(), before);
  bench.world.remove('host/h1', `port/${id(9)}`);
  assert.deepEqual(await bench.converge(), []);

  bench.host.refuses = true;
  putGroup(bench.world, CLIENT, [...outward(3), rule(12)]);
  assert.equal((await bench.converge()).length, 2);
  assert.ok(await bench.isIn(1));
  bench.host.refuses = false;
  const { tableForm } = bench.host;
  bench.host.tableForm = async () => {
    throw new Error('no room');
  };
  bench.beBornAgain();
  assert.equal((await bench.converge()).length, 2);
  assert.ok(await bench.isIn(1));
  bench.host.tableForm = tableForm;
  assert.deepEqual(await bench.converge(), []);

  await bench.host.applyRuleset(null, `delete table ${BRIDGE_TABLE}\n`);
  bench.host.refuses = true;
  bench.beBornAgain();
  assert.equal((await bench.converge()).length, 2);
  assert.ok(!(await bench.isIn(1)), 'what does not stand does not serve');
});
