/** API lists: filters, sorting, paging. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NetworkRow } from '../../src/resources/network.ts';
import type { ListFilter, ListQuery, Store } from '../../src/store/store.ts';
import type { WithStore } from './contract.ts';
import { network, networkId } from './rows.ts';

type Query = Partial<ListQuery<NetworkRow>>;

/** The `segmentation_id`s (the row's number) of a list. */
function numbers(store: Store, query: Query): Promise<(number | null)[]> {
  return store.view(async (view) => {
    const rows = await view.networks.list({ filters: [], sort: [], ...query });
    return rows.map((row) => Number(row.id.slice(-12)));
  });
}

/** Every combination of few names, MTUs and nulls, so that ties and nulls meet in each column. */
function mixedRows(): NetworkRow[] {
  const rows: NetworkRow[] = [];
  for (const name of ['b', 'a', 'B', ''])
    for (const mtu of [1500, 1450])
      for (const physical_network of ['y', null, 'x']) {
        const n = (rows.length * 7) % 24;
        rows.push(network(n + 1, { name, mtu, physical_network }));
      }
  return rows;
}

/** PostgreSQL's order, said again in another way: nulls above everything, text by code unit, ties by id. */
function sorted(rows: readonly NetworkRow[], sort: ListQuery<NetworkRow>['sort']): number[] {
  const order = [
    ...sort,
    ...(sort.some((s) => s.column === 'id') ? [] : [{ column: 'id' as const, descending: false }]),
  ];
  const rank = (row: NetworkRow, column: keyof NetworkRow): [number, string | number] => {
    const value = row[column] as string | number | null;
    return value === null ? [1, 0] : [0, value];
  };
  return [...rows]
    .sort((left, right) => {
      for (const { column, descending } of order) {
        const [leftNull, leftValue] = rank(left, column);
        const [rightNull, rightValue] = rank(right, column);
        const sign = leftNull - rightNull || (leftValue < rightValue ? -1 : leftValue > rightValue ? 1 : 0);
        if (sign !== 0) return descending ? -sign : sign;
      }
      return 0;
    })
    .map((row) => Number(row.id.slice(-12)));
}

const SORTS: readonly ListQuery<NetworkRow>['sort'][] = [
  [],
  [{ column: 'name', descending: false }],
  [{ column: 'name', descending: true }],
  [{ column: 'physical_network', descending: false }],
  [{ column: 'physical_network', descending: true }],
  [
    { column: 'physical_network', descending: true },
    { column: 'mtu', descending: false },
  ],
  [
    { column: 'mtu', descending: true },
    { column: 'physical_network', descending: false },
    { column: 'name', descending: true },
  ],
  [
    { column: 'name', descending: true },
    { column: 'id', descending: true },
  ],
];

