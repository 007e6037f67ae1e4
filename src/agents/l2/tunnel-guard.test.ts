import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, id, networkBody, TestWorld } from '../../../test/support/network-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { GUARD_TABLE, guardRuleset, TunnelGuard } from './tunnel-guard.ts';
import { doorsOf } from './uplinks.ts';

test('the ruleset names the known endpoints and this host, nothing else', () => {
  const door = (local: string, endpoints: readonly string[]) =>
    ({ name: 'tunnel', port: 4789, local, endpoints }) as const;
  const ruleset = guardRuleset([door('192.0.2.1', ['192.0.2.2', '192.0.2.3', '2001:db8::1'])]);
  assert.match(ruleset!.text, /elements = \{ 192\.0\.2\.2, 192\.0\.2\.3 \}/);
  assert.match(ruleset!.text, /ip daddr 192\.0\.2\.1 ip saddr @tunnel_endpoints/);
  assert.ok(ruleset!.text.includes(`comment "${ruleset!.mark}"`));
  assert.notEqual(guardRuleset([door('192.0.2.1', ['192.0.2.2'])])!.mark, ruleset!.mark);
  assert.match(
    guardRuleset([door('2001:db8::9', ['2001:db8::1'])])!.text,
    /type ipv6_addr; elements = \{ 2001:db8::1 \}/,
  );
  assert.equal(guardRuleset([]), null);
});

test('over the management network come only HA segments, from their hosts', () => {
  const world = new TestWorld('h1');
  const settings = {
    ...{ hostName: 'h1', tunnelIp: '192.0.2.1', managementIp: '198.51.100.1', bridgeMappings: new Map() },
  };
  world.putNetwork(networkBody(id(1)), [endpoint('h2', '192.0.2.2')]);
  const tunnel = { name: 'tunnel', port: 4789, local: '192.0.2.1' };
  assert.deepEqual(doorsOf(world, settings), [{ ...tunnel, endpoints: ['192.0.2.2'] }]);
  world.putNetwork(networkBody(id(2), { segmentation_id: 8, ha: true }), [
    { ...endpoint('h1', '192.0.2.1'), management_ip: '198.51.100.1' },
    { ...endpoint('h3', '192.0.2.3'), management_ip: '198.51.100.3' },
    { ...endpoint('h4', '192.0.2.4'), management_ip: '' },
  ]);
  const all = { ...tunnel, endpoints: ['192.0.2.2', '192.0.2.3', '192.0.2.4'] };
  assert.deepEqual(doorsOf(world, settings), [
    all,
    { name: 'management', port: 14789, local: '198.51.100.1', endpoints: ['198.51.100.3'] },
  ]);
  // one address for both is one way
  for (const managementIp of ['', 'nonsense', '192.0.2.1'])
    assert.deepEqual(doorsOf(world, { ...settings, managementIp }), [all]);
});

test('the table follows the world, is put back when it goes, and goes with the last tunnel', async () => {
  const host = new FakeHost();
  const world = new TestWorld('h1');
  const settings = { hostName: 'h1', tunnelIp: '192.0.2.1', bridgeMappings: new Map() };
  const guard = new TunnelGuard(host, world, settings);
  assert.equal(await guard.ensure(), false);
  world.putNetwork(networkBody(id(1)), [endpoint('h2', '192.0.2.2')]);
  guard.worldChanged();
  assert.equal(await guard.ensure(), true);
  assert.match(host.table(null, GUARD_TABLE)!.body, /192\.0\.2\.2/);
  assert.equal(await guard.ensure(), false);

  await host.applyRuleset(null, `delete table ${GUARD_TABLE}`);
  guard.hostChanged();
  assert.equal(await guard.ensure(), true);
  assert.ok(host.table(null, GUARD_TABLE));
  assert.equal(
    await new TunnelGuard(host, world, settings).ensure(),
    false,
    'a later life finds it as it should be',
  );

  world.remove(`network/${id(1)}`);
  guard.worldChanged();
  assert.equal(await guard.ensure(), true);
  assert.equal(host.table(null, GUARD_TABLE), undefined);
});
