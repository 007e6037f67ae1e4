/**
 * Runs fence agents: programs that take `key=value` lines on standard input and answer by exit code (ClusterLabs' FenceAgentAPI):
 * 0 is done, or on; 2 of `status` is off; anything else is a failure. Nothing is passed on the command line, where
 * everybody could read it.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { problemsOf, problemsOfPath } from '../agents/l3/check-script.ts';
import type { FenceDevices, PowerAnswer } from '../background/fencing.ts';
import { createProgramFacts } from '../host/linux/program-facts.ts';
import { PROGRAM_PATH } from '../host/linux/program-path.ts';
import { realClock } from '../lib/clock.ts';
import { Turns } from '../lib/turns.ts';
import { type FenceDevice, fenceInput, nameOfDevice, parseFenceFile, withoutSecrets } from './fence-file.ts';

const TIMEOUT_MS = 60_000;
/** Between being asked to end and being ended, and until nobody waits any more. */
const KILL_AFTER_S = 2;
const GIVE_UP_MS = 5_000;
const MOST_OUTPUT = 64 * 1024;
const MOST_SHOWN = 300;

const { inspectProgram } = createProgramFacts();

/** Why the file may not be relied on, a sentence each: owners and modes of its path, and who may read it. */
export async function problemsOfFile(path: string): Promise<string[]> {
  const facts = await inspectProgram(path);
  const last = facts.steps.at(-1);
  const problems = problemsOfPath(facts);
  if (last?.kind === 'directory') problems.push(`${path}: it is a directory`);
  else if (last?.kind === 'file' && (last.mode & 0o007) !== 0)
    problems.push(
      `${last.path}: it has passwords in it, and everybody may read it (mode ${last.mode.toString(8)})`,
    );
  return problems;
}

/** @throws Error that says why the file cannot be relied on. */
export async function readFenceFile(path: string): Promise<Map<string, FenceDevice>> {
  const [problem] = await problemsOfFile(path);
  if (problem !== undefined) throw new Error(problem);
  try {
    return parseFenceFile(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

/** Why an agent may not be run, a sentence each. */
export async function problemsOfAgent(agent: string): Promise<string[]> {
  return problemsOf(await inspectProgram(agent), null, null);
}

export interface AgentRun {
  /** null: it was ended because of the time, or by a signal, or could not be started. */
  readonly code: number | null;
  readonly out: string;
  /** What it wrote last, to either output, without secrets. */
  readonly text: string;
  readonly durationMs: number;
}

/** Runs the device's agent with one action. Rejects for nothing that it does. */
export async function runFenceAgent(
  device: FenceDevice,
  action: string,
  timeoutMs = TIMEOUT_MS,
): Promise<AgentRun> {
  const [problem] = await problemsOfAgent(device.agent);
  if (problem !== undefined) return { code: null, out: '', text: problem, durationMs: 0 };
  return new Promise((settle) => {
    const begunAt = realClock.now();
    // a process that outlives this one is ended all the same
    const child = spawn('timeout', ['-k', `${KILL_AFTER_S}`, `${timeoutMs / 1000}`, device.agent], {
      ...{ env: { PATH: PROGRAM_PATH, LC_ALL: 'C' }, cwd: '/', detached: true, stdio: 'pipe' },
    });
    const wrote = { out: '', all: '' };
    const take = (chunk: Buffer, isOut: boolean) => {
      if (wrote.all.length > MOST_OUTPUT) return;
      wrote.all += chunk.toString();
      if (isOut) wrote.out += chunk.toString();
    };
    child.stdout.on('data', (chunk: Buffer) => take(chunk, true));
    child.stderr.on('data', (chunk: Buffer) => take(chunk, false));
    // one that reads nothing says so by its answer
    child.stdin.on('error', () => undefined);
    child.stdin.end(fenceInput(device, action));
    const finish = (code: number | null, problem = '') => {
      cancel();
      const durationMs = Math.round(realClock.now() - begunAt);
      const isLate = durationMs >= timeoutMs && code !== 0;
      const said = problem || lastLine(wrote.all) || `exit code ${code}`;
      const text = withoutSecrets(isLate ? `no end within ${timeoutMs / 1000} s: ${said}` : said, device);
      settle({ code: isLate ? null : code, out: wrote.out, text, durationMs });
    };
    const cancel = realClock.after(timeoutMs + KILL_AFTER_S * 1000 + GIVE_UP_MS, () => {
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      child.kill('SIGKILL');
    });
    child.once('error', (error) => finish(null, error.message));
    child.once('close', (code) => finish(code));
  });
}

const lastLine = (text: string): string =>
  (text.split('\n').findLast((line) => line.trim() !== '') ?? '').trim().slice(0, MOST_SHOWN);

/** What a run of `status` says of the power. An exit code alone may be that of a program that did not understand. */
export function powerOf({ code, out }: Pick<AgentRun, 'code' | 'out'>): PowerAnswer['power'] {
  const saysOff = /\boff\b/i.test(out);
  if (code === 2 && saysOff) return 'off';
  return code === 0 && !saysOff ? 'on' : 'unknown';
}

/** The devices of the file, which is read anew each time. */
export function fenceDevicesOf(path: string): FenceDevices {
  const turns = new Map<string, Turns>();
  const turnsOf = (device: FenceDevice): Turns => {
    const name = nameOfDevice(device);
    const known = turns.get(name) ?? new Turns();
    turns.set(name, known);
    return known;
  };
  return {
    hosts: async () => new Set((await readFenceFile(path)).keys()),
    async act(host, action, timeoutMs = TIMEOUT_MS) {
      try {
        const device = (await readFenceFile(path)).get(host);
        if (device === undefined) return { power: 'unknown', text: `${path} names it no more` };
        const run = await turnsOf(device).take(() => runFenceAgent(device, action, timeoutMs));
        const { text } = run;
        if (action === 'status') return { power: powerOf(run), text };
        return { power: run.code === 0 ? 'off' : 'unknown', text };
      } catch (error) {
        return { power: 'unknown', text: (error as Error).message };
      }
    },
  };
}
