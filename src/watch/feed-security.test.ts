/** Security groups through the feed: who hears, what comes with what, and what it costs. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { addressGroupRow, ruleRow, securityGroupRow } from '../../test/support/watch-security.ts';
import { addHosts } from '../../test/support/watch-workload.ts';
import {
  networkRow,
  portRow,
  type TestSink,
  WatchWorld,
  type WorldOptions,
  watchRequest,
} from '../../test/support/watch-world.ts';
import type { Transaction } from '../store/store.ts';
import type { BatchFrame } from './protocol.ts';
import type { ChangeHint, FeedSource } from './source.ts';

let world: WatchWorld;
afterEach(() => world.close());

const HOSTS = ['a', 'b', 'c', 'd'];
const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const [OWN, REMOTE, ADDRESSES] = [uuid(1), uuid(2), uuid(3)] as const;
const RULE = { remote_group_id: REMOTE };
const inGroup = (port: string, group: string) => ({ port_id: port, security_group_id: group });
/** The nth port. */
const portId = (n: number) => uuid(100 + n);

/**
 * One network with port 1 on a in group OWN; ports 2 and 3 in REMOTE, on b and nowhere; port 4 on c and 5 on d in no group.
 * Agents on all hosts.
 */
async function cloud(options: WorldOptions = {}): Promise<void> {
  world = new WatchWorld(options);
  await addHosts(world, HOSTS);
  const network = uuid(9);
  const at = (n: number) => ({ fixed_ips: [{ subnet_id: network, ip_address: `10.0.0.${n}` }] });
  await world.transact(async (tx) => {
    await tx.networks.insert([networkRow(network, 1)]);
    await tx.ports.insert(
      ['a', 'b', '', 'c', 'd'].map((host, i) => portRow(portId(i + 1), network, { host, ...at(i + 1) })),
    );
    await tx.securityGroups.insert([securityGroupRow(OWN), securityGroupRow(REMOTE)]);
    await tx.addressGroups.insert([addressGroupRow(ADDRESSES)]);
    await tx.portSecurityGroups.insert([
      inGroup(portId(1), OWN),
      inGroup(portId(2), REMOTE),
      inGroup(portId(3), REMOTE),
    ]);
  });
}

/** A watch by hand of each host, that has got its all. */
async function watchAll(): Promise<ReadonlyMap<string, TestSink>> {
  const sinks = new Map(HOSTS.map((host) => [host, world.attach(watchRequest(host)).sink]));
  await world.clock.advance(1_000);
  return sinks;
}

/** What the hosts are told of one transaction, by host; bookmarks aside. */
async function told(
  sinks: ReadonlyMap<string, TestSink>,
  work: (tx: Transaction) => Promise<unknown>,
): Promise<Record<string, BatchFrame[]>> {
  const before = new Map([...sinks].map(([host, sink]) => [host, sink.lines.length]));
  await world.transact(work);
  await world.clock.advance(100);
  const found: Record<string, BatchFrame[]> = {};
  for (const [host, sink] of sinks) {
    const batches = sink
      .frames()
      .slice(before.get(host))
      .filter((frame) => frame.type === 'batch')
      .filter((one) => Object.keys({ ...one.enter, ...one.changes }).length + one.leave.length > 0);
    if (batches.length > 0) found[host] = batches;
  }
  return found;
}

const remoteRule = (fields: object = RULE) => ruleRow(uuid(50), OWN, fields);

test('a rule with a remote comes in one batch with all who are in that, and goes with them', async () => {
  await cloud();
  const sinks = await watchAll();
  const widened = await told(sinks, (tx) => tx.securityGroupRules.insert([remoteRule()]));
  assert.deepEqual(Object.keys(widened), ['a']);
  const [batch, ...rest] = widened['a'] ?? [];
  assert.deepEqual(rest, []);
  assert.deepEqual(Object.keys(batch?.changes ?? {}), [`security-group/${OWN}`]);
  assert.deepEqual(batch?.enter, {
    [`members/${REMOTE}`]: {
      [`member/${portId(2)}`]: { port_id: portId(2), addresses: ['10.0.0.2'] },
      [`member/${portId(3)}`]: { port_id: portId(3), addresses: ['10.0.0.3'] },
    },
  });
  const narrowed = await told(sinks, (tx) => tx.securityGroupRules.remove({}));
  assert.deepEqual(Object.keys(narrowed), ['a']);
  assert.deepEqual(narrowed['a']?.[0]?.leave, [`members/${REMOTE}`]);
  const named = await told(sinks, (tx) =>
    tx.securityGroupRules.insert([remoteRule({ remote_address_group_id: ADDRESSES })]),
  );
  assert.deepEqual(Object.keys(named['a']?.[0]?.enter ?? {}), [`address-group/${ADDRESSES}`]);
});

