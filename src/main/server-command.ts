import { readFileSync } from 'node:fs';
import { type Command, type CommandIo, EXIT_DONE, UsageError } from '../cli/command.ts';
import { SERVER_OPTIONS } from './config.ts';
import { createLog } from './logging.ts';
import { ConfigurationError, describeOptions, settle } from './options.ts';
import { runServer } from './server.ts';

const USAGE = `usage: deuteron server [--config FILE] [OPTION...]

Runs the server: the Networking API, and what agents connect to. Without a database of yours it starts its own PostgreSQL.

${describeOptions(SERVER_OPTIONS)}

Options can also stand in the file or in the environment: see docs/operate/configuration.md.
Exit codes: 0 ended on request, 1 failed, 2 wrong configuration.`;

async function run(args: string[], io: CommandIo): Promise<number> {
  try {
    const config = settle(SERVER_OPTIONS, {
      argv: args,
      env: io.env,
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    await runServer(config, createLog('server', config['log-level']), io.signal);
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(error.message);
    throw error;
  }
  return EXIT_DONE;
}

export const serverCommand: Command = { name: 'server', summary: 'run the server', usage: USAGE, run };
