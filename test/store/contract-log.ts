/** The log of changes: places, reading, scopes, trimming, waking. */
import type { EventRow } from '../../src/resources/event.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Store } from '../../src/store/store.ts';
import type { WithStore } from './contract.ts';
import { agent, agentId, dhcpBinding, host, network, networkId, port, portId } from './rows.ts';

async function append(store: Store, count: number): Promise<void> {
  for (let n = 1; n <= count; n++) await store.transact((tx) => tx.networks.insert([network(n)]));
}

const event = (n: number): EventRow => ({
  id: networkId(n),
  at: `2026-01-01T00:00:0${n}Z`,
  kind: 'remedy',
  severity: 'info',
  host: '',
  role: '',
  object: '',
  message: '',
  data: {},
});

const positions = (store: Store, from = 0, limit = 1000) =>
  store.view(async (view) => (await view.changesFrom(from, limit)).map((change) => change.position));

export function logTests(withStore: WithStore): void {
  test('an empty log has one row, the place where everything begins', () =>
    withStore(async (store) => {
      await store.view(async (view) => {
        const head = await view.head();
        assert.equal(head.position, 0);
        assert.ok(Number.isSafeInteger(head.tag) && head.tag > 0);
        const [change, ...others] = await view.changesFrom(0, 10);
        assert.ok(change && change.ageMs >= 0 && change.ageMs < 60_000);
        assert.deepEqual([change, others], [{ ...head, refs: [], hosts: [], ageMs: change.ageMs }, []]);
      });
    }));

  test("positions are dense; a change bears its transaction's tag", () =>
    withStore(async (store) => {
      for (let n = 1; n <= 3; n++) {
        let tag = 0;
        const { place } = await store.transact(async (tx) => {
          tag = tx.tag;
          await tx.networks.insert([network(n)]);
        });
        assert.deepEqual(place, { position: n, tag });
        assert.deepEqual(await store.view((view) => view.head()), place);
      }
    }));

  test('positions are dense with many writers, each place its own', () =>
    withStore(async (store) => {
      const committed = await Promise.all(
        Array.from({ length: 40 }, (_, n) => store.transact((tx) => tx.networks.insert([network(n + 1)]))),
      );
      const places = committed.map(({ place }) => place?.position ?? -1).sort((a, b) => a - b);
      assert.deepEqual(
        places,
        Array.from({ length: 40 }, (_, n) => n + 1),
      );
      assert.equal((await positions(store)).length, 41);
    }));

  test('changesFrom: from a position on, that one included, in order, no more than asked', () =>
    withStore(async (store) => {
      await append(store, 5);
      assert.deepEqual(await positions(store, 0, 3), [0, 1, 2]);
      assert.deepEqual(await positions(store, 3, 100), [3, 4, 5]);
      assert.deepEqual(await positions(store, 5, 100), [5]);
      assert.deepEqual(await positions(store, 6, 100), []);
    }));

  test('a transaction reads the log as it is, without its own change', () =>
    withStore(async (store) => {
      await append(store, 2);
      await store.transact(async (tx) => {
        await tx.networks.insert([network(8)]);
        assert.equal((await tx.head()).position, 2);
        const { place } = await store.transact((other) => other.networks.insert([network(9)]));
        assert.deepEqual(await tx.head(), place);
        const changes = await tx.changesFrom(2, 10);
        assert.deepEqual(
          changes.map(({ position, refs }) => [position, refs.length > 0]),
          [
            [2, true],
            [3, true],
          ],
        );
      });
    }));

  test('trim forgets the old but never the last', () =>
    withStore(async (store) => {
      await append(store, 6);
      assert.equal(await store.trim({ ageMs: 3_600_000, keep: 1 }), 0);
      assert.equal(await store.trim({ ageMs: 0, keep: 100 }), 0);
      assert.equal(await store.trim({ ageMs: 0, keep: 4 }), 3);
      assert.deepEqual(await positions(store), [3, 4, 5, 6]);
      assert.equal(await store.trim({ ageMs: 0, keep: 0 }), 3);
      assert.deepEqual(await positions(store), [6]);
      const { place } = await store.transact((tx) => tx.networks.insert([network(7)]));
      assert.equal(place?.position, 7);
      assert.deepEqual(await positions(store, 6), [6, 7]);
    }));

  test('events: those from before a time go, and the oldest beyond a number', () =>
    withStore(async (store) => {
      const ids = async () => (await store.view((view) => view.events.find({}))).map((event) => event.id);
      await store.transact((tx) => tx.events.insert([1, 2, 3, 4, 5].map(event)));
      await store.trimEvents({ before: event(2).at, keep: 100 });
      assert.deepEqual(await ids(), [2, 3, 4, 5].map(networkId));
      await store.trimEvents({ before: '', keep: 2 });
      assert.deepEqual(await ids(), [4, 5].map(networkId));
    }));

  test('events: an alert stays until an end names it, whatever its age and however many came after it', () =>
    withStore(async (store) => {
      const ids = async () => (await store.view((view) => view.events.find({}))).map(({ id }) => id);
      const alert = (n: number): EventRow => ({ ...event(n), kind: 'alert' });
      const end = (n: number, ends: string): EventRow => ({
        ...event(n),
        kind: 'alert-ended',
        data: { ends },
      });
      const rows = [alert(1), alert(2), end(3, networkId(2)), end(4, ''), event(5), event(6)];
      await store.transact((tx) => tx.events.insert(rows));
      await store.trimEvents({ before: event(5).at, keep: 100 });
      assert.deepEqual(await ids(), [1, 5, 6].map(networkId));
      await store.trimEvents({ before: '', keep: 1 });
      assert.deepEqual(await ids(), [1, 6].map(networkId));
      await store.transact((tx) => tx.events.insert([end(7, networkId(1))]));
      await store.trimEvents({ before: event(6).at, keep: 100 });
      assert.deepEqual(await ids(), [6, 7].map(networkId));
    }));

  test('events: an end stays as long as its alert, also where the clock that wrote it was behind', () =>
    withStore(async (store) => {
      const ids = async () => (await store.view((view) => view.events.find({}))).map(({ id }) => id);
      const rows: EventRow[] = [
        { ...event(1), kind: 'alert-ended', data: { ends: networkId(3) } },
        { ...event(2), kind: 'alert-ended' },
        { ...event(3), kind: 'alert' },
        event(4),
      ];
      await store.transact((tx) => tx.events.insert(rows));
      await store.trimEvents({ before: event(3).at, keep: 100 });
      assert.deepEqual(await ids(), [1, 3, 4].map(networkId));
      await store.trimEvents({ before: event(4).at, keep: 100 });
      assert.deepEqual(await ids(), [networkId(4)]);
    }));

  test('beats: each server moves its own and sees all', () =>
    withStore(async (store) => {
      await store.beat('two');
      await store.beat('one');
      assert.deepEqual(await store.beat('two'), [
        { id: 'one', beat: 1 },
        { id: 'two', beat: 2 },
      ]);
    }));

  test('sightings and fleet: whom nobody hears or who is not simply alive, by host; hosts by zone', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.hosts.insert(['a', 'b', 'c', 'd', 'none'].map((name) => host(name)));
        await tx.agents.insert([
          agent(1, 'b', { server_id: 'one', role: 'l2', availability_zone: 'east' }),
          agent(2, 'b', { server_id: 'one', availability_zone: 'best' }),
          agent(3, 'a', { server_id: '', availability_zone: 'east' }),
          agent(6, 'a', { server_id: 'two', role: 'l2', availability_zone: 'east' }),
          agent(4, 'c', { server_id: 'two', liveness: 'held', availability_zone: 'east' }),
          agent(5, 'd', { server_id: 'two', deaths: 1 }),
        ]);
      });
      await store.view(async (view) => {
        const seen = async (servers: string[], died?: 'died') =>
          (await view.sightings(servers, died)).map((one) => `${one.host} ${one.role}`);
        assert.deepEqual(await seen(['']), ['a dhcp', 'a l2', 'c dhcp']);
        assert.deepEqual(await seen([''], 'died'), ['a dhcp', 'a l2', 'c dhcp', 'd dhcp']);
        assert.deepEqual(await seen(['one', '']), ['a dhcp', 'a l2', 'b dhcp', 'b l2', 'c dhcp']);
        assert.deepEqual((await view.sightings([]))[0], {
          ...{ id: agentId(4), host: 'c', role: 'dhcp', server_id: 'two', liveness: 'held', deaths: 0 },
          ...{ availability_zone: 'east', heartbeat_at: agent(4, 'c').heartbeat_at },
        });
        assert.deepEqual(
          [...(await view.fleet())],
          [
            ['best', 1],
            ['east', 2],
            ['nova', 1],
          ],
        );
      });
    }));

  test('scopes: networks of bound ports; networks and their DHCP where it is served', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.networks.insert([network(1), network(2), network(3)]);
        await tx.hosts.insert([host('a'), host('b'), host('idle')]);
        await tx.agents.insert([agent(1, 'b')]);
        await tx.dhcpBindings.insert([dhcpBinding(3, 1, 'b'), dhcpBinding(1, 1, 'b')]);
        await tx.ports.insert([
          port(1, 1, { host: 'a' }),
          port(2, 1, { host: 'a' }),
          port(3, 2, { host: 'a' }),
          port(4, 2, { host: 'b' }),
          port(5, 3),
        ]);
      });
      const a = [`network/${networkId(1)}`, `network/${networkId(2)}`];
      const b = [
        `dhcp/${networkId(1)}`,
        `dhcp/${networkId(3)}`,
        `network/${networkId(1)}`,
        `network/${networkId(2)}`,
        `network/${networkId(3)}`,
      ];
      const entries = (map: Map<string, string[]>) =>
        [...map].map(([name, groups]) => [name, [...groups].sort()]).sort();
      await store.view(async (view) => {
        assert.deepEqual(entries(await view.scopes()), [
          ['a', a],
          ['b', b],
        ]);
        assert.deepEqual(entries(await view.scopes(['b', 'idle'])), [
          ['b', b],
          ['idle', []],
        ]);
        assert.equal((await view.scopes([])).size, 0);
      });
      await store.transact((tx) => tx.ports.update({ id: portId(3) }, { host: '' }));
      await store.view(async (view) => {
        assert.deepEqual((await view.scopes(['a'])).get('a'), [`network/${networkId(1)}`]);
      });
    }));

  test('beginEpoch: one new place is all that the log holds, and nobody has realised anything', () =>
    withStore(async (store) => {
      await append(store, 1);
      const before = await store.view((view) => view.head());
      await store.transact(async (tx) => {
        await tx.hosts.insert([host('a')]);
        const realised = { realised_position: before.position, realised_tag: before.tag };
        await tx.agents.insert([{ ...agent(1, 'a'), ...realised }]);
      });
      const last = await store.view((view) => view.head());
      let woken = 0;
      const end = store.onAppend(() => {
        woken += 1;
      });
      const place = await store.beginEpoch();
      assert.equal(place.position, last.position + 1);
      assert.ok(woken >= 1);
      end();
      await store.view(async (view) => {
        assert.deepEqual(await view.head(), place);
        const changes = await view.changesFrom(0, 10);
        assert.deepEqual(
          changes.map(({ position, tag, refs, hosts }) => ({ position, tag, refs, hosts })),
          [{ ...place, refs: [], hosts: [] }],
        );
        const [one] = await view.agents.find({});
        assert.deepEqual([one?.realised_position, one?.realised_tag], [null, null]);
      });
      const { place: next } = await store.transact((tx) => tx.networks.insert([network(2)]));
      assert.equal(next?.position, place.position + 1);
    }));

  test('onAppend: called when a commit appended, not otherwise, until it is ended', () =>
    withStore(async (store) => {
      await append(store, 1);
      let woken = 0;
      const end = store.onAppend(() => {
        woken += 1;
      });
      await store.transact((tx) => tx.networks.update({}, { name: 'x' }));
      assert.ok(woken >= 1);
      const before = woken;
      for (let time = 0; time < 3; time++) {
        await store.transact((tx) => tx.networks.update({}, { status: 'DOWN' }));
        await assert.rejects(store.transact((tx) => tx.networks.insert([network(1)])));
      }
      assert.ok(woken <= before + 1, 'a new connection wakes by itself, once, and at any time');
      end();
      const last = woken;
      await store.transact((tx) => tx.networks.update({}, { name: 'y' }));
      assert.equal(woken, last);
    }));
}
