/** The command line's entry: finds the command, runs it, ends with its exit code. */
import { readFileSync } from 'node:fs';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { type Command, type CommandIo, runCommand } from '../cli/command.ts';

// What is loaded from here on starts from the cache: types are stripped and code is compiled once, not at every start.
enableCompileCache();

/** Each is loaded only when it is asked for: `deuteron port plug` does not pay for the server. */
const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  server: {
    summary: 'run the server: Networking API, and what agents connect to',
    load: async () => (await import('./server-command.ts')).serverCommand,
  },
  agent: {
    summary: "run this host's agent: roles l2, dhcp and l3",
    load: async () => (await import('./agent-command.ts')).agentCommand,
  },
  database: {
    summary: 'run the embedded PostgreSQL alone, for several servers on this machine',
    load: async () => (await import('./database-command.ts')).databaseCommand,
  },
  'all-in-one': {
    summary: 'run server and agent on this host, with nothing to configure',
    load: async () => (await import('./all-in-one.ts')).allInOneCommand,
  },
  status: {
    summary: 'agents, how far they are, what is pending and why',
    load: async () => (await import('../cli/status.ts')).statusCommand,
  },
  explain: {
    summary: 'why a port, a network, a router or an agent is not as it should be',
    load: async () => (await import('../cli/explain.ts')).explainCommand,
  },
  host: {
    summary: 'add, list, drain and remove hosts of agents',
    load: async () => (await import('../cli/host.ts')).hostCommand,
  },
  router: {
    summary: 'which host serves a router, since when and why; and moving it',
    load: async () => (await import('../cli/router.ts')).routerCommand,
  },
  port: {
    summary: 'plug a port into a namespace of this host, and unplug it',
    load: async () => (await import('../cli/port.ts')).portCommand,
  },
  'check-script': {
    summary: "whether a check script of this host's may be run, and a dry run of it",
    load: async () => (await import('./check-script-command.ts')).checkScriptCommand,
  },
  fence: {
    summary: 'whether fence devices may be relied on, and whether one answers',
    load: async () => (await import('./fence-command.ts')).fenceCommand,
  },
  policy: {
    summary: 'whether a policy file is right, who passes its rules, and which there are',
    load: async () => (await import('./policy-command.ts')).policyCommand,
  },
  lab: {
    summary: 'several emulated hosts on this machine: up, down, faults, demo',
    load: async () => (await import('../cli/lab.ts')).labCommand,
  },
};

function overview(): string {
  const lines = Object.entries(COMMANDS).map(([name, command]) => `  ${name.padEnd(14)}${command.summary}`);
  return `usage: deuteron COMMAND [OPTION...]\n\n${lines.join('\n')}\n\nEach has its own help: deuteron COMMAND --help\n`;
}

/** Ctrl-C and TERM ask to end, and are the signal's reason; asked a second time, the process ends where it stands. */
function endSignal(): AbortSignal {
  const controller = new AbortController();
  const ask = (name: 'SIGINT' | 'SIGTERM') => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(name);
  };
  process.on('SIGINT', ask);
  process.on('SIGTERM', ask);
  return controller.signal;
}

async function main(argv: string[]): Promise<number> {
  const io: CommandIo = {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    env: process.env,
    signal: endSignal(),
  };
  const [name, ...args] = argv;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    (name === undefined ? io.err : io.out)(overview());
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-V' || name === 'version') {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    io.out(`deuteron ${version}\n`);
    return 0;
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    io.err(`deuteron: no such command: ${name}\n${overview()}`);
    return 2;
  }
  const command = await entry.load();
  // Now, not at the end: an agent may never come to one that is orderly, and its next start should be quick.
  flushCompileCache();
  return runCommand(command, args, io);
}

// A reader that goes away (`deuteron status | head`) is an ordinary end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await main(process.argv.slice(2));
// Open handles of a command that has returned must not keep the process.
process.exit();
