/** `deuteron host drain`: what a host has goes to others, and what is left is said. */
import { realClock, sleep } from '../lib/clock.ts';
import { callApi, type Endpoint } from './api-client.ts';
import { type CommandIo, EXIT_DONE, EXIT_FAILED } from './command.ts';

export interface Drain {
  readonly host: string;
  readonly draining: boolean;
  readonly active_routers: number;
  readonly replicas: number;
  readonly networks: number;
  readonly ports: number;
}

interface Stuck {
  readonly router: string;
  readonly why: string;
}

export interface DrainFlags {
  readonly undo: boolean;
  readonly force: boolean;
  readonly waitMs: number;
  readonly json: boolean;
}

const LOOK_MS = 250;

/** As a person reads it. */
export function renderDrain({ host, draining, active_routers, replicas, networks, ports }: Drain): string {
  const counts = [
    [active_routers, 'HA routers are active there'],
    [replicas, 'replicas of routers'],
    [networks, 'networks have their DHCP there'],
    [ports, 'ports of machines, which nobody moves'],
  ] as const;
  const left = counts.filter(([count]) => count > 0).map(([count, what]) => `  ${count} ${what}\n`);
  const head = draining ? `${host} is drained` : `${host} takes part`;
  return left.length === 0 ? `${head}, and has nothing.\n` : `${head}, and has:\n${left.join('')}`;
}

/** Nothing that others could have. */
const isEmpty = ({ active_routers, replicas, networks }: Drain): boolean =>
  active_routers + replicas + networks === 0;

export async function drain(
  endpoint: Endpoint,
  host: string,
  { undo, force, waitMs, json }: DrainFlags,
  io: CommandIo,
): Promise<number> {
  const path = `/v2.0/deuteron/hosts/${encodeURIComponent(host)}/drain`;
  const begun = realClock.now();
  const body = { drain: { draining: !undo, ...(force ? { force } : {}) } };
  const asked: Drain & { stuck: Stuck[] } = (await callApi(endpoint, 'PUT', path, body)).body.drain;
  let now: Drain = asked;
  while (!undo && !isEmpty(now) && realClock.now() - begun < waitMs && !io.signal.aborted) {
    await sleep(realClock, LOOK_MS, io.signal);
    now = (await callApi(endpoint, 'GET', path)).body.drain;
  }
  if (json) io.out(`${JSON.stringify({ ...now, stuck: asked.stuck })}\n`);
  else io.out(renderDrain(now));
  for (const { router, why } of json ? [] : asked.stuck) io.err(`router ${router} stays: ${why}\n`);
  return undo || waitMs === 0 || isEmpty(now) ? EXIT_DONE : EXIT_FAILED;
}
