/** A server that is told to stop, step by step: nobody who was being served notices. */
import { type Clock, sleep } from '../lib/clock.ts';
import type { Listening } from './listen.ts';
import type { Log } from './logging.ts';

export interface DrainOptions {
  readonly api: Listening;
  readonly agents: Listening;
  readonly clock: Clock;
  readonly log: Log;
  /** Sends the agents to other servers, spread over so many milliseconds; resolves when all have been told. */
  readonly releaseAgents: (spreadMs: number) => Promise<void>;
  /** How long connections are still accepted, for balancers that go by `/readyz`. */
  readonly acceptMs: number;
  /** How long connections without a request are kept open, so that their next request is answered. */
  readonly idleMs: number;
}

/** Agents are told to go within this time: the servers that they come to should not be overrun. */
const RELEASE_MS = 1_000;
/** A request takes no longer than its statements may (`store/open.ts`), and a little. */
const FINISH_MS = 20_000;
const LOOK_MS = 20;

/**
 * Ends when every request is answered and every connection is gone, or at the latest FINISH_MS after the time for
 * accepting and idling. Every answer from now on ends its connection, so a client's next request opens a new one: through
 * a plain TCP proxy that comes to another server, for this one refuses it.
 */
export async function drain(options: DrainOptions): Promise<void> {
  const { api, agents, clock, acceptMs, idleMs, log } = options;
  const listening = [api, agents];
  const began = clock.now();
  const total = async () => {
    const counts = await Promise.all(listening.map((one) => one.count()));
    return {
      connections: counts.reduce((sum, one) => sum + one.connections, 0),
      requests: counts.reduce((sum, one) => sum + one.requests, 0),
    };
  };
  const until = async (what: 'connections' | 'requests', deadline: number) => {
    for (;;) {
      const left = (await total())[what];
      if (left === 0 || clock.now() >= deadline) return;
      await sleep(clock, LOOK_MS);
    }
  };
  for (const one of listening) one.sendAway();
  log.info(await total(), 'stopping: requests under way are finished, agents are sent to other servers');
  const released = options.releaseAgents(RELEASE_MS);
  if (acceptMs > 0) await sleep(clock, acceptMs);
  await Promise.all(listening.map((one) => one.stopAccepting()));
  await released;
  // an agent sends its report again
  agents.closeIdle();
  const idleUntil = began + acceptMs + idleMs;
  await until('connections', idleUntil);
  for (const one of listening) one.closeIdle();
  await until('requests', idleUntil + FINISH_MS);
  log.info({ ...(await total()), tookMs: Math.round(clock.now() - began) }, 'drained');
}