test("one member's change is one small object, to those hosts only that have a rule for it", async () => {
  await cloud();
  const others = Array.from({ length: 1_000 }, (_, n) => portId(1_000 + n));
  await world.transact(async (tx) => {
    await tx.ports.insert(others.map((id) => portRow(id, uuid(9))));
    await tx.portSecurityGroups.insert(others.map((id) => inGroup(id, REMOTE)));
    await tx.securityGroupRules.insert([remoteRule()]);
  });
  const sinks = await watchAll();
  const member = (n: number) => `member/${portId(n)}`;
  const pairs = [{ ip_address: '10.9.0.0/16', mac_address: 'fa:16:3e:00:00:01' }];
  const changed = await told(sinks, (tx) =>
    tx.ports.update({ id: portId(3) }, { allowed_address_pairs: pairs }),
  );
  assert.deepEqual(Object.keys(changed), ['a'], 'it is bound nowhere');
  const [batch] = changed['a'] ?? [];
  assert.deepEqual([batch?.enter, batch?.leave], [{}, []]);
  assert.deepEqual(batch?.changes, {
    [`members/${REMOTE}`]: {
      [member(3)]: { port_id: portId(3), addresses: ['10.0.0.3', '10.9.0.0/16'] },
    },
  });
  assert.ok(JSON.stringify(batch).length < 400, JSON.stringify(batch));
  // it comes and goes the same way, and where it is bound its own port changes with it
  for (const leaves of [false, true]) {
    const row = inGroup(portId(4), REMOTE);
    const moved = await told(sinks, (tx) =>
      leaves ? tx.portSecurityGroups.remove(row) : tx.portSecurityGroups.insert([row]),
    );
    assert.deepEqual(Object.keys(moved), ['a', 'c']);
    assert.deepEqual(Object.keys(moved['a']?.[0]?.changes ?? {}), [`members/${REMOTE}`]);
    assert.deepEqual(Object.keys(moved['a']?.[0]?.changes[`members/${REMOTE}`] ?? {}), [member(4)]);
    assert.deepEqual(Object.keys(moved['c']?.[0]?.changes ?? {}), ['host/c']);
    const scope = [...(moved['c']?.[0]?.leave ?? []), ...Object.keys(moved['c']?.[0]?.enter ?? {})];
    assert.deepEqual(scope, [`security-group/${REMOTE}`]);
  }
});

test('a rule and a port that come at the same moment find each other, whichever commits first', async () => {
  for (const isRuleFirst of [true, false]) {
    await cloud();
    for (const host of HOSTS) await world.startAgent(host);
    await world.clock.advance(1_000);
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const rule = world.transact(async (tx) => {
      await tx.securityGroupRules.insert([remoteRule()]);
      await gates[0].promise;
    });
    const port = world.transact(async (tx) => {
      await tx.portSecurityGroups.insert([inGroup(portId(4), OWN)]);
      await gates[1].promise;
    });
    await world.clock.advance(10);
    const order = isRuleFirst ? [0, 1] : [1, 0];
    for (const one of order as [0 | 1, 0 | 1]) {
      gates[one].resolve();
      await (one === 0 ? rule : port);
      await world.clock.advance(1_000);
      world.assertConverged();
    }
    assert.deepEqual([...(world.mirror('c').group(`members/${REMOTE}`)?.keys() ?? [])].sort(), [
      `member/${portId(2)}`,
      `member/${portId(3)}`,
    ]);
    assert.deepEqual(world.errors, []);
    if (isRuleFirst) await world.close();
  }
});

test('who was away when a rule came or went hears what it needs, and no more, when it is back', async () => {
  await cloud();
  await world.startAgent('a');
  await world.clock.advance(1_000);
  await world.stopAgent('a');
  await world.transact((tx) => tx.securityGroupRules.insert([remoteRule()]));
  await world.startAgent('a');
  await world.clock.advance(1_000);
  world.assertConverged();
  assert.equal(world.mirror('a').group(`members/${REMOTE}`)?.size, 2);
  await world.stopAgent('a');
  await world.transact((tx) => tx.securityGroups.remove({ id: uuid(77) }));
  await world.transact((tx) => tx.securityGroupRules.remove({}));
  await world.startAgent('a');
  await world.clock.advance(1_000);
  world.assertConverged();
  assert.equal(world.mirror('a').group(`members/${REMOTE}`), undefined);
});

/** A source that leaves something out of the log. */
const forgetful =
  (forget: (change: ChangeHint) => ChangeHint) =>
  (source: FeedSource): FeedSource => ({
    onAppend: source.onAppend,
    view: (work) =>
      source.view((view) =>
        work({
          ...view,
          changesFrom: async (position, limit) => (await view.changesFrom(position, limit)).map(forget),
        }),
      ),
  });

test('an audit finds members that were not told, and remotes that a host was not told to hear of', async () => {
  let isForgetting = false;
  const source = forgetful((change) =>
    isForgetting
      ? {
          ...change,
          refs: change.refs.filter((ref) => !ref.startsWith('members/')),
          hosts: change.hosts.filter((name) => !name.includes('/')),
        }
      : change,
  );
  const audit = { minPeriodMs: 10_000, maxPeriodMs: 60_000, perTick: 20, tickMs: 1_000 };
  await cloud({ source, limits: { audit }, unchecked: true });
  await world.transact((tx) => tx.securityGroupRules.insert([remoteRule()]));
  await world.startAgent('a');
  await world.clock.advance(1_000);
  isForgetting = true;
  for (const work of [
    (tx: Transaction) => tx.portSecurityGroups.insert([inGroup(portId(4), REMOTE)]),
    (tx: Transaction) =>
      tx.securityGroupRules.insert([{ ...remoteRule(), id: uuid(51), remote_group_id: OWN }]),
    (tx: Transaction) => tx.securityGroupRules.remove({ remote_group_id: REMOTE }),
  ]) {
    await world.transact(async (tx) => void (await work(tx)));
    await world.clock.advance(500);
    assert.throws(() => world.assertConverged());
    await world.clock.advance(30_000);
    world.assertConverged();
  }
});
