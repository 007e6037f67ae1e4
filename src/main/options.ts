/**
 * Settings from three places, in this order of strength: flags, environment, file, defaults. One table of options says
 * all there is: `--dhcp-lease-seconds 600`, `DEUTERON_DHCP_LEASE_SECONDS=600`, and in the file `dhcp-lease-seconds = 600`.
 * A list is repeated flags or commas. The file has `key = value` lines; `#` begins a comment.
 */

export interface Option {
  readonly kind: 'text' | 'integer' | 'flag' | 'list';
  readonly default: string | number | boolean | readonly string[] | null;
  /** One sentence for `--help` and docs/operate/configuration.md. */
  readonly help: string;
  readonly placeholder?: string;
  /** The least and the greatest value of an integer. */
  readonly min?: number;
  readonly max?: number;
  /** All values that a text may have. */
  readonly choices?: readonly string[];
}

export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O['kind'] extends 'integer'
  ? number
  : O['kind'] extends 'flag'
    ? boolean
    : O['kind'] extends 'list'
      ? readonly string[]
      : null extends O['default']
        ? string | null
        : string;

export type Settled<Table extends OptionTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };

/** What the user gave is wrong; the message names the option and where it came from. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
}

/** `--data-directory` as an environment variable. */
export function environmentName(option: string): string {
  return `DEUTERON_${option.toUpperCase().replaceAll('-', '_')}`;
}

/** What an integer may be, in words: "1 to 100"; empty where everything is allowed. */
export function rangeOf({ min, max }: Pick<Option, 'min' | 'max'>): string {
  if (min === undefined) return max === undefined ? '' : `at most ${max}`;
  return max === undefined ? `at least ${min}` : `${min} to ${max}`;
}

function convertInteger(option: Option, text: string, whence: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new ConfigurationError(`${whence}: "${text}" is not a whole number`);
  const value = Number(text);
  const { min = value, max = value } = option;
  if (value < min || value > max)
    throw new ConfigurationError(`${whence}: ${text} is not within ${rangeOf(option)}`);
  return value;
}

function convert(option: Option, given: readonly string[], whence: string): unknown {
  const last = given.at(-1) ?? '';
  switch (option.kind) {
    case 'text':
      if (option.choices && !option.choices.includes(last))
        throw new ConfigurationError(`${whence}: "${last}" is none of ${option.choices.join(', ')}`);
      return last;
    case 'integer':
      return convertInteger(option, last, whence);
    case 'flag':
      if (/^(true|yes|on|1|)$/i.test(last)) return true;
      if (/^(false|no|off|0)$/i.test(last)) return false;
      throw new ConfigurationError(`${whence}: "${last}" is neither true nor false`);
    case 'list':
      return given
        .flatMap((text) => text.split(',').map((part) => part.trim()))
        .filter((part) => part !== '');
  }
}

/** Reads `key = value` lines. */
export function parseFile(text: string, path: string): Map<string, string> {
  const found = new Map<string, string>();
  text.split('\n').forEach((line, at) => {
    const bare = line.replace(/(^|\s)#.*$/, '').trim();
    if (bare === '') return;
    const equals = bare.indexOf('=');
    if (equals < 1) throw new ConfigurationError(`${path}:${at + 1}: not "key = value": ${bare}`);
    found.set(bare.slice(0, equals).trim(), bare.slice(equals + 1).trim());
  });
  return found;
}

function parseFlags(table: OptionTable, argv: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const rest = [...argv];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const match = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/s.exec(word);
    if (!match) throw new ConfigurationError(`unexpected argument: ${word}`);
    const name = match[1] as string;
    const option = table[name] ?? (name === 'config' ? { kind: 'text' } : undefined);
    if (option === undefined) throw new ConfigurationError(`unknown option: --${name}`);
    let value = match[2];
    if (value === undefined && option.kind === 'flag') value = 'true';
    if (value === undefined) value = rest.shift();
    if (value === undefined) throw new ConfigurationError(`--${name} needs a value`);
    found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}

export interface Sources {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Throws where the file cannot be read. */
  readonly readFile: (path: string) => string;
}

/** Settles every option of the table. Throws ConfigurationError. */
export function settle<Table extends OptionTable>(table: Table, sources: Sources): Settled<Table> {
  const flags = parseFlags(table, sources.argv);
  const path = flags.get('config')?.at(-1) ?? sources.env['DEUTERON_CONFIG'];
  let file = new Map<string, string>();
  if (path !== undefined) {
    let text: string;
    try {
      text = sources.readFile(path);
    } catch (error) {
      throw new ConfigurationError(`cannot read the configuration file: ${(error as Error).message}`);
    }
    file = parseFile(text, path);
    for (const key of file.keys()) {
      if (!(key in table)) throw new ConfigurationError(`${path}: unknown option: ${key}`);
    }
  }
  const settled: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) {
    const flag = flags.get(name);
    const variable = sources.env[environmentName(name)];
    const line = file.get(name);
    if (flag !== undefined) settled[name] = convert(option, flag, `--${name}`);
    else if (variable !== undefined) settled[name] = convert(option, [variable], environmentName(name));
    else if (line !== undefined) settled[name] = convert(option, [line], `${path}: ${name}`);
    else settled[name] = option.default;
  }
  return settled as Settled<Table>;
}

/** The options as lines for `--help`. */
export function describeOptions(table: OptionTable): string {
  return Object.entries(table)
    .map(([name, option]) => {
      const value =
        option.kind === 'flag' ? '' : ` ${option.placeholder ?? (option.kind === 'integer' ? 'N' : 'TEXT')}`;
      const repeat = option.kind === 'list' ? ' (repeatable)' : '';
      const shown = Array.isArray(option.default) ? option.default.join(',') : option.default;
      const fallback = shown === null || shown === '' || shown === false ? '' : ` [${shown}]`;
      const range = rangeOf(option);
      return `  --${name}${value}${repeat}\n      ${option.help}${range && ` (${range})`}${fallback}`;
    })
    .join('\n');
}
