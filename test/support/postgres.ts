/**
 * Real PostgreSQL for tests. The first database of a process starts a cluster of its own below the temporary directory
 * (about a second), further ones are copies of a migrated template (tens of milliseconds); when the last is closed the
 * cluster is stopped and removed. It also ends if the test process is killed. Where `test/run.ts` offers a cluster to all the
 * files that it runs (`offerCluster`), databases are made there, and dropped when they are closed.
 *
 *     const db = await openTestDatabase();            // before(...)
 *     await db.store.transact(...);
 *     await db.close();                               // after(...)
 *
 *     await withDatabase(async ({ store }) => { ... });
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { type Clock, realClock } from '../../src/lib/clock.ts';
import { type Random, realRandom } from '../../src/lib/random.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/main/embedded-postgres.ts';
import type { Log } from '../../src/main/logging.ts';
import { migrate } from '../../src/store/migrate.ts';
import { type OpenedStore, openStore, type StoreOptions } from '../../src/store/open.ts';

/** Says nothing; DEUTERON_TEST_LOG=1 shows it all. */
export const quietLog: Log = {
  debug: say,
  info: say,
  warn: say,
  error: say,
};

function say(fields: object, message: string): void {
  if (process.env['DEUTERON_TEST_LOG']) process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
}

export interface TestCluster {
  readonly postgres: EmbeddedPostgres;
  readonly directory: string;
  /** Stops it and removes its files. */
  close(): Promise<void>;
}

/** A cluster of one's own, for tests that kill or copy it. Not durable unless asked: `{ fsync: 'on' }`. */
export async function startTestCluster(settings: Record<string, string> = {}): Promise<TestCluster> {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-pg-'));
  try {
    const postgres = await startEmbeddedPostgres({
      dataDirectory: directory,
      socketDirectory: directory,
      log: quietLog,
      settings: {
        fsync: 'off',
        synchronous_commit: 'off',
        full_page_writes: 'off',
        deadlock_timeout: '50ms',
        ...settings,
      },
    });
    return {
      postgres,
      directory,
      async close() {
        await postgres.stop();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

export type Connection = Exclude<StoreOptions['connection'], string>;

export interface TestDatabase {
  /** What `openStore` and `pg` take. */
  readonly connection: Connection;
  /** The same as a URL, for a server process. */
  readonly url: string;
  readonly store: OpenedStore;
  /** Opens one more store on it, as a second server would; closed with the database. */
  openAnother(changes?: Partial<StoreOptions>): Promise<OpenedStore>;
  /** Makes it as empty as it was: cheaper than another database. No transaction may be under way. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export interface TestDatabaseOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly connections?: number;
}

/** A machine may be so busy that half a hundred requests for one lock, and for ten sessions, take longer than a server would let them. */
const PATIENT = { sessionTimeoutMs: 120_000, statementTimeoutMs: 120_000, probeMs: 60_000 };

/** What databases are made in. */
interface DatabaseCluster {
  readonly postgres: Pick<EmbeddedPostgres, 'config' | 'connectionString'>;
  /** It is not this process's own. */
  readonly isOffered: boolean;
  close(): Promise<void>;
}

let shared: { readonly cluster: Promise<DatabaseCluster>; users: number; made: number } | undefined;

/** A new database with the schema and nothing in it, and a store on it. */
export async function openTestDatabase(options: TestDatabaseOptions = {}): Promise<TestDatabase> {
  shared ??= { cluster: findCluster(), users: 0, made: 0 };
  const mine = shared;
  mine.users++;
  const leave = async () => {
    if (--mine.users > 0) return;
    if (shared === mine) shared = undefined;
    const [cluster] = await Promise.allSettled([mine.cluster]);
    if (cluster.status === 'fulfilled') await cluster.value.close();
  };
  try {
    const name = `test_${process.pid}_${++mine.made}`;
    const { postgres, isOffered } = await mine.cluster;
    await withClient(postgres.config, (client) =>
      client.query(`create database ${name} template template_deuteron`),
    );
    const connection = { ...postgres.config, database: name };
    const stores: OpenedStore[] = [];
    const openAnother = async (changes: Partial<StoreOptions> = {}) => {
      const opened = await openStore({
        connection,
        clock: options.clock ?? realClock,
        random: options.random ?? realRandom,
        log: quietLog,
        connections: options.connections ?? 10,
        ...PATIENT,
        ...changes,
      });
      stores.push(opened);
      return opened;
    };
    const store = await openAnother();
    const close = async () => {
      await Promise.all(stores.map((opened) => opened.close()));
      if (isOffered)
        await withClient(postgres.config, (client) => client.query(`drop database ${name} with (force)`));
      await leave();
    };
    const url = postgres.connectionString.replace('/postgres?', `/${name}?`);
    const reset = () => withClient(connection, async (client) => void (await client.query(EMPTY)));
    return { connection, url, store, openAnother, reset, close };
  } catch (error) {
    await leave();
    throw error;
  }
}

/** Children first. One message, so one transaction. */
const EMPTY = [
  'delete from port_forwardings; delete from floating_ips; delete from routers; delete from ha_networks',
  'delete from metering_labels; delete from network_segment_ranges; delete from flavor_profiles; delete from service_profiles; delete from flavors; delete from trunks',
  'delete from ip_allocations; delete from provisioning_blocks; delete from dhcp_bindings; delete from agents',
  'delete from hosts; delete from ports; delete from subnets; delete from networks; delete from quotas',
  'delete from security_groups; delete from subnet_pools; delete from address_scopes; delete from address_groups; delete from rbac_policies; delete from qos_policies',
  'delete from leases; delete from fencings; delete from fence_checks; delete from events; delete from servers; delete from hintless_commits; delete from changes',
  `insert into changes (position, tag, refs, hosts) values (0, 1 + floor(random() * 1e15)::bigint, '{}', '{}')`,
].join(';');

/** As `openTestDatabase`, closed when `work` is done. */
export async function withDatabase<Result>(
  work: (database: TestDatabase) => Promise<Result>,
): Promise<Result> {
  const database = await openTestDatabase();
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** Its value: JSON of where the cluster is (`config` and `connectionString`). */
const OFFERED = 'DEUTERON_TEST_CLUSTER';

/** The cluster that is offered to this process, or else one of its own. */
async function findCluster(): Promise<DatabaseCluster> {
  const offered = process.env[OFFERED];
  if (offered === undefined) {
    const { postgres, close } = await startTemplateCluster();
    return { postgres, isOffered: false, close };
  }
  return { postgres: JSON.parse(offered), isOffered: true, close: () => Promise.resolve() };
}

/** Starts a cluster for all processes that this one starts from now on, until it is closed. */
export async function offerCluster(): Promise<Pick<TestCluster, 'close'>> {
  const { postgres, close } = await startTemplateCluster({ max_connections: '400' });
  const { config, connectionString } = postgres;
  process.env[OFFERED] = JSON.stringify({ config, connectionString });
  return {
    close() {
      delete process.env[OFFERED];
      return close();
    },
  };
}

async function startTemplateCluster(settings: Record<string, string> = {}): Promise<TestCluster> {
  const cluster = await startTestCluster(settings);
  try {
    const { config } = cluster.postgres;
    await withClient(config, (client) => client.query('create database template_deuteron'));
    await migrate({ ...config, database: 'template_deuteron' }, quietLog);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

/** A plain session beside the store, for what a test does to the database itself. */
export async function withClient<Result>(
  connection: Connection,
  work: (client: Client) => Promise<Result>,
): Promise<Result> {
  const client = new Client(connection);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
