/** The kernel's own messages, as `ip`, `bridge` and `nft` print them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { sleep, type Clock } from '../../lib/clock.ts';
import type { HostEvent, LinkNews } from '../host.ts';
import { OTHER_HANDS, OTHER_HANDS_LISTEN, otherHandsEvent } from './other-hands.ts';
import { listensOnNetlink } from './proc.ts';
import { PROGRAM_ENVIRONMENT } from './spawner.ts';

const FIRST_RESTART_MS = 200;
const LONGEST_RESTART_MS = 10_000;
/** One that listened this long was well. */
const WELL_MS = 60_000;
const LISTEN_POLL_MS = 2;
const LISTEN_LIMIT_MS = 10_000;

type Parse = (line: string) => HostEvent | null;

function linkNews(deleted: boolean, flags: readonly string[]): LinkNews {
  if (deleted) return 'gone';
  if (!flags.includes('UP')) return 'down';
  return flags.includes('LOWER_UP') && !flags.includes('NO-CARRIER') ? 'up' : 'no-carrier';
}

/** `5: tap0@if2: <BROADCAST,UP> mtu ...`, or the same after `Deleted `; `namespace` is where it was heard. */
export function linkEvent(line: string, namespace: string | null): HostEvent | null {
  const found = /^(Deleted )?\d+: ([^:@\s]+)(?:@[^:\s]+)?: <([^>]*)>/.exec(line);
  if (found === null) return null;
  const [, deleted, name = '', flags = ''] = found;
  return { type: 'link', name, namespace, news: linkNews(deleted !== undefined, flags.split(',')) };
}

/** `2: t0    inet 192.0.2.2/24 ...`: the index is the link's, the name that `ip` puts there may be another link's. */
export function addressEvent(line: string, namespace: string | null): HostEvent | null {
  const found = /^(Deleted )?\d+: \S+\s+inet6? (\S+) (?:.*)scope (\S+)/.exec(line);
  if (found === null || namespace === null || found[3] === 'link') return null;
  const [, deleted, address = ''] = found;
  return { type: 'address', namespace, news: deleted === undefined ? 'came' : 'went', address };
}

/**
 * Lines of `ip -o monitor all-nsid nsid link address`. Each begins with the number that its namespace has here; which
 * name that is, the same source tells.
 */
export function createLinkParser(): { parse: Parse; learn: (line: string) => void } {
  const names = new Map<string, string>();
  const learn = (line: string) => {
    const found = /^(Deleted )?nsid (\d+)(?: \(iproute2 netns name: (\S+)\))?/.exec(line);
    if (found === null) return;
    const [, deleted, number = '', name] = found;
    if (deleted !== undefined || name === undefined) names.delete(number);
    else names.set(number, name);
  };
  const parse: Parse = (line) => {
    const found = /^\[nsid (current|\d+)\](.*)$/.exec(line);
    // Without `all-nsid` nothing stands before it.
    const [, number = 'current', rest = ''] = found ?? [line, 'current', line];
    if (/^(?:Deleted )?nsid /.test(rest)) {
      if (number === 'current') learn(rest);
      return null;
    }
    const namespace = number === 'current' ? null : names.get(number);
    return namespace === undefined ? null : (linkEvent(rest, namespace) ?? addressEvent(rest, namespace));
  };
  return { parse, learn };
}

/** A line of `bridge monitor fdb`; learned addresses are not ours to follow. */
export function floodEvent(line: string): HostEvent | null {
  const found = /^(Deleted )?00:00:00:00:00:00 dev (\S+) dst (\S+)/.exec(line);
  if (found === null) return null;
  const [, deleted, link = '', destination = ''] = found;
  return { type: 'flood', link, destination, present: deleted === undefined };
}

/** A line of `nft monitor`: `delete rule inet x c handle 2`. */
export function rulesetEvent(line: string): HostEvent | null {
  const found = /^\s*(?:add|insert|delete|destroy|replace|flush) \w+ (\w+ \w+)/.exec(line);
  return found === null ? null : { type: 'ruleset', table: found[1] ?? '' };
}

interface Source {
  readonly argv: readonly string[];
  /** Instead, where the kernel does not let us listen to other namespaces. */
  readonly modest?: readonly string[];
  readonly parse: Parse;
  /** Run once it listens; what it prints goes to `learn` line by line. */
  readonly first?: { readonly argv: readonly string[]; readonly learn: (line: string) => void };
  /** The line by which the program says that it listens; without it, its socket is looked at. */
  readonly greeting?: string;
  /** A host on which it does not run is followed without it. */
  readonly isOptional?: true;
}

