/** Arguments of the programs under `test/`: usage where it is asked for, exit code 2 where they are wrong. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** Ends the program: what is wrong and how it is used, on standard error, with exit code 2. */
export function refuse(problem: string, usage: string): never {
  process.stderr.write(`${problem}\n${usage}`);
  process.exit(2);
}

type Options = NonNullable<ParseArgsConfig['options']>;

/**
 * The arguments by these options. `--help` (or `-h`) prints `usage` and ends the program well; what is unknown, lacks its value or
 * is not asked for ends it by `refuse`.
 */
export function parseCommandLine<const O extends Options>(
  usage: string,
  { options, allowPositionals = false }: { readonly options: O; readonly allowPositionals?: boolean },
) {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(usage);
    process.exit(0);
  }
  try {
    const parsed = parseArgs({ options, allowPositionals: true });
    const [stray] = allowPositionals ? [] : parsed.positionals;
    return stray === undefined ? parsed : refuse(`unexpected argument: ${stray}`, usage);
  } catch (error) {
    return refuse((error as Error).message, usage);
  }
}

/** The whole number, of at least `least`, that an option was given. */
export function wholeNumber(
  { name, text, usage }: { readonly name: string; readonly text: string; readonly usage: string },
  least = 0,
): number {
  const value = Number(text);
  return text.trim() !== '' && Number.isSafeInteger(value) && value >= least
    ? value
    : refuse(`--${name} ${text}: not a whole number of at least ${least}`, usage);
}
