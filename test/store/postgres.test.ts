/** The contract on the real PostgreSQL. */
import { after, before } from 'node:test';
import { openTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { contractSuite } from './contract.ts';

let database: TestDatabase;
before(async () => {
  database = await openTestDatabase();
});
after(() => database.close());

contractSuite('PostgreSQL', async () => {
  await database.reset();
  return { store: database.store, close: async () => undefined };
});
