import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from '../cli/command.ts';
import { SERVER_OPTIONS } from './config.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';
import { createLog } from './logging.ts';
import { ConfigurationError, describeOptions, settle } from './options.ts';

const OPTIONS = {
  'data-directory': SERVER_OPTIONS['data-directory'],
  'socket-directory': SERVER_OPTIONS['socket-directory'],
  'log-level': SERVER_OPTIONS['log-level'],
};

const USAGE = `usage: deuteron database [--config FILE] [OPTION...]

Runs the PostgreSQL that comes with deuteron by itself, so that several servers on this machine share it (their
--database-url is logged at the start) or one server can be restarted without it.

${describeOptions(OPTIONS)}

Exit codes: 0 ended on request, 1 PostgreSQL ended or did not start, 2 wrong configuration.`;

async function run(args: string[], io: CommandIo): Promise<number> {
  let config: ReturnType<typeof settle<typeof OPTIONS>>;
  try {
    config = settle(OPTIONS, { argv: args, env: io.env, readFile: (path) => readFileSync(path, 'utf8') });
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(error.message);
    throw error;
  }
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
