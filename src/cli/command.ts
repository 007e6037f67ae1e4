/**
 * What a command of `deuteron` is. One file a command; `main/deuteron.ts` has the list.
 * Options are read with parseArgs of node:util; `run` throws UsageError for what the person can mend at the keyboard.
 */

/** Where a command writes, and what it may read of its surroundings. */
export interface CommandIo {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C or TERM: tidy up, then return. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** The whole of `--help`. */
  readonly usage: string;
  /** What follows the first argument belongs to another command, `--help` as well. */
  readonly passesOn?: boolean;
  /** Resolves to the exit code: 0 done, 1 failed, 2 wrong usage. */
  run(args: string[], io: CommandIo): Promise<number>;
}

export const EXIT_DONE = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** The command line is wrong; the message says what. Shown with a pointer to `--help`, exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs a command as a person sees it: help, errors as one line, exit code. */
export async function runCommand(command: Command, args: string[], io: CommandIo): Promise<number> {
  const own = args.indexOf('--') < 0 ? args : args.slice(0, args.indexOf('--'));
  const mine = command.passesOn ? own.slice(0, 1) : own;
  if (mine.includes('--help') || mine.includes('-h')) {
    io.out(`${command.usage.trimEnd()}\n`);
    return EXIT_DONE;
  }
  try {
    return await command.run(args, io);
  } catch (error) {
    const wrongUsage = error instanceof UsageError || isParseArgsError(error);
    io.err(`deuteron ${command.name}: ${describe(error)}\n`);
    if (wrongUsage) io.err(`See: deuteron ${command.name} --help\n`);
    return wrongUsage ? EXIT_USAGE : EXIT_FAILED;
  }
}

function isParseArgsError(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS_');
}

/** An error with its causes, outermost first, once each. */
function describe(error: unknown): string {
  const parts: string[] = [];
  for (let at = error; at instanceof Error; at = at.cause) parts.push(at.message);
  return parts.join(': ') || String(error);
}
