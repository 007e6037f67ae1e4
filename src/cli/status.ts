import { parseArgs } from 'node:util';
import { type AlertNow, fetchAlerts } from './alerts.ts';
import { callApi, ENDPOINT_HELP, ENDPOINT_OPTIONS, type Endpoint, endpointFrom } from './api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from './command.ts';
import { formatTable, toSecond } from './table.ts';
import { waitUntil } from './wait.ts';

const USAGE = `usage: deuteron status [--json] [--wait POSITION | --wait port ID] [--timeout S]

Agents, how far each has realised the change log, what is pending, since when and why, and the last alerts. Members see
what of their own is not realised.

  --wait POSITION    return once there are live agents and every one has realised this position (the number, or the whole of a
                     write's X-Deuteron-Position header); what nobody is there to realise is not waited for, but told of on
                     standard error
  --wait port ID     return once the port is ACTIVE
  --timeout S        with --wait: give up after this many seconds, exit code 1 [60]
  --json             print JSON
${ENDPOINT_HELP}

Why is it so? deuteron explain port|network|router|agent ID

Exit codes: 0 done (with --wait: reached), 1 failed or not reached in time, 2 wrong usage.`;

interface Owed {
  key: string;
  object: string;
  state: string;
  since: number;
  sinceAt: string | null;
  overdue: boolean;
  reason: string;
}

interface AgentConvergence {
  host: string;
  role: string;
  alive: boolean;
  /** Some server hears it. */
  heard: boolean;
  state: string;
  realised: number | null;
  lag: number | null;
  owed: Owed[];
  overdue: number;
  exceptionCount: number;
}

interface OwnOwed {
  resource: string;
  role: string;
  state: string;
  since: number;
  sinceAt: string | null;
  overdue: boolean;
  reason: string;
}

export interface Convergence {
  head: number;
  converged: boolean;
  agents: AgentConvergence[];
  /** What members get instead of agents. */
  resources?: OwnOwed[];
  /** What no agent is there for: the first of them, and how many there are. Older servers do not tell. */
  unattended?: OwnOwed[];
  unattendedCount?: number;
}

async function fetchConvergence(endpoint: Endpoint, query = ''): Promise<Convergence> {
  return (await callApi(endpoint, 'GET', `/v2.0/deuteron/convergence${query}`)).body.convergence;
}

/** Whether everything asked for up to the position is realised, by what was asked for that position. */
export function isReached(convergence: Convergence, position: number): boolean {
  const { head, converged, agents, resources } = convergence;
  if (position > head) return false;
  if (resources) return converged;
  const alive = agents.filter((agent) => agent.alive);
  // Nobody there has realised nothing: an empty set must not pass for success.
  return alive.length > 0 && alive.every(({ state }) => state === 'converged' || state === 'waiting');
}

/** Position 0 stands for no change. */
function sinceOf({ since, sinceAt }: { since: number; sinceAt: string | null }): string {
  const place = since === 0 ? '' : String(since);
  if (sinceAt === null) return place || '-';
  return `${toSecond(sinceAt)}${place && ` (${place})`}`;
}
const stateOf = ({ state, overdue }: { state: string; overdue: boolean }): string =>
  overdue ? `${state}, overdue` : state;
const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);

function renderSummary({ head, agents, unattendedCount = 0 }: Convergence): string {
  const heard = agents.filter((agent) => agent.heard).length;
  const pending = sum(agents.map((agent) => agent.owed.filter((one) => one.state !== 'waiting').length));
  const overdue = sum(agents.map((agent) => agent.overdue));
  return `change log at position ${head}; ${heard} of ${agents.length} agents connected, ${pending} pending, ${overdue} overdue${unattendedCount > 0 ? `, ${unattendedCount} with nobody to realise them` : ''}`;
}

function renderOwn({ head, resources = [] }: Convergence): string {
  if (resources.length === 0) return `change log at position ${head}; all of yours is realised\n`;
  return `change log at position ${head}\n\n${tableOf(resources)}`;
}

const tableOf = (resources: readonly OwnOwed[]): string =>
  formatTable(
    ['WHAT', 'ROLE', 'STATE', 'SINCE', 'WHY'],
    resources.map((one) => [one.resource, one.role, stateOf(one), sinceOf(one), one.reason]),
  );

/** What no agent is there for. */
function renderUnattended({ unattended = [], unattendedCount = 0 }: Convergence): string[] {
  if (unattended.length === 0) return [];
  const left = unattendedCount - unattended.length;
  return [`${tableOf(unattended)}${left > 0 ? `and ${left} more\n` : ''}`];
}

/** By host (numbers in names as numbers), then by role. */
const byHost = (a: AgentConvergence, b: AgentConvergence): number =>
  a.host.localeCompare(b.host, 'en', { numeric: true }) || (a.role < b.role ? -1 : 1);

