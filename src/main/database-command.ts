import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from '../cli/command.ts';
import { SERVER_OPTIONS } from './config.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { beginEpoch, EPOCH_OPTIONS } from './database-epoch.ts';
import { createLog } from './logging.ts';
import { ConfigurationError, describeOptions, type OptionTable, type Settled, settle } from './options.ts';

const OPTIONS = {
  'data-directory': SERVER_OPTIONS['data-directory'],
  'socket-directory': SERVER_OPTIONS['socket-directory'],
  'log-level': SERVER_OPTIONS['log-level'],
};

const USAGE = `usage: deuteron database [--config FILE] [OPTION...]
       deuteron database epoch [--config FILE] [OPTION...]

Runs the PostgreSQL that comes with deuteron by itself, so that several servers on this machine share it (their
--database-url is logged at the start) or one server can be restarted without it.

${describeOptions(OPTIONS)}

With "epoch": says that this database was restored from a backup, or changed by other hands. Every server drops what it
remembers, every agent compares all that it holds with the database, group by group, and goes on serving meanwhile. Safe
at any time, while servers run or not. Its options:

${describeOptions(EPOCH_OPTIONS)}

Exit codes: 0 ended on request, 1 PostgreSQL ended or did not start, 2 wrong configuration.`;

function settled<Table extends OptionTable>(table: Table, args: string[], io: CommandIo): Settled<Table> {
  try {
    return settle(table, { argv: args, env: io.env, readFile: (path) => readFileSync(path, 'utf8') });
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(error.message);
    throw error;
  }
}

async function run(args: string[], io: CommandIo): Promise<number> {
  if (args[0] === 'epoch') {
    const place = await beginEpoch(settled(EPOCH_OPTIONS, args.slice(1), io), io.env);
    io.out(`A new epoch begins at position ${place.position}: every agent compares all that it holds.\n`);
    return EXIT_DONE;
  }
  const config = settled(OPTIONS, args, io);
  const log = createLog('database', config['log-level']);
  const dataDirectory = config['data-directory'];
  const socketDirectory = config['socket-directory'] ?? join(dataDirectory, 'run');
  const postgres = await startEmbeddedPostgres({ dataDirectory, socketDirectory, log });
  log.info({ url: postgres.connectionString }, 'PostgreSQL takes connections');
  const asked = new Promise<'asked'>((resolve) => {
    if (io.signal.aborted) return resolve('asked');
    io.signal.addEventListener('abort', () => resolve('asked'), { once: true });
  });
  const ended = await Promise.race([postgres.exited, asked]);
  if (io.signal.aborted) {
    await postgres.stop();
    return EXIT_DONE;
  }
  log.error({ ended }, 'PostgreSQL ended');
  return EXIT_FAILED;
}

export const databaseCommand: Command = {
  name: 'database',
  summary: 'run the embedded PostgreSQL alone, for several servers',
  usage: USAGE,
  run,
};
