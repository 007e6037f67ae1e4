/** What the lab's commands have in common: which lab is meant, and how it is spoken to. */
import { Lab } from '../lab/lab.ts';
import { isLabId, SEGMENTS, type Segment } from '../lab/layout.ts';
import { defaultStateDirectory } from '../lab/state.ts';
import { realClock } from '../lib/clock.ts';
import { callApi } from './api-client.ts';
import { UsageError } from './command.ts';

export const LAB_OPTIONS = {
  id: { type: 'string' },
  'state-directory': { type: 'string' },
} as const;

export const LAB_HELP = `  --id NAME          which lab, where there are several [lab]
  --state-directory DIR    where it is kept [/tmp/deuteron-lab-NAME]`;

export interface LabFlags {
  readonly id?: string | undefined;
  readonly 'state-directory'?: string | undefined;
}

export const DEFAULT_ID = 'lab';

export function labId(flags: LabFlags): string {
  const id = flags.id ?? DEFAULT_ID;
  if (!isLabId(id)) throw new UsageError(`--id: "${id}" is not up to 16 lower-case letters and digits`);
  return id;
}

export const labDirectory = (flags: LabFlags): string =>
  flags['state-directory'] ?? defaultStateDirectory(labId(flags));

/** The API by its address, as the lab wants it. */
export const callLabApi = (url: string, method: string, path: string, body?: unknown) =>
  callApi({ url }, method, path, body);

/** The lab that the flags mean. Throws when it is not up. */
export function openLab(flags: LabFlags): Lab {
  return Lab.open({ clock: realClock, callApi: callLabApi, stateDirectory: labDirectory(flags) });
}

/** A number from the command line. */
export function readNumber(text: string, option: string, range: { min: number; max: number }): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < range.min || number > range.max)
    throw new UsageError(`${option} is a whole number from ${range.min} to ${range.max}, not "${text}"`);
  return number;
}

export function readSegment(text: string): Segment {
  const found = SEGMENTS.find((segment) => segment === text);
  if (!found) throw new UsageError(`"${text}" is no segment: ${SEGMENTS.join(', ')}`);
  return found;
}

/** The next of the positional arguments. */
export function take(positionals: string[], what: string): string {
  const next = positionals.shift();
  if (next === undefined) throw new UsageError(`which ${what}?`);
  return next;
}

export function takeNoMore(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageError(`unexpected argument: ${positionals[0]}`);
}

/** Whether the lab can be named, for messages: the words to add to a command. */
export function labWords(flags: LabFlags): string {
  const id = flags.id === undefined || flags.id === DEFAULT_ID ? '' : ` --id ${flags.id}`;
  return flags['state-directory'] === undefined ? id : `${id} --state-directory ${flags['state-directory']}`;
}
