/** What host.ts promises of filtering what bridges pass on: as host-contract.test.ts. */
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { linuxHost } from '../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../test/support/own-namespaces.ts';
import { FakeHost } from './fake/fake-host.ts';
import type { Host } from './host.ts';

function filterTests(make: (t: TestContext) => Host): void {
  test('a table is made part by part, and read as it stands', async (t) => {
    const host = make(t);
    const table = 'inet dtn_parts';
    assert.equal(await host.tableForm(null, table), null);
    const lines = [
      `add table ${table}`,
      `add set ${table} some-4 { type ipv4_addr; flags interval; }`,
      `add set ${table} links { type ifname . ether_addr; }`,
      `add map ${table} marks { type ifname : mark; }`,
      `add map ${table} ways { type mark : verdict; }`,
      `add chain ${table} side-1`,
      `add chain ${table} first { type filter hook forward priority -5; policy accept; }`,
      `add rule ${table} first meta mark vmap @ways comment "a 1"`,
      `add rule ${table} first ip saddr @some-4 drop comment "b"`,
      `add element ${table} some-4 { 10.0.0.0/24, 10.1.0.1 }`,
      `add element ${table} links { "tap0" . 02:00:00:00:00:01 }`,
      `add element ${table} marks { "tap0" : 2147483649 }`,
      `add element ${table} ways { 17 : goto side-1 }`,
    ];
    const apply = (some: readonly string[]) => host.applyRuleset(null, `${some.join('\n')}\n`);
    await apply(lines);
    assert.deepEqual(await host.tableForm(null, table), {
      chains: new Map([
        ['side-1', { hook: '', rules: [] }],
        ['first', { hook: 'forward -5 accept', rules: ['a 1', 'b'] }],
      ]),
      sets: new Map([
        ['some-4', new Set(['10.0.0.0/24', '10.1.0.1'])],
        ['links', new Set(['tap0 . 02:00:00:00:00:01'])],
      ]),
      maps: new Map([
        ['marks', new Map([['tap0', '2147483649']])],
        ['ways', new Map([['17', 'goto side-1']])],
      ]),
    });
    const before = await host.tableForm(null, table);
    await assert.rejects(apply([`flush chain ${table} first`, `delete chain ${table} side-1`]));
    await assert.rejects(apply([`delete element ${table} some-4 { 10.7.0.0 }`]));
    assert.deepEqual(await host.tableForm(null, table), before);
    await apply([
      `flush chain ${table} first`,
      `delete element ${table} ways { 17 }`,
      `delete element ${table} links { "tap0" . 02:00:00:00:00:01 }`,
      `delete chain ${table} side-1`,
      `delete set ${table} some-4`,
    ]);
    const after = await host.tableForm(null, table);
    assert.deepEqual([...(after?.chains ?? [])], [['first', { hook: 'forward -5 accept', rules: [] }]]);
    assert.deepEqual([...(after?.sets ?? [])], [['links', new Set()]]);
    assert.deepEqual(after?.maps.get('ways'), new Map());
    await apply([`delete table ${table}`]);
    assert.equal(await host.tableForm(null, table), null);
  });

  test('a bridge is filtered when told so', async (t) => {
    const host = make(t);
    const filtered = async () => (await host.links(['brq8']))[0]?.filtered;
    await host.changeLinks(null, [{ op: 'add-bridge', name: 'brq8', mtu: 1500 }]);
    assert.equal(await filtered(), undefined);
    const set = (on: boolean) => host.changeLinks(null, [{ op: 'set-link', name: 'brq8', filtered: on }]);
    assert.deepEqual(await set(true), [null]);
    assert.equal(await filtered(), true);
    assert.deepEqual(await set(false), [null]);
    assert.equal(await filtered(), undefined);
  });

  test('ending connections that there are not is fine', async (t) => {
    const host = make(t);
    if ((await host.filteringFault()) !== null)
      t.skip('SKIPPED: this host cannot filter what bridges pass on');
    else
      await host.endConnections([
        { version: 4, zone: 7, source: '10.0.0.0/24', mark: { value: 0x2222, mask: 0xffff } },
        { version: 6, destination: 'fd00::1' },
        { version: 6, mark: { value: 7, mask: 0xffff } },
      ]);
  });
}

describe('the fake host', () => filterTests(() => new FakeHost()));

inOwnNamespaces(import.meta.url, () => filterTests((t) => linuxHost(t)));
