import { parseArgs } from 'node:util';
import type { Clock } from '../lib/clock.ts';
import { realClock, sleep } from '../lib/clock.ts';
import { callApi, ENDPOINT_HELP, ENDPOINT_OPTIONS, type Endpoint, endpointFrom } from './api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from './command.ts';
import { formatTable } from './table.ts';

const USAGE = `usage: deuteron status [--json] [--wait POSITION | --wait port ID] [--timeout S]

Agents, how far each has realised the change log, and what is pending, since when and why.

  --wait POSITION    return once there are live agents and every one has realised this position (the number, or the whole of a
                     write's X-Deuteron-Position header)
  --wait port ID     return once the port is ACTIVE
  --timeout S        with --wait: give up after this many seconds, exit code 1 [60]
  --json             print JSON
${ENDPOINT_HELP}

Exit codes: 0 done (with --wait: reached), 1 failed or not reached in time, 2 wrong usage.`;

interface PendingException {
  key: string;
  object: string;
  state: string;
  since: number;
  reason: string;
}

interface AgentConvergence {
  host: string;
  role: string;
  alive: boolean;
  state: string;
  realised: number | null;
  lag: number | null;
  exceptions: PendingException[];
  exceptionCount: number;
}

interface Convergence {
  head: number;
  agents: AgentConvergence[];
}

async function fetchConvergence(endpoint: Endpoint): Promise<Convergence> {
  return (await callApi(endpoint, 'GET', '/v2.0/deuteron/convergence')).body.convergence;
}

/** Whether an agent has realised everything up to the position. */
export function hasRealised(agent: AgentConvergence, position: number): boolean {
  const reached = agent.realised !== null && agent.realised >= position;
  return reached && !agent.exceptions.some((e) => e.state !== 'waiting' && e.since <= position);
}

/** The convergence as a person reads it. */
export function renderStatus(convergence: Convergence): string {
  const agents = formatTable(
    ['HOST', 'ROLE', 'ALIVE', 'STATE', 'REALISED', 'LAG', 'PENDING'],
    convergence.agents.map((agent) => [
      agent.host,
      agent.role,
      agent.alive ? 'yes' : 'NO',
      agent.state,
      agent.realised === null ? 'unknown' : String(agent.realised),
      agent.lag === null ? '-' : String(agent.lag),
      String(agent.exceptionCount),
    ]),
  );
  const pending = convergence.agents.flatMap((agent) =>
    agent.exceptions.map((e) => [
      agent.host,
      agent.role,
      e.object || e.key,
      e.state,
      String(e.since),
      e.reason,
    ]),
  );
  const details =
    pending.length === 0
      ? ''
      : `\n${formatTable(['HOST', 'ROLE', 'WHAT', 'STATE', 'SINCE', 'WHY'], pending)}`;
  return `change log at position ${convergence.head}\n\n${agents}${details}`;
}

interface Wait {
  readonly what: string;
  readonly reached: () => Promise<boolean>;
}

function waitFor(endpoint: Endpoint, target: string, portId: string | undefined): Wait {
  if (target === 'port') {
    if (portId === undefined) throw new UsageError('--wait port needs the port ID');
    const path = `/v2.0/ports/${encodeURIComponent(portId)}`;
    return {
      what: `port ${portId} to be ACTIVE`,
      reached: async () => (await callApi(endpoint, 'GET', path)).body.port.status === 'ACTIVE',
    };
  }
  const position = Number(/^(\d+)(:\d+)?$/.exec(target)?.[1]);
  if (!Number.isSafeInteger(position))
    throw new UsageError(`--wait takes a position or "port ID", not ${target}`);
  return {
    what: `position ${position} to be realised by every live agent`,
    reached: async () => {
      const { head, agents } = await fetchConvergence(endpoint);
      const alive = agents.filter((agent) => agent.alive);
      // Nobody there has realised nothing: an empty set must not pass for success.
      return position <= head && alive.length > 0 && alive.every((agent) => hasRealised(agent, position));
    },
  };
}

async function waitUntil(
  wait: Wait,
  options: { clock: Clock; timeoutMs: number; signal: AbortSignal },
): Promise<boolean> {
  const deadline = options.clock.now() + options.timeoutMs;
  while (!options.signal.aborted) {
    if (await wait.reached()) return true;
    if (options.clock.now() >= deadline) return false;
    await sleep(options.clock, 100, options.signal);
  }
  return false;
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
  if (values.wait !== undefined) {
    const wait = waitFor(endpoint, values.wait, positionals[0]);
    const reached = await waitUntil(wait, { clock: realClock, timeoutMs: seconds * 1000, signal: io.signal });
    if (!reached) io.err(`deuteron status: gave up after ${seconds} s waiting for ${wait.what}\n`);
    if (!reached) return EXIT_FAILED;
  }
  const convergence = await fetchConvergence(endpoint);
  io.out(values.json ? `${JSON.stringify(convergence)}\n` : renderStatus(convergence));
  return EXIT_DONE;
}

export const statusCommand: Command = {
  name: 'status',
  summary: 'agents, how far they are, what is pending and why',
  usage: USAGE,
  run,
};
