/** `deuteron database epoch`: finds the database, whether it runs or not, and begins an epoch in it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { realClock } from '../lib/clock.ts';
import { realRandom } from '../lib/random.ts';
import type { Place } from '../resources/place.ts';
import { openStore, type StoreOptions } from '../store/open.ts';
import { SERVER_OPTIONS } from './config.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { createLog, type Log } from './logging.ts';
import type { Settled } from './options.ts';

export const EPOCH_OPTIONS = {
  'database-url': SERVER_OPTIONS['database-url'],
  'data-directory': SERVER_OPTIONS['data-directory'],
  'socket-directory': SERVER_OPTIONS['socket-directory'],
  'log-level': { ...SERVER_OPTIONS['log-level'], default: 'error' },
} as const;

type EpochConfig = Settled<typeof EPOCH_OPTIONS>;
type Connection = StoreOptions['connection'];

/** Where the embedded PostgreSQL of a data directory listens, if it runs: lines of its pid file (PostgreSQL, miscadmin.h). */
function runningEmbedded(dataDirectory: string): Connection | undefined {
  const file = join(dataDirectory, 'postgres', 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const [pid, , , port, host, , , state] = readFileSync(file, 'utf8').split('\n');
  if (state?.trim() !== 'ready' || host === undefined || !isAlive(Number(pid))) return undefined;
  return { host, port: Number(port), user: 'deuteron', database: 'postgres' };
}

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
  } catch {
    return false; // no such process
  }
}

async function begin(connection: Connection, log: Log): Promise<Place> {
  const store = await openStore({ connection, clock: realClock, random: realRandom, log });
  try {
    return await store.beginEpoch();
  } finally {
    await store.close();
  }
}

/** Begins an epoch; gives its first place. An embedded PostgreSQL that does not run is started for as long as it takes. */
export async function beginEpoch(
  config: EpochConfig,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Place> {
  const log = createLog('database', config['log-level']);
  const url = config['database-url'] ?? env['DATABASE_URL'];
  if (url !== undefined && url !== '') return begin(url, log);
  const dataDirectory = config['data-directory'];
  if (!existsSync(join(dataDirectory, 'postgres')))
    throw new Error(`no database in ${dataDirectory}: name one by --data-directory or --database-url`);
  const running = runningEmbedded(dataDirectory);
  if (running) return begin(running, log);
  const socketDirectory = config['socket-directory'] ?? dataDirectory;
  const postgres = await startEmbeddedPostgres({ dataDirectory, socketDirectory, log });
  try {
    return await begin(postgres.config, log);
  } finally {
    await postgres.stop();
  }
}
