/** `deuteron policy`: whether a policy file may be relied on, who passes its rules, and which rules there are. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { callerUnder } from '../api/policy-rules.ts';
import { callerOf } from '../api/token.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from '../cli/command.ts';
import { formatTable } from '../cli/table.ts';
import { PolicyFileError, readPolicyFile } from '../policy/file.ts';
import { type EffectiveRule, RuleSet } from '../policy/rules.ts';
import { SERVER_OPTIONS, type ServerConfig } from './config.ts';
import { ConfigurationError, environmentName, settle } from './options.ts';
import { problemLines, rolesOf, rulesKnown } from './policy-file.ts';

const USAGE = `usage: deuteron policy check [FILE] [OPTION...]
       deuteron policy show [FILE] [--defaults] [--json] [--config FILE]

A policy file says who may do what, where that is not to be as by default: rules by Neutron's names, in oslo.policy's
language. See docs/operate/policy.md. FILE is by default the server's, as its configuration names it.

  check               whether a server would take the file; what is wrong with it, by line
    --role ROLE       also which rules a caller with this role passes; may be repeated
    --project ID      the caller's project ["caller's"]
    --user ID         who it is
    --fact NAME=TEXT  what else is known of it: user_domain_id=default; may be repeated
    --target NAME=TEXT
                      what it asks about: shared=True, network:project_id=ID; may be repeated. Unless said otherwise
                      it is the caller's project's
    --rule NAME       only this rule; may be repeated. The exit code says whether all are passed
  show                the rules that hold, as a policy file
    --defaults        what is so by default, commented out: to begin a file with
  --config FILE       the server's configuration: its policy file, and how its roles are called; it may also stand in
                      the environment ($${environmentName('policy-file')})
  --json              print JSON

Exit codes: 0 the file is right, and the rules asked for are passed; 1 it is not, they are not; 2 wrong usage.`;

const OPTIONS = {
  role: { type: 'string', multiple: true },
  project: { type: 'string' },
  user: { type: 'string' },
  fact: { type: 'string', multiple: true },
  target: { type: 'string', multiple: true },
  rule: { type: 'string', multiple: true },
  defaults: { type: 'boolean', default: false },
  config: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const optionsOf = (args: string[]) => parseArgs({ args, allowPositionals: true, options: OPTIONS });
type Values = ReturnType<typeof optionsOf>['values'];

interface Context {
  readonly values: Values;
  readonly io: CommandIo;
  readonly config: ServerConfig;
  /** null: there is no file. */
  readonly path: string | null;
}

function configOf(values: Values, env: CommandIo['env']): ServerConfig {
  const argv = values.config === undefined ? [] : ['--config', values.config];
  try {
    return settle(SERVER_OPTIONS, { argv, env, readFile: (path) => readFileSync(path, 'utf8') });
  } catch (error) {
    throw error instanceof ConfigurationError ? new UsageError(error.message) : error;
  }
}

/** `NAME=TEXT` as an object; True and False are what they are in Python. */
function pairsOf(option: string, given: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(
    given.map((text) => {
      const equals = text.indexOf('=');
      if (equals < 1) throw new UsageError(`--${option} ${text}: not NAME=TEXT`);
      const value = text.slice(equals + 1);
      return [text.slice(0, equals), value === 'True' ? true : value === 'False' ? false : value];
    }),
  );
}

interface Verdict {
  readonly rule: string;
  readonly passes: boolean;
  readonly words: string;
}

/** Which rules the caller that is described passes; null where none is. */
function verdicts(rules: RuleSet, { values, config }: Context): Verdict[] | null {
  const { role: roles, project = "caller's", user = '', rule: asked } = values;
  if (roles === undefined && asked === undefined) return null;
  const facts = { expiresAt: 0, userId: user, projectId: project, roles: roles ?? [], scope: {} };
  const caller = callerOf({ ...facts, roles: facts.roles.map((one) => one.toLowerCase()) }, rolesOf(config));
  const credentials = { ...caller.credentials, ...pairsOf('fact', values.fact) };
  const { overrides } = callerUnder(rules, { ...caller, credentials });
  const target = {
    project_id: project,
    tenant_id: project,
    user_id: user,
    ...pairsOf('target', values.target),
  };
  const words = new Map(rules.effective.map((one) => [one.name, one.words]));
  const unknown = asked?.find((name) => !words.has(name));
  if (unknown !== undefined) throw new UsageError(`there is no rule ${unknown}, or it says nothing`);
  return (asked ?? [...words.keys()]).map((name) => ({
    ...{ rule: name, passes: overrides?.allows(name, target) ?? false, words: words.get(name) ?? '' },
  }));
}

function check(context: Context): number {
  const { path, io, values } = context;
  if (path === null) throw new UsageError('check needs a file: there is none in the configuration');
  let problems: readonly { line: number | null; what: string }[] = [];
  let rules: RuleSet | undefined;
  try {
    rules = new RuleSet(rulesKnown(context.config), readPolicyFile(readFileSync(path, 'utf8')));
  } catch (error) {
    if (!(error instanceof PolicyFileError)) throw error;
    problems = error.problems;
    if (!values.json) for (const line of problemLines(path, error)) io.err(`${line}\n`);
  }
  const found = rules ? verdicts(rules, context) : null;
  const own = rules?.effective.filter(({ isDefault }) => !isDefault).length ?? 0;
  if (values.json)
    io.out(`${JSON.stringify({ path, problems, rules: own, ...(found ? { verdicts: found } : {}) })}\n`);
  else if (found)
    io.out(
      formatTable(
        ['RULE', 'PASSES', 'SAYS'],
        found.map((one) => [one.rule, one.passes ? 'yes' : 'no', one.words]),
      ),
    );
  else if (rules) io.out(`${path}: right; ${own} ${own === 1 ? 'rule' : 'rules'}\n`);
  const isRefused = values.rule !== undefined && found?.some(({ passes }) => !passes);
  return problems.length > 0 || isRefused ? EXIT_FAILED : EXIT_DONE;
}

/** As lines of a policy file. */
function written({ name, words, description, isDefault }: EffectiveRule, asComment: boolean): string {
  const why = description === '' ? '' : `# ${description}\n`;
  const whence = isDefault || asComment ? '' : '# Not as by default.\n';
  return `${why}${whence}${asComment ? '#' : ''}${JSON.stringify(name)}: ${JSON.stringify(words)}\n`;
}

function show({ path, io, values, config }: Context): number {
  const file = path === null || values.defaults ? [] : readPolicyFile(readFileSync(path, 'utf8'));
  const { effective } = new RuleSet(rulesKnown(config), file);
  if (values.json) io.out(`${JSON.stringify({ path: values.defaults ? null : path, rules: effective })}\n`);
  else io.out(effective.map((rule) => written(rule, values.defaults)).join('\n'));
  return EXIT_DONE;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = optionsOf(args);
  const [verb, file, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  if (verb !== 'check' && verb !== 'show')
    throw new UsageError(verb === undefined ? 'check or show?' : `no such verb: ${verb}`);
  const config = configOf(values, io.env);
  const context = { values, io, config, path: file ?? config['policy-file'] };
  return verb === 'check' ? check(context) : show(context);
}

export const policyCommand: Command = {
  name: 'policy',
  summary: 'whether a policy file is right, who passes its rules, and which there are',
  usage: USAGE,
  run,
};
