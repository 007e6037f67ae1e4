/** `deuteron lab kill`, `pause`, `resume`, `restart`, `exec`. */
import { parseArgs } from 'node:util';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from './command.ts';
import { LAB_HELP, LAB_OPTIONS, openLab, take, takeNoMore } from './lab-options.ts';

const WHAT = `WHAT is agent, server, database, or a program's name such as dnsmasq.
HOST is h1, h2, ... or just the number, or ctl1, ... for a server.`;

interface SignalVerb {
  readonly verb: string;
  readonly summary: string;
  readonly help: string;
  readonly done: string;
  readonly signalName: 'SIGTERM' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';
}

function signalCommand(spec: SignalVerb): Command {
  const hard = spec.verb === 'kill' ? ' [-9]' : '';
  const hardHelp =
    spec.verb === 'kill' ? '  -9                 at once, without a chance to tidy up (KILL)\n' : '';
  return {
    name: `lab ${spec.verb}`,
    summary: spec.summary,
    usage: `usage: deuteron lab ${spec.verb} HOST WHAT${hard} [OPTION...]

${spec.help}

${hardHelp}${LAB_HELP}

${WHAT}
Exit codes: 0 done, 1 nothing of that name runs there, 2 wrong usage.`,
    async run(args: string[], io: CommandIo): Promise<number> {
      const options = { ...LAB_OPTIONS, '9': { type: 'boolean', short: '9', default: false } } as const;
      const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
      if (values['9'] && spec.verb !== 'kill') throw new UsageError('-9 belongs to lab kill');
      const host = take(positionals, 'host');
      const what = take(positionals, 'process: agent, server, database or a program');
      takeNoMore(positionals);
      const pids = openLab(values).signal(host, what, values['9'] ? 'SIGKILL' : spec.signalName);
      if (pids.length === 0) {
        io.err(`Nothing called ${what} runs on ${host}.\n`);
        return EXIT_FAILED;
      }
      io.out(`${what} on ${host} ${spec.done} (pid ${pids.join(', ')}).\n`);
      return EXIT_DONE;
    },
  };
}

export const killCommand = signalCommand({
  verb: 'kill',
  summary: 'kill an agent, a server, a database or another program',
  help: 'Sends TERM, or KILL with -9. An agent or server that the lab started is not started again: lab restart does.',
  done: 'got the signal',
  signalName: 'SIGTERM',
});
export const pauseCommand = signalCommand({
  verb: 'pause',
  summary: 'stop a process where it stands (SIGSTOP)',
  help: 'Stops the process where it stands: it neither works nor ends, as on a machine that hangs.',
  done: 'is paused',
  signalName: 'SIGSTOP',
});
export const resumeCommand = signalCommand({
  verb: 'resume',
  summary: 'let a paused process go on',
  help: 'Lets a paused process go on.',
  done: 'goes on',
  signalName: 'SIGCONT',
});

const RESTART_USAGE = `usage: deuteron lab restart HOST [agent|server|database] [OPTION...]

Starts the host's agent (or, for ctl1, ..., the server) again; one that runs is ended first. The database is a process of
its own, on ctl1, in a lab with several servers; a single server brings its own.

${LAB_HELP}

Exit codes: 0 done, 1 failed, 2 wrong usage.`;

async function runRestart(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: LAB_OPTIONS });
  const host = take(positionals, 'host');
  const command = positionals.shift();
  takeNoMore(positionals);
  if (command !== undefined && command !== 'agent' && command !== 'server' && command !== 'database')
    throw new UsageError(`agent, server or database, not "${command}"`);
  const record = await openLab(values).restart(host, { command });
  io.out(`${record.name} started (pid ${record.pid}).\n`);
  return EXIT_DONE;
}

export const restartCommand: Command = {
  name: 'lab restart',
  summary: "start a host's agent or a server again",
  usage: RESTART_USAGE,
  run: runRestart,
};

const EXEC_USAGE = `usage: deuteron lab exec [OPTION...] HOST COMMAND [ARGUMENT...]

Runs a command on an emulated host: in its network namespace and with its /run, in this directory and on this terminal.
\`deuteron\` is on its PATH, and knows the host and the lab's API.

${LAB_HELP}

Exit codes: the command's own, 1 if it could not run, 2 wrong usage.`;

/** Options before the host are ours; everything after it is the command's. */
export function splitExec(args: readonly string[]): { own: string[]; rest: string[] } {
  const rest = [...args];
  const own: string[] = [];
  while (rest[0]?.startsWith('--') && rest[0] !== '--') {
    const word = rest.shift() as string;
    own.push(word);
    if (!word.includes('=') && rest[0] !== undefined) own.push(rest.shift() as string);
  }
  if (rest[0] === '--') rest.shift();
  return { own, rest };
}

async function runExec(args: string[]): Promise<number> {
  const { own, rest } = splitExec(args);
  const { values } = parseArgs({ args: own, options: LAB_OPTIONS });
  const host = take(rest, 'host');
  if (rest[0] === '--') rest.shift();
  if (rest.length === 0) throw new UsageError('which command?');
  return openLab(values).execute(host, rest);
}

export const execCommand: Command = {
  name: 'lab exec',
  passesOn: true,
  summary: 'run a command on a host',
  usage: EXEC_USAGE,
  run: runExec,
};
