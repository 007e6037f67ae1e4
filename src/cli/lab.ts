/** `deuteron lab`: finds the verb. */
import { type Command, type CommandIo, runCommand, UsageError } from './command.ts';
import { demoCommand } from './lab-demo.ts';
import { cutCommand, healCommand } from './lab-links.ts';
import { execCommand, killCommand, pauseCommand, restartCommand, resumeCommand } from './lab-processes.ts';
import { downCommand, statusCommand, upCommand } from './lab-up.ts';

const VERBS: Readonly<Record<string, Command>> = {
  up: upCommand,
  down: downCommand,
  status: statusCommand,
  cut: cutCommand,
  heal: healCommand,
  kill: killCommand,
  pause: pauseCommand,
  resume: resumeCommand,
  restart: restartCommand,
  exec: execCommand,
  demo: demoCommand,
};

const LIST = Object.entries(VERBS)
  .map(([verb, command]) => `  ${verb.padEnd(10)}${command.summary}`)
  .join('\n');

const USAGE = `usage: deuteron lab VERB [OPTION...]

Several emulated hosts on this machine, with real links, agents and servers.

${LIST}

Each has its own help: deuteron lab VERB --help`;

export const labCommand: Command = {
  name: 'lab',
  passesOn: true,
  summary: 'several emulated hosts on this machine: up, down, faults, demo',
  usage: USAGE,
  run(args: string[], io: CommandIo): Promise<number> {
    const [verb, ...rest] = args;
    if (verb === undefined) throw new UsageError(`a verb is needed: ${Object.keys(VERBS).join(', ')}`);
    const command = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    if (!command) throw new UsageError(`no such verb: ${verb}`);
    return runCommand(command, rest, io);
  },
};
