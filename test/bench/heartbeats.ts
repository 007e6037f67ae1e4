/** Hollow agents on real sockets that say that they are there: what that costs a real server. */
import { type ServerProcess, startServer } from '../support/server-process.ts';
import { HollowAgent, type HollowOptions } from './hollow-agent.ts';
import { cpuMs, round, timeTogether } from './measure.ts';
import { populate, until } from './watch.ts';

export interface Ground {
  readonly server: ServerProcess;
  readonly credentials: ReadonlyMap<string, string>;
  readonly say: (text: string) => void;
}

/** A server with that many hosts, each with a bound port, 100 hosts a network; stopped in the end. */
export async function onGround<Result>(
  options: { hosts: number; detectS: number; say: (text: string) => void },
  work: (ground: Ground) => Promise<Result>,
): Promise<Result> {
  const { hosts, detectS, say } = options;
  const quotas = ['--quota-port', '-1', '--quota-network', '-1', '--quota-subnet', '-1'];
  const server = await startServer({ args: [...quotas, '--agent-down-seconds', String(detectS)] });
  try {
    const { credentials } = await populate(server, hosts, say);
    return await work({ server, credentials, say });
  } finally {
    await server.stop();
  }
}

/** Connects all, waits until they are in step and what that began has passed, works, and ends them. */
export async function withAgents<Result>(
  { server, credentials, say }: Ground,
  options: Pick<HollowOptions, 'onFrame'> & { readonly beats: boolean; readonly reportMs: number | null },
  work: (agents: readonly HollowAgent[]) => Promise<Result>,
): Promise<Result> {
  const agents = [...credentials].map(
    ([host, credential]) => new HollowAgent({ host, credential, agentPort: server.agentPort, ...options }),
  );
  try {
    say(`connecting ${agents.length} agents ${options.beats ? 'with' : 'without'} heartbeats`);
    for (const agent of agents) agent.connect();
    await until('all connected', 300_000, () => agents.every((agent) => agent.live));
    // what they hold is realised: nothing is owed
    const { reportMs } = options;
    if (reportMs !== null) {
      await timeTogether(8, agents.length, async (at) => agents[at]?.reported(reportMs));
    }
    await quiet(server);
    return await work(agents);
  } finally {
    for (const agent of agents) agent.end();
  }
}

export const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Until the server does little more than before: registrations are written beside the watches. */
async function quiet(server: ServerProcess): Promise<void> {
  let last = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 30; round++) {
    const before = cpuMs(server.pid);
    await pause(2_000);
    const used = cpuMs(server.pid) - before;
    if (used > 0.8 * last && used < 1.25 * last) return;
    last = used;
  }
}

/** CPU of the server with its database, as a part of one core, over that time. */
export async function cores(server: ServerProcess, seconds: number): Promise<number> {
  const before = cpuMs(server.pid);
  const began = performance.now();
  await pause(seconds * 1000);
  return (cpuMs(server.pid) - before) / (performance.now() - began);
}

const MEASURE_S = 20;
const SAID_AGAIN_MS = 300_000;

/** What so many agents cost that are only there: watches, heartbeats, bookmarks, on real sockets. */
export function heartbeatCores(options: {
  sockets: number;
  detectS: number;
  say: (text: string) => void;
}): Promise<number> {
  const { sockets, detectS, say } = options;
  return onGround({ hosts: sockets, detectS, say }, (ground) =>
    // each has said once that it has what it was sent: a server does other work for those that owe it something
    withAgents(ground, { beats: true, reportMs: SAID_AGAIN_MS, onFrame: () => undefined }, async (agents) => {
      say(`measuring for ${MEASURE_S} s`);
      const before = agents.reduce((sum, agent) => sum + agent.beats, 0);
      const used = await cores(ground.server, MEASURE_S);
      const beats = agents.reduce((sum, agent) => sum + agent.beats, 0) - before;
      say(`${Math.round(beats / MEASURE_S)} heartbeats a second`);
      return round(used, 3);
    }),
  );
}
