/**
 * Programs that outlive the agent. Each runs in a session of its own and carries a mark in its environment: the state
 * directory, its name, the hash of its configuration. A later life of the agent finds them by that mark in /proc. There
 * is no pid file to go stale, and no instant between start and record in which a crash could lose one.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../../lib/assert.ts';
import { sleep, type Clock } from '../../lib/clock.ts';
import {
  EndedAtOnce,
  type HostEvent,
  type ProcessSignal,
  type ProcessSpec,
  type ProcessState,
} from '../host.ts';
import { namespaceName, processName } from '../grammar.ts';
import type { Files } from './files.ts';
import { NAMESPACES } from './namespaces.ts';
import { allPids, isAlive, readArguments, readEnvironment, readNamespace, readStat } from './proc.ts';
import { inNamespace, PROGRAM_ENVIRONMENT } from './spawner.ts';
import { isSuspicious, judge, type Look, lookAt } from './stuck.ts';

export const STATE_VARIABLE = 'DEUTERON_STATE';
const NAME_VARIABLE = 'DEUTERON_PROCESS';
const HASH_VARIABLE = 'DEUTERON_CONFIG_HASH';
const LOG_LIMIT_BYTES = 1 << 20;
/** How long `nsenter` may take to become the program, and a killed one to end: milliseconds, unless the host is very busy. */
const EXEC_LIMIT_MS = 10_000;
const WATCH_MS = 250;
/**
 * A look at one process costs 0.05 to 0.1 ms of CPU: so many a second at most, suspects apart. A few processes are looked at
 * in each turn, two hundred every twelve seconds.
 */
const LOOKS_A_SECOND = 16;
/** Of so many looks at a process that is not suspected one is at its IPv6 sockets too. */
const LOOKS_AN_IPV6 = 4;

interface Known {
  readonly pid: number;
  readonly configHash: string;
  readonly startTime: number;
  /** Not a child of this process: its end is noticed by looking. */
  readonly adopted: boolean;
  /** Since when it is suspected to do nothing; undefined: it is not. */
  suspect?: Look | undefined;
  stuck: string | null;
  looks: number;
}

export interface ProcessesOptions {
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly files: Files;
  /** Put before every program. */
  readonly enter: readonly string[];
}

