/** Transactions and views as a whole. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunAgain, type Transaction, UniqueViolation } from '../../src/store/store.ts';
import type { WithStore } from './contract.ts';
import {
  agent,
  allocation,
  block,
  dhcpBinding,
  host,
  network,
  networkId,
  port,
  portId,
  subnet,
} from './rows.ts';

/** A point that one side reaches and others wait for. */
function gate(): { readonly open: () => void; readonly opened: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: () => resolve(), opened: promise };
}

export function transactionTests(withStore: WithStore): void {
  test('work that throws leaves nothing, and its error comes through unchanged', () =>
    withStore(async (store) => {
      const error = new Error('no');
      const failing = store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.ports.insert([port(1, 1)]);
        throw error;
      });
      await assert.rejects(failing, (thrown) => thrown === error);
      await store.view(async (view) => {
        assert.equal(await view.networks.count({}), 0);
        assert.equal((await view.head()).position, 0);
      });
    }));

  test('a transaction sees what it wrote', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.networks.update({ id: networkId(1) }, { name: 'x' });
        assert.equal((await tx.networks.get({ id: networkId(1) }))?.name, 'x');
        assert.equal(await tx.networks.count({}), 1);
        const listed = await tx.networks.list({ filters: [], sort: [] });
        assert.equal(listed[0]?.name, 'x');
      });
    }));

  test('others see it only after the commit, and then at once', () =>
    withStore(async (store) => {
      const written = gate();
      const looked = gate();
      const writing = store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        written.open();
        await looked.opened;
      });
      await written.opened;
      assert.equal(await store.view((view) => view.networks.count({})), 0);
      looked.open();
      await writing;
      assert.equal(await store.view((view) => view.networks.count({})), 1);
    }));

  test('each statement of a transaction sees what had committed when it began', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        assert.equal(await tx.networks.count({}), 0);
        await store.transact((other) => other.networks.insert([network(1)]));
        assert.equal(await tx.networks.count({}), 1);
      });
    }));

  test('every read of a view is of one state', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1)]));
      await store.view(async (view) => {
        const before = await view.head();
        await store.transact(async (tx) => {
          await tx.networks.insert([network(2)]);
          await tx.networks.update({ id: networkId(1) }, { name: 'changed' });
          await tx.hosts.insert([host('h')]);
          await tx.ports.insert([port(1, 1, { host: 'h' })]);
        });
        assert.deepEqual(await view.networks.find({}), [network(1)]);
        assert.equal(await view.ports.count({}), 0);
        assert.deepEqual(await view.head(), before);
        assert.equal((await view.changesFrom(0, 100)).length, 2);
        assert.equal((await view.scopes()).size, 0);
      });
      await store.view(async (view) => {
        assert.equal(await view.networks.count({}), 2);
        assert.deepEqual([...(await view.scopes())], [['h', [`network/${networkId(1)}`]]]);
      });
    }));

  test('a view cannot write', () =>
    withStore(async (store) => {
      await assert.rejects(store.view((view) => view.networks.insert([network(1)])));
      assert.equal(await store.view((view) => view.networks.count({})), 0);
    }));

  test('a statement that failed dooms the transaction, swallowed or not', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1)]));
      const swallowing = store.transact(async (tx) => {
        await tx.networks.insert([network(2)]);
        await assert.rejects(tx.networks.insert([network(1)]), UniqueViolation);
        await assert.rejects(tx.networks.count({}), UniqueViolation);
        return 'went well';
      });
      await assert.rejects(swallowing, UniqueViolation);
      assert.equal(await store.view((view) => view.networks.count({})), 1);
    }));

  test('statements at the same time: one that fails takes the others with it', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1)]));
      const both = store.transact((tx) =>
        Promise.all([tx.networks.insert([network(1)]), tx.networks.insert([network(2)])]),
      );
      await assert.rejects(both, UniqueViolation);
      assert.equal(await store.view((view) => view.networks.count({})), 1);
    }));

  test('statements not awaited one by one happen in the order in which they were asked', () =>
    withStore(async (store) => {
      const { result } = await store.transact((tx) =>
        Promise.all([
          tx.networks.insert([network(1)]),
          tx.networks.count({}),
          tx.networks.update({}, { name: 'x' }),
          tx.networks.get({ id: networkId(1) }),
        ]),
      );
      assert.deepEqual([result[1], result[3]?.name], [1, 'x']);
    }));

  test('a transaction is of no use after its end', () =>
    withStore(async (store) => {
      let kept: Transaction | undefined;
      await store.transact(async (tx) => {
        kept = tx;
      });
      await assert.rejects(async () => kept?.networks.count({}), { name: 'Bug' });
    }));

  test('work that asks for it is run again, from the start', () =>
    withStore(async (store) => {
      let runs = 0;
      const { result } = await store.transact(async (tx) => {
        runs += 1;
        await tx.networks.insert([network(runs)]);
        if (runs < 4) throw new RunAgain('taken');
        return runs;
      });
      assert.equal(result, 4);
      assert.deepEqual(await store.view((view) => view.networks.find({})), [network(4)]);
    }));

  test('a row that one has locked, another waits for, and then reads as it has become', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1, { revision_number: 0 })]));
      const increment = () =>
        store.transact(async (tx) => {
          const [row] = await tx.networks.lock({ id: networkId(1) });
          await tx.networks.update(
            { id: networkId(1) },
            { revision_number: (row?.revision_number ?? 0) + 1 },
          );
        });
      await Promise.all(Array.from({ length: 8 }, increment));
      const row = await store.view((view) => view.networks.get({ id: networkId(1) }));
      assert.equal(row?.revision_number, 8);
    }));

  test('who is alone with some words sees what those before had written', () =>
    withStore(async (store) => {
      const make = (n: number) =>
        store.transact(async (tx) => {
          await tx.alone('networks of p1');
          if ((await tx.networks.count({})) < 3) await tx.networks.insert([network(n)]);
        });
      await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(make));
      assert.equal(await store.view((view) => view.networks.count({})), 3);
      await store.transact(async (tx) => {
        await tx.alone('networks of p1');
        await store.transact((other) => other.alone('networks of p2'));
      });
    }));

  test('a lock does not hold up those who refer to the row', () =>
    withStore(async (store) => {
      await store.transact((tx) => tx.networks.insert([network(1)]));
      await store.transact(async (tx) => {
        await tx.networks.lock({ id: networkId(1) });
        await store.transact((other) => other.ports.insert([port(1, 1)]));
        assert.equal(await tx.ports.count({}), 1);
      });
    }));

  test('of those who take one address at the same time, one gets it', () =>
    withStore(async (store) => {
      await store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.subnets.insert([subnet(1, 1)]);
        await tx.ports.insert([1, 2, 3, 4, 5, 6].map((n) => port(n, 1)));
      });
      const outcomes = await Promise.allSettled(
        [1, 2, 3, 4, 5, 6].map((n) =>
          store.transact((tx) => tx.ipAllocations.insert([allocation(1, 1, n, '10.0.1.2')])),
        ),
      );
      assert.equal(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.ok(outcome.reason instanceof UniqueViolation);
      }
    }));

  test('a DHCP binding gets the position of its making at the commit, and keeps it', () =>
    withStore(async (store) => {
      const made = await store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.hosts.insert([host('a')]);
        await tx.agents.insert([agent(1, 'a')]);
        await tx.dhcpBindings.insert([{ ...dhcpBinding(1, 1, 'a'), tag: tx.tag, position: null }]);
      });
      await store.transact(async (tx) => {
        await tx.dhcpBindings.update({}, { leaving: true });
        await tx.networks.update({ id: networkId(1) }, { mtu: 1400 });
      });
      const [binding] = await store.view((view) => view.dhcpBindings.find({}));
      assert.deepEqual([binding?.leaving, binding?.tag, binding?.position], [true, made.place?.tag, 1]);
    }));

  test('provisioning blocks opened here get the position at the commit; others keep theirs', () =>
    withStore(async (store) => {
      const first = await store.transact(async (tx) => {
        await tx.networks.insert([network(1)]);
        await tx.ports.insert([port(1, 1)]);
        await tx.provisioningBlocks.insert([block(1, 'L2', tx.tag), block(1, 'DHCP', tx.tag)]);
        assert.equal((await tx.provisioningBlocks.find({}))[0]?.position, null);
      });
      const second = await store.transact(async (tx) => {
        await tx.ports.insert([port(2, 1)]);
        await tx.provisioningBlocks.insert([block(2, 'L2', tx.tag)]);
      });
      assert.equal(first.place?.position, 1);
      assert.equal(second.place?.position, 2);
      const blocks = await store.view((view) => view.provisioningBlocks.find({}));
      assert.deepEqual(
        blocks.map((row) => [row.port_id, row.entity, row.position, row.tag]),
        [
          [portId(1), 'DHCP', 1, first.place?.tag],
          [portId(1), 'L2', 1, first.place?.tag],
          [portId(2), 'L2', 2, second.place?.tag],
        ],
      );
    }));
}
