/** `deuteron check-script`: whether a script may be run, and what it would say, before an agent is told of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  CHECK_PARAMETERS,
  checkCommand,
  type CheckParameter,
  checkParameters,
} from '../agents/l3/check-arguments.ts';
import { type CheckScript, parseCheck, problemsOf } from '../agents/l3/check-script.ts';
import { freshVerdict, judge, runOf } from '../agents/l3/check-verdict.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from '../cli/command.ts';
import { formatTable } from '../cli/table.ts';
import type { Host, ProgramUser } from '../host/host.ts';
import { createLinuxHost } from '../host/linux/linux-host.ts';
import { realClock, sleep } from '../lib/clock.ts';
import { routerGroup } from '../resources/agent-view.ts';
import { decodeMirror, decodeRecord } from '../watch/journal.ts';
import { mayChangeUser } from './agent.ts';
import { AGENT_OPTIONS } from './config.ts';

const USAGE = `usage: deuteron check-script verify PATH [OPTION...]
       deuteron check-script try PATH [OPTION...]

A check script says whether this host can serve an HA router: exit code 0 is yes. See docs/operate/check-scripts.md.

  verify PATH         whether an agent would run it: owner and mode of every step of the path, content; prints its SHA-256.
                      As root also whether this host lets a run be kept apart: without that none is begun
  try PATH            the dry run: runs it here as an agent would, with the same user and limits, and says what would
                      follow. Nothing is told to anybody. Needs root.

  --user USER         who it is run as [${AGENT_OPTIONS['check-user'].default}]
  --sha256 HEX        what its content has to be
  --router ID         for try: with what this host's agent knows of the router, in the router's namespace
  --role ROLE         for try: active, standby or fault [active]
  --state-directory DIR
                      for try --router: the agent's [${AGENT_OPTIONS['state-directory'].default}]
  --times N           for try: so many runs [3]
  --timeout S, --interval S, --fall N, --rise N
                      for try: as in the agent's configuration
  --json              print JSON

Exit codes: 0 it may be run (verify), it said yes at last (try); 1 it may not, it did not; 2 wrong usage.`;

const HARMLESS = ['/bin/true'];
const HARMLESS_MS = 10_000;

const OPTIONS = {
  user: { type: 'string', default: AGENT_OPTIONS['check-user'].default },
  sha256: { type: 'string' },
  router: { type: 'string' },
  role: { type: 'string', default: 'active' },
  'state-directory': { type: 'string', default: AGENT_OPTIONS['state-directory'].default },
  times: { type: 'string', default: '3' },
  timeout: { type: 'string' },
  interval: { type: 'string' },
  fall: { type: 'string' },
  rise: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parse>['values'];

const parse = (args: string[]) => parseArgs({ args, allowPositionals: true, options: OPTIONS });

/** As a line of the agent's configuration would have it. */
function scriptFrom(path: string, values: Values): CheckScript {
  const settings = (['timeout', 'interval', 'fall', 'rise', 'sha256'] as const).flatMap((name) =>
    values[name] === undefined ? [] : [`${name}=${values[name]}`],
  );
  try {
    return parseCheck(['it', path, ...settings].join(' '));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

async function userFrom(host: Host, name: string): Promise<ProgramUser> {
  const found = await host.findUser(name);
  if (found === null) throw new UsageError(`there is no user ${name} on this host`);
  if (found.uid === 0) throw new UsageError('check scripts are not run as root');
  return mayChangeUser() ? found : null;
}

interface Inspected {
  readonly host: Host;
  readonly script: CheckScript;
  readonly user: ProgramUser;
  readonly problems: readonly string[];
  readonly sha256: string;
}

async function inspect(path: string, values: Values): Promise<Inspected> {
  const host = createLinuxHost({ stateDirectory: values['state-directory'], clock: realClock });
  const script = scriptFrom(path, values);
  const user = await userFrom(host, values.user);
  const facts = await host.inspectProgram(path);
  const problems = problemsOf(facts, user, script.sha256);
  return { host, script, user, problems, sha256: facts.content?.sha256 ?? '' };
}

/** A container may forbid what a run needs: namespaces and a mount of its own. Empty: it may be begun, or was not tried. */
async function problemsOfHost({ host, user }: Inspected): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  const run = { namespace: null, user, environment: {}, timeoutMs: HARMLESS_MS };
  const { ending, output } = await host.runGuarded({ ...run, argv: HARMLESS });
  if (ending !== 'not-started') return [];
  const said = output.trim().split('\n').at(-1) ?? '';
  return [`on this host no run can be kept apart, so none is begun: ${said || 'no reason was given'}`];
}

async function verify(found: Inspected, values: Values, io: CommandIo): Promise<number> {
  const { script, sha256 } = found;
  const problems = [...found.problems, ...(await problemsOfHost(found))];
  if (values.json) io.out(`${JSON.stringify({ path: script.path, sha256, problems })}\n`);
  else if (problems.length > 0) io.out(problems.map((line) => `${line}\n`).join(''));
  else io.out(`${script.path} may be run as ${values.user}\nsha256=${sha256}\n`);
  return problems.length > 0 ? EXIT_FAILED : EXIT_DONE;
}

/** What the agent would tell the script of the router; without a router, what it would be told where there is nothing. */
function parametersFrom(values: Values): Readonly<Record<CheckParameter, string>> {
  const { router: routerId, role } = values;
  if (role !== 'active' && role !== 'standby' && role !== 'fault')
    throw new UsageError(`no such role: ${role}`);
  const none = Object.fromEntries(CHECK_PARAMETERS.map(([name]) => [name, '-'])) as Record<
    CheckParameter,
    string
  >;
  if (routerId === undefined) return { ...none, role };
  const text = readFileSync(join(values['state-directory'], 'mirror.journal'), 'utf8');
  const header = decodeRecord(text.slice(0, text.indexOf('\n'))) as { host?: string } | undefined;
  const { mirror } = decodeMirror(header?.host ?? '', text);
  const objects = mirror.group(routerGroup(routerId));
  if (objects === undefined) throw new UsageError(`this host's agent knows of no router ${routerId}`);
  return checkParameters(objects, { routerId, host: mirror.host, role });
}

async function tryOut(found: Inspected, values: Values, io: CommandIo): Promise<number> {
  const { host, script, user, problems } = found;
  if (problems.length > 0) return verify(found, values, io);
  const times = Number(values.times);
  if (!Number.isInteger(times) || times < 1 || times > 1000) throw new UsageError('--times: 1 to 1000');
  const parameters = parametersFrom(values);
  const namespace = values.router === undefined ? null : parameters.namespace;
  const runs: Record<string, string>[] = [];
  let verdict = freshVerdict(0);
  for (let run = 1; run <= times && !io.signal.aborted; run++) {
    if (run > 1) await sleep(realClock, values.interval === undefined ? 0 : script.intervalMs, io.signal);
    const command = checkCommand(script.path, parameters);
    const result = await host.runGuarded({ namespace, user, timeoutMs: script.timeoutMs, ...command });
    const { answer, text } = runOf(result, script);
    verdict = judge(verdict, { answer, text }, { script, now: run });
    const took = `${Math.round(result.durationMs)}`;
    runs.push({
      run: `${run}`,
      ended: result.ending,
      code: `${result.code}`,
      ms: took,
      answer,
      stands: verdict.standing,
      text,
    });
  }
  if (values.json) io.out(`${JSON.stringify({ arguments: parameters, runs, standing: verdict.standing })}\n`);
  else {
    const [first] = runs;
    io.out(
      formatTable(
        Object.keys(first ?? {}).map((name) => name.toUpperCase()),
        runs.map((run) => Object.values(run)),
      ),
    );
    io.out(
      `\nIt ${verdict.standing}${verdict.standing === 'fails' ? `: ${script.weight} would be taken off this host's priority` : ''}.\n`,
    );
  }
  return verdict.standing === 'passes' ? EXIT_DONE : EXIT_FAILED;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parse(args);
  const [verb, path, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  if (verb !== 'verify' && verb !== 'try')
    throw new UsageError(verb === undefined ? 'verify or try?' : `no such verb: ${verb}`);
  if (path === undefined) throw new UsageError(`${verb} needs the script's path`);
  const found = await inspect(path, values);
  return verb === 'verify' ? verify(found, values, io) : tryOut(found, values, io);
}

export const checkScriptCommand: Command = {
  name: 'check-script',
  summary: 'whether a check script may be run, and a dry run of it',
  usage: USAGE,
  run,
};