export function createProcesses({ stateDirectory, clock, files, enter }: ProcessesOptions) {
  const known = new Map<string, Known>();
  const listeners = new Set<(event: HostEvent) => void>();
  let scanned = false;
  /** Whose turn it is to be looked at. */
  let turn: string[] = [];

  function ended(name: string, process: Known): void {
    if (known.get(name) !== process) return;
    known.delete(name);
    for (const listener of listeners) listener({ type: 'process-ended', name });
  }

  /** Finds, once in this life, what earlier lives started. */
  function scan(): void {
    if (scanned) return;
    scanned = true;
    for (const pid of allPids()) {
      const environment = readEnvironment(pid);
      const name = environment.get(NAME_VARIABLE);
      if (name === undefined || environment.get(STATE_VARIABLE) !== stateDirectory) continue;
      const stat = readStat(pid);
      // Only the leader of the session is what we started; its children inherit the mark.
      if (stat === null || stat.session !== pid) continue;
      const configHash = environment.get(HASH_VARIABLE) ?? '';
      known.set(name, { pid, configHash, startTime: stat.startTime, adopted: true, stuck: null, looks: 0 });
    }
  }

  function find(name: string): Known | null {
    scan();
    const process = known.get(processName(name));
    if (process === undefined) return null;
    if (isAlive(process)) return process;
    ended(name, process);
    return null;
  }

  function stateOf(process: Known): ProcessState {
    // It may have gone on since it was last looked at.
    if (process.stuck !== null) examine(process);
    return { pid: process.pid, configHash: process.configHash, stuck: process.stuck };
  }

  /** One look at whether it does anything; false: it is gone. */
  function examine(process: Known): boolean {
    const withIpv6 = process.suspect !== undefined || process.looks++ % LOOKS_AN_IPV6 === 0;
    const look = lookAt(process.pid, clock.now(), withIpv6);
    if (look?.stat.startTime !== process.startTime) return false;
    const verdict = process.suspect === undefined ? 'well' : judge(process.suspect, look);
    process.stuck = typeof verdict === 'object' ? verdict.stuck : null;
    if (verdict === 'well') process.suspect = isSuspicious(look) ? look : undefined;
    return true;
  }

  /** Some of all, in turn, and every suspect. */
  function examineSome(): void {
    if (turn.length === 0) turn = [...known.keys()];
    const some = new Set(turn.splice(0, Math.ceil((LOOKS_A_SECOND * WATCH_MS) / 1000)));
    for (const [name, process] of known) {
      if (!some.has(name) && process.suspect === undefined) continue;
      if (!examine(process)) ended(name, process);
      if (process.stuck !== null) for (const listener of listeners) listener({ type: 'process-stuck', name });
    }
  }

  /** An adopted process that is gone, found without reading /proc. */
  function isGone(process: Known): boolean {
    try {
      return !globalThis.process.kill(process.pid, 0);
    } catch (error) {
      return error instanceof Error && 'code' in error && error.code === 'ESRCH';
    }
  }

  const logPath = (name: string) => files.absolute(`log/${processName(name)}.log`);

  function openLog(name: string): number {
    const path = logPath(name);
    mkdirSync(dirname(path), { recursive: true });
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size > LOG_LIMIT_BYTES) renameSync(path, `${path}.old`);
    return openSync(path, 'a');
  }

  function lastWords(name: string): string {
    return readFileSync(logPath(name), 'utf8').trim().split('\n').at(-1)?.slice(0, 300) || 'it said nothing';
  }

  async function start(spec: ProcessSpec): Promise<Known> {
    const inside = spec.namespace === null ? null : namespaceName(spec.namespace);
    const argv = [...enter, ...inNamespace(inside, spec.argv)];
    const log = openLog(spec.name);
    try {
      const child = spawn(argv[0] ?? '', argv.slice(1), {
        cwd: '/',
        detached: true,
        env: {
          ...PROGRAM_ENVIRONMENT,
          [STATE_VARIABLE]: stateDirectory,
          [NAME_VARIABLE]: spec.name,
          [HASH_VARIABLE]: spec.configHash,
        },
        stdio: ['ignore', log, log],
      });
      await new Promise<void>((resolve, reject) => {
        child.once('error', reject);
        child.once('spawn', resolve);
      });
      child.unref();
      const pid = child.pid ?? -1;
      const startTime = readStat(pid)?.startTime ?? -1;
      const process: Known = {
        pid,
        configHash: spec.configHash,
        startTime,
        adopted: false,
        stuck: null,
        looks: 0,
      };
      known.set(spec.name, process);
      child.once('exit', () => ended(spec.name, process));
      return process;
    } finally {
      closeSync(log);
    }
  }

  /** Until then a signal would hit `nsenter`, not the program. */
  async function untilExecuted(process: Known, spec: ProcessSpec): Promise<void> {
    if (spec.namespace === null && enter.length === 0) return;
    const deadline = clock.now() + EXEC_LIMIT_MS;
    while (clock.now() < deadline && isAlive(process)) {
      // One that is ending has given its memory back, and has no arguments, before it counts as dead.
      const [program] = readArguments(process.pid);
      if (program !== undefined && program !== 'nsenter') return;
      await sleep(clock, 1);
    }
  }

  async function untilEnded(name: string, process: Known, withinMs: number): Promise<boolean> {
    const deadline = clock.now() + withinMs;
    for (let pauseMs = 1; isAlive(process); pauseMs = Math.min(pauseMs * 2, 50)) {
      if (clock.now() >= deadline) return false;
      await sleep(clock, pauseMs);
    }
    ended(name, process);
    return true;
  }

  function signal(process: Known, name: NodeJS.Signals): void {
    if (isAlive(process)) globalThis.process.kill(process.pid, name);
  }

  /** Whatever it left running in its process group. */
  function killGroup(pid: number): void {
    try {
      globalThis.process.kill(-pid, 'SIGKILL');
    } catch (error) {
      assert(error instanceof Error && 'code' in error && error.code === 'ESRCH', `cannot end group ${pid}`);
    }
  }

  return {
    async startProcess(spec: ProcessSpec): Promise<ProcessState> {
      if (find(spec.name) !== null) throw new Error(`${spec.name} is running already`);
      const process = await start(spec);
      await untilExecuted(process, spec);
      if (!isAlive(process)) throw new EndedAtOnce(`${spec.name} ended at once: ${lastWords(spec.name)}`);
      return stateOf(process);
    },

    async findProcess(name: string): Promise<ProcessState | null> {
      const process = find(name);
      return process === null ? null : stateOf(process);
    },

    async isAstray(name: string, namespace: string): Promise<boolean> {
      const process = find(name);
      const inside = process === null ? null : readNamespace(process.pid);
      const named = statSync(`${NAMESPACES}/${namespaceName(namespace)}`, { throwIfNoEntry: false });
      return inside !== null && inside !== named?.ino;
    },

    async processes(): Promise<string[]> {
      scan();
      return [...known.keys()].filter((name) => find(name) !== null).sort();
    },

    async signalProcess(name: string, kind: ProcessSignal): Promise<void> {
      const process = find(name);
      if (process !== null) signal(process, `SIG${kind}`);
    },

    async stopProcess(name: string, graceMs: number): Promise<void> {
      const process = find(name);
      if (process !== null) {
        signal(process, 'SIGTERM');
        // One that is stopped hears of it only when it goes on.
        const hears = stateOf(process).stuck === null;
        if (!hears || !(await untilEnded(name, process, graceMs))) {
          signal(process, 'SIGKILL');
          if (!(await untilEnded(name, process, EXEC_LIMIT_MS))) throw new Error(`${name} does not end`);
        }
        killGroup(process.pid);
      }
      for (const path of [logPath(name), `${logPath(name)}.old`]) rmSync(path, { force: true });
    },

    async endCopies(argv: readonly string[]): Promise<number> {
      const isCopy = (pid: number) => {
        const found = readArguments(pid);
        if (found.length !== argv.length || found.some((word, i) => word !== argv[i])) return false;
        const mark = readEnvironment(pid);
        return mark.get(STATE_VARIABLE) !== stateDirectory || mark.get(NAME_VARIABLE) === undefined;
      };
      const copies = allPids().flatMap((pid) => {
        const stat = isCopy(pid) ? readStat(pid) : null;
        return stat === null ? [] : [{ pid, startTime: stat.startTime }];
      });
      for (const copy of copies) if (isAlive(copy)) globalThis.process.kill(copy.pid, 'SIGKILL');
      const deadline = clock.now() + EXEC_LIMIT_MS;
      while (copies.some(isAlive) && clock.now() < deadline) await sleep(clock, 1);
      return copies.length;
    },

    /** Tells of every end, and of who does nothing, until `signal` aborts. */
    async watch(onEvent: (event: HostEvent) => void, signal: AbortSignal): Promise<void> {
      scan();
      listeners.add(onEvent);
      while (!signal.aborted) {
        for (const [name, process] of known) if (process.adopted && isGone(process)) ended(name, process);
        examineSome();
        await sleep(clock, WATCH_MS, signal);
      }
      listeners.delete(onEvent);
    },
  };
}
