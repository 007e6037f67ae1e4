/** What every store promises (`src/store/store.ts`), as tests to run against each implementation. */
import { describe } from 'node:test';
import type { Store } from '../../src/store/store.ts';
import { hintTests } from './contract-hints.ts';
import { listTests } from './contract-lists.ts';
import { logTests } from './contract-log.ts';
import { qosTests } from './contract-qos.ts';
import { routerTests } from './contract-routers.ts';
import { securityTests } from './contract-security.ts';
import { tableTests } from './contract-tables.ts';
import { transactionTests } from './contract-transactions.ts';

/** Runs `work` on a store with nothing in it but the log's first row, and closes it. */
export type WithStore = (work: (store: Store) => Promise<void>) => Promise<void>;

/** Defines the suite; `open` gives a new, empty store each time. */
export function contractSuite(
  name: string,
  open: () => Promise<{ readonly store: Store; close(): Promise<void> }>,
): void {
  const withStore: WithStore = async (work) => {
    const { store, close } = await open();
    try {
      await work(store);
    } finally {
      await close();
    }
  };
  describe(`the store's contract: ${name}`, () => {
    describe('tables', () => tableTests(withStore));
    describe('lists', () => listTests(withStore));
    describe('transactions', () => transactionTests(withStore));
    describe('hints', () => hintTests(withStore));
    describe('routers', () => routerTests(withStore));
    describe('security groups', () => securityTests(withStore));
    describe('QoS policies', () => qosTests(withStore));
    describe('the change log', () => logTests(withStore));
  });
}