function sources(isOwn: (pid: number) => boolean): Source[] {
  const { parse, learn } = createLinkParser();
  return [
    {
      argv: ['ip', '-o', 'monitor', 'all-nsid', 'nsid', 'link', 'address'],
      modest: ['ip', '-o', 'monitor', 'link'],
      parse,
      first: { argv: ['ip', 'netns', 'list-id'], learn },
    },
    { argv: ['bridge', 'monitor', 'fdb'], parse: floodEvent },
    { argv: ['nft', 'monitor'], parse: rulesetEvent },
    {
      argv: OTHER_HANDS,
      parse: (line) => otherHandsEvent(line, isOwn),
      greeting: OTHER_HANDS_LISTEN,
      isOptional: true,
    },
  ];
}

interface Following {
  readonly clock: Clock;
  readonly onEvent: (event: HostEvent) => void;
  readonly signal: AbortSignal;
  /** Put before every program. */
  readonly enter: readonly string[];
  /** Whether a program of that number was started by this process, not long ago. */
  readonly isOwn: (pid: number) => boolean;
}

/**
 * Follows the kernel's messages. Says 'overflow' once all sources listen, and again whenever one had to start anew: what
 * happened before that is not known.
 */
export async function followKernel(following: Following): Promise<void> {
  const all = sources(following.isOwn);
  let deaf = all.length;
  const onListening = () => {
    if (deaf > 0) deaf--;
    if (deaf === 0) following.onEvent({ type: 'overflow' });
  };
  await Promise.all(all.map((source) => followSource(source, following, onListening)));
}

async function followSource(source: Source, following: Following, onListening: () => void): Promise<void> {
  const { clock, signal } = following;
  let restartMs = FIRST_RESTART_MS;
  let argv = source.argv;
  while (!signal.aborted) {
    const begunAt = clock.now();
    const heard = await followOnce({ ...source, argv }, following, onListening);
    if (!heard && source.isOptional) return onListening();
    if (!heard && source.modest) argv = source.modest;
    // Each new start makes the agent look at everything: a program that cannot stay must not make that a loop.
    restartMs = clock.now() - begunAt > WELL_MS ? FIRST_RESTART_MS : restartMs;
    await sleep(clock, restartMs, signal);
    restartMs = Math.min(restartMs * 2, LONGEST_RESTART_MS);
  }
}

function launch({ enter }: Following, argv: readonly string[]) {
  const [file = '', ...args] = [...enter, ...argv];
  return spawn(file, args, { env: PROGRAM_ENVIRONMENT, stdio: ['pipe', 'pipe', 'pipe'] });
}

const untilClosed = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });

/** Until the program ends or `signal` aborts; whether it ever listened. */
async function followOnce(source: Source, following: Following, onListening: () => void): Promise<boolean> {
  const { clock, onEvent, signal } = following;
  const child = launch(following, source.argv);
  const ended = untilClosed(child);
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const lines = createInterface({ input: child.stdout }).on('line', (line) => {
    const event = source.parse(line);
    if (event !== null) onEvent(event);
  });
  let listens = false;
  // ENOBUFS ("No buffer space available"): the kernel dropped messages, the program goes on.
  child.stderr.on('data', () => listens && onEvent({ type: 'overflow' }));
  listens =
    source.greeting === undefined
      ? await untilListening(child, clock)
      : await Promise.race([untilSaid(lines, source.greeting), ended.then(() => false)]);
  if (listens && source.first) await learnFrom(source.first, following);
  if (listens) onListening();
  await ended;
  signal.removeEventListener('abort', stop);
  return listens;
}

async function learnFrom(first: NonNullable<Source['first']>, following: Following): Promise<void> {
  const child = launch(following, first.argv);
  createInterface({ input: child.stdout }).on('line', first.learn);
  child.stderr.resume();
  await untilClosed(child);
}

function untilSaid(lines: Interface, text: string): Promise<boolean> {
  return new Promise((resolve) => {
    lines.on('line', (line) => line === text && resolve(true));
  });
}

async function untilListening(child: ChildProcess, clock: Clock): Promise<boolean> {
  const deadline = clock.now() + LISTEN_LIMIT_MS;
  const runs = () => child.exitCode === null && child.signalCode === null;
  while (child.pid !== undefined && runs() && clock.now() < deadline) {
    if (listensOnNetlink(child.pid)) return true;
    await sleep(clock, LISTEN_POLL_MS);
  }
  return child.pid !== undefined && runs();
}
