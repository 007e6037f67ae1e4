/**
 * Brings the schema up to date: each file of `migrations/` once, in order, in a transaction of its own. Servers that
 * start at the same time take turns.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { Client, type ClientConfig } from 'pg';
import { translate } from './faults.ts';
import type { StoreLog } from './open.ts';

const DIRECTORY = new URL('./migrations/', import.meta.url);

interface Migration {
  readonly name: string;
  readonly text: string;
  readonly hash: string;
}

function readMigrations(): Migration[] {
  return readdirSync(DIRECTORY)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => {
      const text = readFileSync(new URL(name, DIRECTORY), 'utf8');
      return { name, text, hash: createHash('sha256').update(text).digest('hex') };
    });
}

/** @throws StoreUnavailable; Error when a migration was changed after this database had applied it. */
export async function migrate(connection: ClientConfig, log: StoreLog): Promise<void> {
  // Building an index may take longer than any operation may.
  const client = new Client({ ...connection, statement_timeout: 0, lock_timeout: 0, query_timeout: 0 });
  client.on('error', (error) => log.warn({ error: error.message }, 'the connection for migrations failed'));
  try {
    await client.connect();
    for (const migration of readMigrations()) await apply(client, migration, log);
  } catch (error) {
    throw translate(error);
  } finally {
    await client.end();
  }
}

async function apply(client: Client, migration: Migration, log: StoreLog): Promise<void> {
  await client.query('begin; select pg_advisory_xact_lock(4951, 0)');
  try {
    await client.query(
      `create table if not exists migrations (
        name text primary key, hash text not null, applied_at timestamptz not null default now())`,
    );
    const known = await client.query<{ hash: string }>('select hash from migrations where name = $1', [
      migration.name,
    ]);
    const hash = known.rows[0]?.hash;
    if (hash === undefined) {
      await client.query(migration.text);
      await client.query('insert into migrations (name, hash) values ($1, $2)', [
        migration.name,
        migration.hash,
      ]);
      log.info({ migration: migration.name }, 'migrated the database');
    } else if (hash !== migration.hash) {
      throw new TypeError(
        `${migration.name} was changed after this database had applied it: write another one`,
      );
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
