/** Opens the PostgreSQL store: pool, schema, wake-ups. */
import { type ClientConfig, Pool, type PoolConfig, types } from 'pg';
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { beginEpoch, trim, trimEvents } from './change-log.ts';
import { migrate } from './migrate.ts';
import { createNotifier } from './notify.ts';
import { createPresence } from './servers.ts';
import type { Store } from './store.ts';
import { housekeeping, type TransactionContext, transact, view } from './transaction.ts';
import { PROBE_MS, Vigil } from './vigil.ts';

/** What the store logs to. */
export interface StoreLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface StoreOptions {
  /** `postgresql://...`, or its parts. */
  readonly connection:
    | string
    | Pick<ClientConfig, 'host' | 'port' | 'user' | 'database' | 'password' | 'ssl'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: StoreLog;
  /** Sessions at most, besides the one that listens. */
  readonly connections?: number;
  /** How long a statement may take. A wait for another's row lock may take a third of it. */
  readonly statementTimeoutMs?: number;
  /** How long a transaction waits for one of the sessions, or for a new one to be there. */
  readonly sessionTimeoutMs?: number;
  /** How long a database of which nothing is heard may take to answer a question before it counts as silent. */
  readonly probeMs?: number;
  /** How long to look for a commit's outcome after its connection broke. */
  readonly commitPatienceMs?: number;
}

export interface OpenedStore extends Store {
  /** Ends every connection, after the transactions that are under way. May be called again. */
  close(): Promise<void>;
}

const NOTIFY_DEBOUNCE_MS = 10;

/**
 * Connects, brings the schema up to date, listens.
 * @throws StoreUnavailable when the database cannot be reached: try again.
 */
export async function openStore(options: StoreOptions): Promise<OpenedStore> {
  const { clock, random, log } = options;
  const connection = connectionConfig(options);
  await migrate(connection, log);
  const vigil = new Vigil({ connection, clock, log, probeMs: options.probeMs ?? PROBE_MS });
  const pool = new Pool({
    ...connection,
    stream: vigil.socket,
    max: options.connections ?? 10,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
  });
  // Without a listener of its own, a session whose server dies while it is checked out would end this process.
  pool.on('connect', (client) => {
    client.on('error', (error) => log.warn({ error: error.message }, 'a database session broke'));
  });
  pool.on('error', () => undefined); // the same error again: the pool has dropped the session
  const context: TransactionContext = {
    pool,
    vigil,
    clock,
    random,
    names: new Map(),
    commitPatienceMs: options.commitPatienceMs ?? 10_000,
  };

  const listeners = new Set<() => void>();
  const wake = () => {
    for (const listener of listeners) listener();
  };
  const notifier = createNotifier({
    connection,
    clock,
    log,
    ownName: random.uuid(),
    debounceMs: NOTIFY_DEBOUNCE_MS,
    heard: wake,
  });
  const ending = new AbortController();
  const listening = Promise.all([notifier.run(ending.signal), vigil.run(pool, ending.signal)]);
  const end = async () => {
    ending.abort();
    await listening;
    await pool.end();
  };
  let ended: Promise<void> | undefined;

  return {
    async transact(work) {
      const committed = await transact(context, work);
      if (committed.place !== null) {
        notifier.tell();
        wake();
      }
      return committed;
    },
    view: (work) => view(context, work),
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    trim: (limits) => housekeeping(context, (session) => trim(session, limits)),
    trimEvents: (limits) => housekeeping(context, (session) => trimEvents(session, limits)),
    async beginEpoch() {
      const place = await housekeeping(context, (session) => beginEpoch(session, random.tag()));
      notifier.tell();
      wake();
      return place;
    },
    ...createPresence(context),
    close() {
      ended ??= end();
      return ended;
    },
  };
}

/**
 * Timeouts on both sides, so that neither a frozen client nor a frozen server holds the other: the server ends a
 * session that idles inside a transaction, the client one whose answer does not come.
 */
function connectionConfig(options: StoreOptions): PoolConfig {
  const timeoutMs = options.statementTimeoutMs ?? 15_000;
  const named =
    typeof options.connection === 'string' ? { connectionString: options.connection } : options.connection;
  return {
    application_name: 'deuteron',
    ...named,
    pipeline: true,
    connectionTimeoutMillis: options.sessionTimeoutMs ?? 5_000,
    statement_timeout: timeoutMs,
    lock_timeout: Math.ceil(timeoutMs / 3),
    idle_in_transaction_session_timeout: timeoutMs,
    query_timeout: timeoutMs + 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    options: [
      '-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3',
      '-c tcp_user_timeout=25000 -c client_connection_check_interval=5000',
    ].join(' '),
    types: { getTypeParser },
  };
}

const INT8 = 20;

/** int8 comes as a number, and is a safe integer, or it is a bug. */
const getTypeParser = ((oid: number, format?: 'text' | 'binary') => {
  if (oid === INT8) return readBigint;
  return types.getTypeParser(oid, format as 'text');
}) as typeof types.getTypeParser;

function readBigint(text: string): number {
  const value = Number(text);
  assert(Number.isSafeInteger(value), `${text} is not a safe integer`);
  return value;
}
