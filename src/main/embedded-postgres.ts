/**
 * The database of an installation that names none: the real PostgreSQL, from an npm package, as a child process.
 * Below the data directory, `postgres/` is the cluster; what was acknowledged survives kill -9 of either process (fsync
 * is on). It listens on a Unix socket that only its owner can reach, on TCP only if a port is asked for.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { realClock, sleep } from '../lib/clock.ts';
import type { Log } from './logging.ts';
import { findPostgresBinaries, type PostgresBinaries, underPostgresRules } from './postgres-binaries.ts';

export interface EmbeddedPostgresOptions {
  readonly dataDirectory: string;
  /** Short: with the socket's name it must fit in 107 bytes (unix(7)). */
  readonly socketDirectory: string;
  /** Listens on 127.0.0.1 as well, with the password in `<dataDirectory>/password`. */
  readonly port?: number;
  readonly log: Log;
  /** Settings of postgresql.conf that go over ours, e.g. { fsync: 'off' } for a database that is thrown away. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** For `pg`: the Unix socket. */
  readonly config: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  readonly connectionString: string;
  readonly pid: number;
  /** Resolves when the process is gone, with a sentence that says how it ended. */
  readonly exited: Promise<string>;
  /** Ends sessions, writes a checkpoint, waits for the end. */
  stop(): Promise<void>;
  /** kill -9, and waits until the process is gone. */
  kill(): Promise<void>;
}

const SOCKET_NUMBER = 5432;
const USER = 'deuteron';
const START_ATTEMPTS = 5;
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/** For one server and its database in little memory; sessions are few, none needs a parallel plan or a compiler. */
const SETTINGS: Readonly<Record<string, string>> = {
  shared_buffers: '64MB',
  max_connections: '100',
  work_mem: '4MB',
  maintenance_work_mem: '32MB',
  max_wal_size: '256MB',
  min_wal_size: '64MB',
  io_method: 'sync',
  // files of the cluster, so that a killed database leaves nothing in /dev/shm
  dynamic_shared_memory_type: 'mmap',
  jit: 'off',
  max_parallel_workers_per_gather: '0',
  max_logical_replication_workers: '0',
  autovacuum_max_workers: '1',
  timezone: 'UTC',
  log_timezone: 'UTC',
  unix_socket_permissions: '0700',
  log_checkpoints: 'off',
};

