import { readFileSync } from 'node:fs';
import { type Command, type CommandIo, EXIT_DONE, UsageError } from '../cli/command.ts';
import { runAgent } from './agent.ts';
import { AGENT_OPTIONS } from './config.ts';
import { createLog } from './logging.ts';
import { ConfigurationError, describeOptions, settle } from './options.ts';

const USAGE = `usage: deuteron agent [--config FILE] [OPTION...]

Runs this host's agent: follows the server, makes bridges, tunnels and DHCP so, reports what is realised. It needs root
(CAP_NET_ADMIN, CAP_SYS_ADMIN), and the credential that "deuteron host add" printed. Ending it leaves everything as it is.

${describeOptions(AGENT_OPTIONS)}

Options can also stand in the file or in the environment: see docs/operate/configuration.md.
Exit codes: 0 ended on request, 1 failed, 2 wrong configuration.`;

async function run(args: string[], io: CommandIo): Promise<number> {
  try {
    const config = settle(AGENT_OPTIONS, {
      argv: args,
      env: io.env,
      readFile: (path) => readFileSync(path, 'utf8'),
    });
    await runAgent(config, createLog('agent', config['log-level']), io.signal);
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(error.message);
    throw error;
  }
  return EXIT_DONE;
}

export const agentCommand: Command = { name: 'agent', summary: "run this host's agent", usage: USAGE, run };
