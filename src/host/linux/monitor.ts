import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { sleep, type Clock } from '../../lib/clock.ts';
import type { HostEvent } from '../host.ts';
import { listensOnNetlink } from './proc.ts';
import { PROGRAM_ENVIRONMENT } from './spawner.ts';

const FIRST_RESTART_MS = 200;
const LONGEST_RESTART_MS = 10_000;
/** One that listened this long was well. */
const WELL_MS = 60_000;
const LISTEN_POLL_MS = 2;
const LISTEN_LIMIT_MS = 2000;

/** A line of `ip -o monitor link`: `5: tap0@if2: <UP> ...`, or the same after `Deleted `. */
export function linkEvent(line: string): HostEvent | null {
  const name = /^(?:Deleted )?\d+: ([^:@\s]+)[:@]/.exec(line)?.[1];
  return name === undefined ? null : { type: 'link', name, namespace: null };
}

/** A line of `bridge monitor fdb`; learned addresses are not ours to follow. */
export function floodEvent(line: string): HostEvent | null {
  const found = /^(Deleted )?00:00:00:00:00:00 dev (\S+) dst (\S+)/.exec(line);
  if (found === null) return null;
  const [, deleted, link = '', destination = ''] = found;
  return { type: 'flood', link, destination, present: deleted === undefined };
}

interface Source {
  readonly argv: readonly string[];
  readonly parse: (line: string) => HostEvent | null;
}

const SOURCES: readonly Source[] = [
  { argv: ['ip', '-o', 'monitor', 'link'], parse: linkEvent },
  { argv: ['bridge', 'monitor', 'fdb'], parse: floodEvent },
];

interface Following {
  readonly clock: Clock;
  readonly onEvent: (event: HostEvent) => void;
  readonly signal: AbortSignal;
  /** Put before every program. */
  readonly enter: readonly string[];
}

/**
 * Follows the kernel's messages. Says 'overflow' once all sources listen, and again whenever one had to start anew: what
 * happened before that is not known.
 */
export async function followKernel(following: Following): Promise<void> {
  let deaf = SOURCES.length;
  const onListening = () => {
    if (deaf > 0) deaf--;
    if (deaf === 0) following.onEvent({ type: 'overflow' });
  };
  await Promise.all(SOURCES.map((source) => followSource(source, following, onListening)));
}

async function followSource(source: Source, following: Following, onListening: () => void): Promise<void> {
  const { clock, signal } = following;
  let restartMs = FIRST_RESTART_MS;
  while (!signal.aborted) {
    const begunAt = clock.now();
    await followOnce(source, following, onListening);
    // Each new start makes the agent look at everything: a program that cannot stay must not make that a loop.
    restartMs = clock.now() - begunAt > WELL_MS ? FIRST_RESTART_MS : restartMs;
    await sleep(clock, restartMs, signal);
    restartMs = Math.min(restartMs * 2, LONGEST_RESTART_MS);
  }
}

async function followOnce(source: Source, following: Following, onListening: () => void): Promise<void> {
  const { clock, onEvent, signal } = following;
  const argv = [...following.enter, ...source.argv];
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    env: PROGRAM_ENVIRONMENT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = source.parse(line);
    if (event !== null) onEvent(event);
  });
  // ENOBUFS ("No buffer space available"): the kernel dropped messages, the program goes on.
  child.stderr.on('data', () => onEvent({ type: 'overflow' }));
  if (await untilListening(child, clock)) onListening();
  await ended;
  signal.removeEventListener('abort', stop);
}

async function untilListening(child: ChildProcess, clock: Clock): Promise<boolean> {
  const deadline = clock.now() + LISTEN_LIMIT_MS;
  const runs = () => child.exitCode === null && child.signalCode === null;
  while (child.pid !== undefined && runs() && clock.now() < deadline) {
    if (listensOnNetlink(child.pid)) return true;
    await sleep(clock, LISTEN_POLL_MS);
  }
  return runs();
}