/** The convergence as a person reads it. */
export function renderStatus(convergence: Convergence, alerts: readonly AlertNow[] = []): string {
  if (convergence.resources) return renderOwn(convergence);
  const sorted = [...convergence.agents].sort(byHost);
  const agents = formatTable(
    ['HOST', 'ROLE', 'ALIVE', 'STATE', 'REALISED', 'LAG', 'PENDING', 'OVERDUE'],
    sorted.map((agent) => [
      agent.host,
      agent.role,
      agent.alive ? (agent.heard ? 'yes' : 'silent') : 'NO',
      agent.state,
      agent.realised === null ? 'unknown' : String(agent.realised),
      agent.lag === null ? '-' : String(agent.lag),
      String(Math.max(agent.owed.length, agent.exceptionCount)),
      String(agent.overdue),
    ]),
  );
  const owed = sorted.flatMap((agent) =>
    agent.owed.map((one) => [
      agent.host,
      agent.role,
      one.object || one.key || 'everything',
      stateOf(one),
      sinceOf(one),
      one.reason,
    ]),
  );
  const parts = [renderSummary(convergence), '', agents];
  if (owed.length > 0) parts.push(formatTable(['HOST', 'ROLE', 'WHAT', 'STATE', 'SINCE', 'WHY'], owed));
  parts.push(...renderUnattended(convergence));
  if (alerts.length > 0) {
    const rows = alerts.map((one) => [toSecond(one.at), one.isOpen ? 'OPEN' : 'ended', one.message]);
    parts.push(formatTable(['ALERT SINCE', 'STATE', 'WHAT'], rows));
  }
  return parts.join('\n');
}

/** What a position that every agent has realised says nothing of, in a sentence; '' where there is nothing. */
export function butUnattended({ resources = [], unattendedCount }: Convergence): string {
  // No change is to blame for what nobody is there for.
  const count =
    unattendedCount ?? resources.filter(({ since, state }) => since === 0 && state === 'failed').length;
  if (count === 0) return '';
  return `reached by every live agent, but ${count} ${count === 1 ? 'resource has' : 'resources have'} nobody to realise ${count === 1 ? 'it' : 'them'}`;
}

interface Wait {
  readonly isOfPosition: boolean;
  readonly what: string;
  readonly reached: () => Promise<boolean>;
}

function waitFor(endpoint: Endpoint, target: string, portId: string | undefined): Wait {
  if (target === 'port') {
    if (portId === undefined) throw new UsageError('--wait port needs the port ID');
    const path = `/v2.0/ports/${encodeURIComponent(portId)}`;
    return {
      isOfPosition: false,
      what: `port ${portId} to be ACTIVE`,
      reached: async () => (await callApi(endpoint, 'GET', path)).body.port.status === 'ACTIVE',
    };
  }
  const position = Number(/^(\d+)(:\d+)?$/.exec(target)?.[1]);
  if (!Number.isSafeInteger(position))
    throw new UsageError(`--wait takes a position or "port ID", not ${target}`);
  return {
    isOfPosition: true,
    what: `position ${position} to be realised by every live agent`,
    reached: async () => isReached(await fetchConvergence(endpoint, `?position=${target}`), position),
  };
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...ENDPOINT_OPTIONS,
      json: { type: 'boolean' },
      wait: { type: 'string' },
      timeout: { type: 'string' },
    },
  });
  const endpoint = endpointFrom(values, io.env);
  const seconds = Number(values.timeout ?? '60');
  if (!(seconds >= 0)) throw new UsageError(`--timeout takes seconds, not ${values.timeout}`);
  if (positionals.length > (values.wait === 'port' ? 1 : 0))
    throw new UsageError(`unexpected argument: ${positionals.at(-1)}`);
  const wait = values.wait === undefined ? undefined : waitFor(endpoint, values.wait, positionals[0]);
  if (wait) {
    const reached = await waitUntil(wait.reached, { timeoutMs: seconds * 1000, signal: io.signal });
    if (!reached) io.err(`deuteron status: gave up after ${seconds} s waiting for ${wait.what}\n`);
    if (!reached) return EXIT_FAILED;
  }
  const convergence = await fetchConvergence(endpoint);
  const but = wait?.isOfPosition ? butUnattended(convergence) : '';
  if (but !== '') io.err(`deuteron status: ${but}\n`);
  const alerts = await fetchAlerts(endpoint);
  io.out(values.json ? `${JSON.stringify({ ...convergence, alerts })}\n` : renderStatus(convergence, alerts));
  return EXIT_DONE;
}

export const statusCommand: Command = {
  name: 'status',
  summary: 'agents, how far they are, what is pending and why',
  usage: USAGE,
  run,
};