export function listTests(withStore: WithStore): void {
  test('by what it is none of', () =>
    withStore(async (store) => {
      const names = [null, 'x', 'y'];
      const rows = names.map((physical_network, at) => network(at + 1, { physical_network }));
      await store.transact((tx) => tx.networks.insert(rows));
      const none = (column: 'id' | 'physical_network', ...values: string[]) =>
        numbers(store, { filters: [{ column, operator: 'not in', values }] });
      assert.deepEqual(await none('physical_network', 'x'), [1, 3]);
      assert.deepEqual(await none('physical_network', 'x', 'y', 'z'), [1]);
      assert.deepEqual(await none('physical_network'), [1, 2, 3]);
      assert.deepEqual(await none('id', networkId(2), 'nonsense'), [1, 3]);
    }));

  test('by tags, and by what changed since', () =>
    withStore(async (store) => {
      const rows = [['red'], ['blue', 'red'], ['blue'], [], ["o'clock", '"%_']].map((tags, at) =>
        network(at + 1, { tags, updated_at: `2026-01-0${at + 1}T00:00:00Z` }),
      );
      await store.transact((tx) => tx.networks.insert(rows));
      const found = (operator: ListFilter<NetworkRow>['operator'], ...values: string[]) =>
        numbers(store, { filters: [{ column: 'tags', operator, values }] });
      assert.deepEqual(await found('has all', 'red'), [1, 2]);
      assert.deepEqual(await found('has all', 'red', 'blue'), [2]);
      assert.deepEqual(await found('has all', 'red', 'a\u0000b'), []);
      assert.deepEqual(await found('has any', 'red', 'blue', 'a\u0000b'), [1, 2, 3]);
      assert.deepEqual(await found('has any', '"%_'), [5]);
      assert.deepEqual(await found('has any'), []);
      assert.deepEqual(await found('lacks some', 'red', 'blue'), [1, 3, 4, 5]);
      assert.deepEqual(await found('lacks some', 'a\u0000b'), [1, 2, 3, 4, 5]);
      assert.deepEqual(await found('lacks all', 'red', "o'clock", 'a\u0000b'), [3, 4]);
      const since = (...values: string[]) =>
        numbers(store, { filters: [{ column: 'updated_at', operator: 'from', values }] });
      assert.deepEqual(await since('2026-01-04T00:00:00Z'), [4, 5]);
      assert.deepEqual(await since('2026-01-04T00:00:01Z'), [5]);
      assert.deepEqual(await since(), []);
    }));

  test('sorted by any columns in any directions, nulls as in PostgreSQL, ties by id', () =>
    withStore(async (store) => {
      const rows = mixedRows();
      await store.transact((tx) => tx.networks.insert(rows));
      for (const sort of SORTS) {
        assert.deepEqual(await numbers(store, { sort }), sorted(rows, sort), JSON.stringify(sort));
      }
    }));

  test('pages laid end to end are the whole list, from any marker and of any size', () =>
    withStore(async (store) => {
      const rows = mixedRows();
      await store.transact((tx) => tx.networks.insert(rows));
      const byNumber = new Map(rows.map((row) => [Number(row.id.slice(-12)), row]));
      for (const sort of SORTS) {
        const whole = sorted(rows, sort);
        for (const limit of [1, 5, 24]) {
          const walked: (number | null)[] = [];
          for (;;) {
            const after = byNumber.get(walked.at(-1) ?? -1);
            const page = await numbers(store, { sort, limit, ...(after ? { after } : {}) });
            assert.ok(page.length <= limit);
            if (page.length === 0) break;
            walked.push(...page);
          }
          assert.deepEqual(walked, whole, JSON.stringify({ sort, limit }));
        }
      }
    }));

  test('filters: one of, substring, prefix; wildcards are plain characters; all must hold', () =>
    withStore(async (store) => {
      await store.transact((tx) =>
        tx.networks.insert([
          network(1, { name: 'web_1', shared: true }),
          network(2, { name: 'web%1' }),
          network(3, { name: 'webx1', physical_network: 'phys' }),
          network(4, { name: 'back\\slash' }),
          network(5, { name: "o'web", mtu: 9000, revision_number: 2 ** 40 }),
        ]),
      );
      const filtered = (...filters: ListQuery<NetworkRow>['filters']) => numbers(store, { filters });
      assert.deepEqual(
        await filtered({ column: 'name', operator: 'in', values: ['webx1', 'web_1', 'no'] }),
        [1, 3],
      );
      assert.deepEqual(await filtered({ column: 'name', operator: 'in', values: [] }), []);
      assert.deepEqual(await filtered({ column: 'name', operator: 'prefix', values: ['web_'] }), [1]);
      assert.deepEqual(
        await filtered({ column: 'name', operator: 'prefix', values: ['web%', 'back\\'] }),
        [2, 4],
      );
      assert.deepEqual(await filtered({ column: 'name', operator: 'prefix', values: ['web'] }), [1, 2, 3]);
      assert.deepEqual(
        await filtered({ column: 'name', operator: 'contains', values: ['web'] }),
        [1, 2, 3, 5],
      );
      assert.deepEqual(
        await filtered({ column: 'name', operator: 'contains', values: ['_', '\\s'] }),
        [1, 4],
      );
      assert.deepEqual(await filtered({ column: 'name', operator: 'contains', values: ["'"] }), [5]);
      assert.deepEqual(await filtered({ column: 'shared', operator: 'in', values: [true] }), [1]);
      assert.deepEqual(await filtered({ column: 'mtu', operator: 'in', values: [9000, 68] }), [5]);
      assert.deepEqual(await filtered({ column: 'mtu', operator: 'in', values: ['9000'] }), [5]);
      assert.deepEqual(await filtered({ column: 'mtu', operator: 'in', values: ['many'] }), []);
      assert.deepEqual(await filtered({ column: 'revision_number', operator: 'in', values: [2 ** 40] }), [5]);
      assert.deepEqual(
        await filtered({ column: 'id', operator: 'in', values: [networkId(4), 'not a uuid'] }),
        [4],
      );
      assert.deepEqual(
        await filtered({ column: 'physical_network', operator: 'in', values: [null] }),
        [1, 2, 4, 5],
      );
      assert.deepEqual(
        await filtered(
          { column: 'name', operator: 'prefix', values: ['web'] },
          { column: 'physical_network', operator: 'in', values: ['phys', 'other'] },
        ),
        [3],
      );
    }));

  test('anyOf: one of them must hold as well', () =>
    withStore(async (store) => {
      await store.transact((tx) =>
        tx.networks.insert([
          network(1, { project_id: 'a' }),
          network(2, { project_id: 'b', shared: true }),
          network(3, { project_id: 'b' }),
          network(4, { project_id: 'a', shared: true, name: 'x' }),
        ]),
      );
      const anyOf: ListQuery<NetworkRow>['filters'] = [
        { column: 'project_id', operator: 'in', values: ['a'] },
        { column: 'shared', operator: 'in', values: [true] },
      ];
      assert.deepEqual(await numbers(store, { anyOf }), [1, 2, 4]);
      assert.deepEqual(
        await numbers(store, { anyOf, filters: [{ column: 'name', operator: 'in', values: ['x'] }] }),
        [4],
      );
      assert.deepEqual(
        await numbers(store, { anyOf, after: network(1, { project_id: 'a' }), limit: 1 }),
        [2],
      );
      assert.deepEqual(await numbers(store, { anyOf: [] }), []);
    }));
}
