/** The contract on the real PostgreSQL. */
import { after, before } from 'node:test';
import { openTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { contractSuite } from './contract.ts';

// Held open, so that the cluster serves the whole file.
let first: TestDatabase;
before(async () => {
  first = await openTestDatabase();
});
after(() => first.close());

contractSuite('PostgreSQL', openTestDatabase);
