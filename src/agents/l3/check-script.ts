/**
 * A check script as the host's own configuration names it, and whether it may be run at all. Pure.
 *
 *   gateway /etc/deuteron/checks/gateway interval=5 timeout=3 fall=2 rise=2 weight=90 sha256=...
 */
import type { PathStep, ProgramFacts } from '../../host/host.ts';
import { CHECK_OFF } from './health.ts';
import { MOST_OFF } from './keepalived.ts';

export interface CheckScript {
  readonly name: string;
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** So many times in a row it must say no before it counts. */
  readonly fall: number;
  /** So many times in a row yes before it is taken for well. */
  readonly rise: number;
  /** What a no takes off the priority. */
  readonly weight: number;
  /** null: whatever its content is when it is first looked at. */
  readonly sha256: string | null;
}

/** Name, least, greatest and default, in the unit of the configuration. */
const NUMBERS = {
  interval: [1, 3600, 5],
  timeout: [1, 60, 3],
  fall: [1, 100, 2],
  rise: [1, 100, 2],
  weight: [1, MOST_OFF, CHECK_OFF],
} as const;

const NAME = /^[a-z0-9][a-z0-9_.-]{0,31}$/i;
const SHA256 = /^[0-9a-f]{64}$/;

/** Throws an Error whose message says which word is wrong. */
export function parseCheck(text: string): CheckScript {
  const [name = '', path = '', ...settings] = text.trim().split(/\s+/);
  if (!NAME.test(name)) throw new Error(`"${name}" is no name for a check`);
  if (!path.startsWith('/')) throw new Error(`check ${name}: "${path}" is no absolute path`);
  const numbers = new Map<string, number>();
  let sha256: string | null = null;
  for (const setting of settings) {
    const [key = '', value = ''] = setting.split(/=(.*)/s);
    if (key === 'sha256' && SHA256.test(value)) sha256 = value;
    else if (Object.hasOwn(NUMBERS, key)) {
      const [least, greatest] = NUMBERS[key as keyof typeof NUMBERS];
      const number = Number(value);
      if (!/^\d+(\.\d+)?$/.test(value) || number < least || number > greatest)
        throw new Error(`check ${name}: "${setting}" is not within ${least} to ${greatest}`);
      numbers.set(key, number);
    } else throw new Error(`check ${name}: "${setting}" is no setting`);
  }
  const of = (key: keyof typeof NUMBERS): number => numbers.get(key) ?? NUMBERS[key][2];
  const [intervalMs, timeoutMs] = [Math.round(of('interval') * 1000), Math.round(of('timeout') * 1000)];
  const [fall, rise, weight] = [Math.round(of('fall')), Math.round(of('rise')), Math.round(of('weight'))];
  return { name, path, intervalMs, timeoutMs, fall, rise, weight, sha256 };
}

/** All of them; no two of one name. Throws as `parseCheck` does. */
export function parseChecks(texts: readonly string[]): CheckScript[] {
  const checks = texts.map(parseCheck);
  const twice = checks.find(({ name }, at) => checks.findIndex((other) => other.name === name) !== at);
  if (twice) throw new Error(`two checks are named ${twice.name}`);
  return checks;
}

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const SET_ID = 0o6000;

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** What the user may do with it, as the kernel decides: by the first class that fits. */
function bitsFor(step: PathStep, user: User): number {
  if (step.uid === user.uid) return (step.mode >> 6) & 7;
  return step.gid === user.gid ? (step.mode >> 3) & 7 : step.mode & 7;
}

function problemOfStep(step: PathStep, trusted: readonly number[]): string | null {
  const { path, kind, uid, mode } = step;
  if (kind === 'missing') return `${path}: there is no such file`;
  if (kind === 'endless') return `${path}: the links of its path lead in circles, or too far`;
  if (kind === 'other') return `${path}: it is neither a file nor a directory`;
  if (!trusted.includes(uid)) return `${path}: it belongs to user ${uid}, who could put another in its place`;
  // The mode of a link means nothing: who may change it is decided by the directory that it is in.
  if (kind === 'link') return null;
  // In a sticky directory only the owner of an entry may take it away, and that owner is looked at in the next step.
  if (kind === 'directory' && (mode & STICKY) !== 0) return null;
  if ((mode & GROUP_OR_OTHERS_WRITE) !== 0)
    return `${path}: others than its owner may write it (mode ${mode.toString(8)})`;
  return null;
}

/** What is wrong with owners and modes on the way to a file, and with its own; a sentence each. */
export function problemsOfPath({ steps, trusted }: Pick<ProgramFacts, 'steps' | 'trusted'>): string[] {
  return steps.flatMap((step) => problemOfStep(step, trusted) ?? []);
}

/** What speaks against running the file at the end of the path, whoever asks for that. */
function problemsOfRun(
  { steps, trusted }: Pick<ProgramFacts, 'steps' | 'trusted'>,
  { user, isScript }: { readonly user: User | null; readonly isScript: boolean },
): string[] {
  const problems = problemsOfPath({ steps, trusted });
  const file = steps.at(-1);
  if (file?.kind === 'directory') problems.push(`${file.path}: it is a directory`);
  else if (file?.kind !== 'file' && problems.length === 0) problems.push('its path leads to no file');
  if (file?.kind !== 'file') return problems;
  if ((file.mode & SET_ID) !== 0) problems.push(`${file.path}: it is set-user-ID or set-group-ID`);
  if (user !== null) {
    const shut = steps.find((step) => step.kind === 'directory' && (bitsFor(step, user) & 1) === 0);
    if (shut) problems.push(`${shut.path}: user ${user.uid} may not pass through it`);
    const needed = isScript ? 5 : 1;
    if ((bitsFor(file, user) & needed) !== needed)
      problems.push(`${file.path}: user ${user.uid} may not ${isScript ? 'read and run' : 'run'} it`);
  } else if ((file.mode & 0o111) === 0) problems.push(`${file.path}: it may not be run by anybody`);
  return problems;
}

/**
 * Why the program may not be run, a sentence each; empty: it may. `user`: who it would be run as, null for this process's
 * own. `pinned`: what its content has to be, null for anything. What runs a script is looked at like the script itself.
 */
export function problemsOf(facts: ProgramFacts, user: User | null, pinned: string | null): string[] {
  const { steps, content, trusted, interpreters } = facts;
  const path = steps.at(-1)?.path ?? '';
  const isScript = content?.head.startsWith('#!') ?? false;
  const problems = problemsOfRun(facts, { user, isScript });
  if (content === null) return problems.length > 0 ? problems : [`${path}: it cannot be read`];
  if (content.sha256 === '') problems.push(`${path}: ${content.size} bytes are too many to be a check`);
  else if (!isScript && !content.head.startsWith('\x7fELF'))
    problems.push(`${path}: it begins neither with #! nor as an ELF program`);
  for (const one of interpreters) {
    if ('unclear' in one) problems.push(`${path}: ${one.unclear}`);
    else problems.push(...problemsOfRun({ steps: one.steps, trusted }, { user, isScript: one.isScript }));
  }
  if (pinned !== null && content.sha256 !== pinned)
    problems.push(`${path}: its content is not what it was (SHA-256 ${content.sha256 || 'unknown'})`);
  // what is on the way to both is told once
  return [...new Set(problems)];
}