/**
 * Starts the database, making it first if the directory has none. It retries, for a predecessor that was killed may
 * still be going. Ends with this process.
 * @throws Error when another process uses the directory, or PostgreSQL does not come up (its last lines are said).
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const binaries = findPostgresBinaries();
  const socketDirectory = resolve(options.socketDirectory);
  const socket = join(socketDirectory, `.s.PGSQL.${SOCKET_NUMBER}`);
  if (Buffer.byteLength(socket) > 107) throw new Error(`socket path is longer than 107 bytes: ${socket}`);
  const cluster = join(resolve(options.dataDirectory), 'postgres');
  mkdirSync(options.dataDirectory, { recursive: true, mode: 0o700 });
  mkdirSync(socketDirectory, { recursive: true, mode: 0o700 });
  if (!existsSync(join(cluster, 'PG_VERSION'))) await createCluster(binaries, options);
  assertOwn(cluster);
  for (let attempt = 1; ; attempt++) {
    await removeStaleLocks(cluster, [join(cluster, 'postmaster.pid'), `${socket}.lock`]);
    try {
      return await launch(binaries, { ...options, cluster, socketDirectory });
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      options.log.warn(
        { attempt, error: (error as Error).message },
        'PostgreSQL did not start, trying again',
      );
      await sleep(realClock, 200 * attempt);
    }
  }
}

/** initdb beside the final name, then a rename: a cluster that is there is whole. */
async function createCluster(binaries: PostgresBinaries, options: EmbeddedPostgresOptions): Promise<void> {
  const directory = resolve(options.dataDirectory);
  const unfinished = join(directory, `postgres.new-${process.pid}`);
  const password = join(directory, 'password');
  if (!existsSync(password)) {
    writeFileSync(password, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  }
  rmSync(unfinished, { recursive: true, force: true });
  const began = realClock.now();
  const child = spawn(
    ...underPostgresRules(binaries.initdb, [
      ...['-D', unfinished, '-U', USER, '--locale=C', '--encoding=UTF8'],
      ...['--auth-local=trust', '--auth-host=scram-sha-256', `--pwfile=${password}`],
      ...(options.settings?.['fsync'] === 'off' ? ['--no-sync'] : []),
    ]),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const said = tail(child);
  const ended = await ending(child);
  if (ended !== 'exit code 0') {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(`initdb: ${ended}: ${said.join(' | ')}`);
  }
  renameSync(unfinished, join(directory, 'postgres'));
  options.log.info({ directory, tookMs: Math.round(realClock.now() - began) }, 'made the database');
}

function assertOwn(cluster: string): void {
  const owner = statSync(cluster).uid;
  if (owner !== process.getuid?.()) {
    throw new Error(
      `${cluster} belongs to uid ${owner}: start as that user, or choose another data directory`,
    );
  }
}

/**
 * PostgreSQL believes a lock file whose process id lives, also when that number now belongs to something else (after a
 * reboot, in a container). So look at what the process is. Waits for a PostgreSQL that is on its way out.
 */
async function removeStaleLocks(cluster: string, files: readonly string[]): Promise<void> {
  const deadline = realClock.now() + 10_000;
  for (const file of files) {
    for (;;) {
      const pid = lockHolder(file);
      if (pid === undefined) break;
      if (!runsPostgres(pid, cluster)) {
        rmSync(file, { force: true });
        break;
      }
      if (realClock.now() > deadline) throw new Error(`${cluster} is in use by process ${pid}`);
      await sleep(realClock, 100);
    }
  }
}

function lockHolder(file: string): number | undefined {
  if (!existsSync(file)) return undefined;
  const pid = Math.abs(Number(readFileSync(file, 'utf8').split('\n')[0]));
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}

function runsPostgres(pid: number, cluster: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(cluster);
  } catch {
    return false; // no such process
  }
}

interface Launch extends EmbeddedPostgresOptions {
  readonly cluster: string;
}

async function launch(binaries: PostgresBinaries, options: Launch): Promise<EmbeddedPostgres> {
  const { cluster, socketDirectory, log } = options;
  const settings: Record<string, string> = {
    ...SETTINGS,
    listen_addresses: options.port === undefined ? '' : '127.0.0.1',
    port: String(options.port ?? SOCKET_NUMBER),
    unix_socket_directories: socketDirectory,
    ...options.settings,
  };
  const argv = [
    '-D',
    cluster,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  // its own process group: Ctrl-C on a terminal must reach the server first, which then stops the database
  const child = spawn(...underPostgresRules(binaries.postgres, argv), {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  const said = tail(child, (line) => {
    const level = /\b(FATAL|PANIC|ERROR|WARNING):/.test(line) ? 'warn' : 'debug';
    log[level]({ line }, 'PostgreSQL says');
  });
  const exited = ending(child);
  const ended = await Promise.race([exited, untilReady(child, cluster)]);
  if (ended !== undefined) {
    child.kill('SIGKILL');
    throw new Error(`PostgreSQL did not start (${ended}): ${said.join(' | ')}`);
  }
  const pid = child.pid as number;
  log.info({ pid, cluster, socketDirectory, port: options.port }, 'PostgreSQL is up');
  const config = {
    host: socketDirectory,
    port: options.port ?? SOCKET_NUMBER,
    user: USER,
    database: 'postgres',
  };
  return {
    config,
    connectionString: `postgresql://${USER}@/${config.database}?host=${encodeURIComponent(socketDirectory)}&port=${config.port}`,
    pid,
    exited,
    stop: () => stop(child, exited, log),
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Undefined once connections are accepted (line 8 of postmaster.pid), else why it did not come to that. */
async function untilReady(child: ChildProcess, cluster: string): Promise<string | undefined> {
  const file = join(cluster, 'postmaster.pid');
  const deadline = realClock.now() + START_TIMEOUT_MS;
  while (realClock.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) return 'it ended';
    if (existsSync(file)) {
      const lines = readFileSync(file, 'utf8').split('\n');
      if (Number(lines[0]) === child.pid && lines[7]?.trim() === 'ready') return undefined;
    }
    await sleep(realClock, 10);
  }
  return `not ready after ${START_TIMEOUT_MS} ms`;
}

/** Fast shutdown, then immediate, then kill: each is safe, the later ones cost a recovery at the next start. */
async function stop(child: ChildProcess, exited: Promise<string>, log: Log): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!child.kill(signal)) break;
    const patience = new AbortController();
    const late = sleep(realClock, STOP_TIMEOUT_MS, patience.signal).then(() => 'late');
    const first = await Promise.race([exited, late]);
    patience.abort();
    if (first !== 'late') break;
    log.warn({ pid: child.pid, signal }, 'PostgreSQL does not stop');
  }
  await exited;
}

function ending(child: ChildProcess): Promise<string> {
  return new Promise((settle) => {
    child.once('error', (error) => settle(error.message));
    child.once('exit', (code, signal) => settle(signal === null ? `exit code ${code}` : signal));
  });
}

/** The last lines of standard error, kept for the error message. */
function tail(child: ChildProcess, onLine?: (line: string) => void): string[] {
  const lines: string[] = [];
  if (child.stderr === null) return lines;
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    if (lines.length > 8) lines.shift();
    onLine?.(line);
  });
  return lines;
}
