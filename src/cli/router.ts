/** `deuteron router show` and `failover`: who is active, why, and moving it by hand. */
import { parseArgs } from 'node:util';
import {
  callApi,
  ENDPOINT_HELP,
  ENDPOINT_OPTIONS,
  type Endpoint,
  endpointFrom,
  findId,
} from './api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from './command.ts';
import { formatTable, toSecond } from './table.ts';
import { waitUntil } from './wait.ts';

const USAGE = `usage: deuteron router show ROUTER [--json]
       deuteron router failover ROUTER [--to HOST] [--force] [--no-wait] [--timeout S] [--json]

Which host serves a router, since when and why; and moving it, for maintenance.

  show               its replicas: roles, since when, health, heartbeat paths, checks, what they were told, what happened lately
  failover           make another replica of an HA router active, with nobody absent meanwhile
      --to HOST      that one; without it the healthiest of those that stand by
      --force        also to one that ails more than another, is held back, switched off or about to leave: what ails it now does not count
                     there until it is well. Not to one that cannot take it: a dead agent's, or one in fault
      --no-wait      return once it is asked for
      --timeout S    give up waiting after this many seconds, exit code 1 [15]
  --json             print JSON
${ENDPOINT_HELP}

ROUTER is an id or a name.

Exit codes: 0 done, 1 failed or not moved in time, 2 wrong usage.`;

interface Replica {
  readonly host: string;
  readonly rank: number;
  readonly alive: boolean;
  readonly leaving: boolean;
  readonly ha_state: string | null;
  readonly state: string;
  readonly since: string | null;
  readonly penalty: number;
  readonly reasons: readonly string[];
  readonly paths: { readonly tunnel: string; readonly management: string };
  readonly rival?: boolean;
  readonly checks: readonly {
    readonly name: string;
    readonly ok: boolean;
    readonly since: string;
    readonly text: string;
  }[];
  readonly order: { readonly do: string; readonly why: string; readonly known: boolean } | null;
}

export interface RouterRoles {
  readonly id: string;
  readonly name: string;
  readonly ha: boolean;
  readonly state: string;
  readonly summary: string;
  readonly replicas: readonly Replica[];
  readonly events: readonly { readonly at: string; readonly message: string }[];
}

const SHOWN_EVENTS = 10;

/** What of a replica is worth a line of its own. */
function* remarks(replica: Replica): Generator<string> {
  const { host, alive, leaving, reasons, checks, order, rival } = replica;
  if (!alive) yield `${host}: its agent is taken for dead`;
  if (leaving) yield `${host}: it goes once another is ready`;
  if (rival) yield `${host}: another host answers for the router's addresses on the external network`;
  for (const reason of reasons) yield `${host}: ${reason}`;
  for (const { name, ok, since, text } of checks) {
    const words = text === '' ? '' : `: ${text}`;
    yield `${host}: check ${name} ${ok ? 'passes' : 'FAILS'} since ${toSecond(since)}${words}`;
  }
  if (order)
    yield `${host}: was told to ${order.do}${order.known ? '' : ' and has not answered'}: ${order.why}`;
}

/** As a person reads it. */
export function renderRouter(router: RouterRoles): string {
  const { id, name, ha, state, summary, replicas, events } = router;
  const lines = [`router ${id}${name === '' ? '' : ` (${name})`} is ${state}. ${summary}`, ''];
  const header = ['HOST', 'ROLE', 'SINCE', 'RANK', 'PENALTY', 'TUNNEL', 'MANAGEMENT'];
  const rows = replicas.map((one) => [
    ...[one.host, ha ? roleOf(one) : 'only', one.since === null ? '-' : toSecond(one.since)],
    ...[String(one.rank), ha ? String(one.penalty) : '-', one.paths.tunnel, one.paths.management],
  ]);
  lines.push(formatTable(header, rows).trimEnd());
  const said = replicas.flatMap((one) => [...remarks(one)]);
  if (said.length > 0) lines.push('', ...said);
  if (events.length > 0) lines.push('', 'What happened lately:');
  for (const { at, message } of events.slice(0, SHOWN_EVENTS)) lines.push(`  ${toSecond(at)}  ${message}`);
  return `${lines.join('\n')}\n`;
}

/** What its agent said last, where that is not all that is to be said. */
const roleOf = ({ ha_state, state }: Replica): string =>
  state === ha_state || ha_state === null ? state : `${ha_state} (${state})`;

const show = async (endpoint: Endpoint, id: string): Promise<RouterRoles> =>
  (await callApi(endpoint, 'GET', `/v2.0/deuteron/routers/${id}`)).body.router;

/** Whether that host is active, and no other. */
async function isMoved(endpoint: Endpoint, id: string, to: string): Promise<boolean> {
  const { replicas } = await show(endpoint, id);
  const active = replicas.filter((one) => one.ha_state === 'active');
  return active.length === 1 && active[0]?.host === to;
}

interface FailoverFlags {
  readonly to: string | undefined;
  readonly force: boolean;
  readonly wait: boolean;
  readonly timeoutMs: number;
  readonly json: boolean;
}

async function failover(
  endpoint: Endpoint,
  id: string,
  flags: FailoverFlags,
  io: CommandIo,
): Promise<number> {
  const body = {
    ...(flags.to === undefined ? {} : { to: flags.to }),
    ...(flags.force ? { force: true } : {}),
  };
  const { failover: asked } = (await callApi(endpoint, 'POST', `/v2.0/deuteron/routers/${id}/failover`, body))
    .body;
  const { from, to }: { from: string; to: string } = asked;
  const { timeoutMs } = flags;
  const moved =
    !flags.wait || (await waitUntil(() => isMoved(endpoint, id, to), { timeoutMs, signal: io.signal }));
  if (flags.json) io.out(`${JSON.stringify({ from, to, ...(flags.wait ? { moved } : {}) })}\n`);
  else if (from === to) io.out(`${to} is active already\n`);
  else if (!flags.wait) io.out(`${to} is to take over${from === '' ? '' : ` from ${from}`}\n`);
  else if (moved) io.out(`${to} is active${from === '' ? '' : `, ${from} is not any more`}\n`);
  else io.err(`${to} has not become active within ${timeoutMs / 1000} s: deuteron router show ${id}\n`);
  return moved ? EXIT_DONE : EXIT_FAILED;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...ENDPOINT_OPTIONS,
      json: { type: 'boolean', default: false },
      to: { type: 'string' },
      force: { type: 'boolean', default: false },
      'no-wait': { type: 'boolean', default: false },
      timeout: { type: 'string', default: '15' },
    },
  });
  const [verb, wanted, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  if (verb !== 'show' && verb !== 'failover')
    throw new UsageError(`show or failover, not ${verb ?? 'nothing'}`);
  if (wanted === undefined) throw new UsageError('which router?');
  const seconds = Number(values.timeout);
  if (!(seconds >= 0)) throw new UsageError(`--timeout: "${values.timeout}" is no number of seconds`);
  const endpoint = endpointFrom(values, io.env);
  const id = await findId(endpoint, 'router', wanted);
  const { json, to, force } = values;
  if (verb === 'failover')
    return failover(
      endpoint,
      id,
      { to, force, json, wait: !values['no-wait'], timeoutMs: seconds * 1000 },
      io,
    );
  const router = await show(endpoint, id);
  io.out(json ? `${JSON.stringify(router)}\n` : renderRouter(router));
  return EXIT_DONE;
}

export const routerCommand: Command = {
  name: 'router',
  summary: 'which host serves a router, since when and why; and moving it',
  usage: USAGE,
  run,
};
