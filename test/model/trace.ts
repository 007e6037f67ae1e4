/** A run of the model as its lines say it: steps, and the state after each. */

/** A frame as the model names it. */
export interface ModelFrame {
  readonly kind: 'deltas' | 'groups' | 'groupA' | 'groupB' | 'synced' | 'batch';
  readonly from: number;
  readonly to: number;
  /** It came by a connection that has ended. */
  readonly isOld: boolean;
}

export type Step =
  | { readonly type: 'commit'; readonly what: 'change' | 'toggle' }
  | { readonly type: 'promote'; readonly lost: number }
  | { readonly type: 'trim'; readonly first: number }
  | { readonly type: 'cycle' | 'patience' | 'bookmark' | 'attach' | 'restart'; readonly server: number }
  | { readonly type: 'deliver' | 'lose' | 'duplicate' | 'delay'; readonly frame: ModelFrame }
  | { readonly type: 'ended' | 'flush' | 'cut' | 'crash' };

/** `null` is what the model calls NONE. */
export interface ModelState {
  readonly session: 'waiting' | 'connecting' | 'catchingUp' | 'filling' | 'live';
  readonly place: number | null;
  readonly a: number | null;
  readonly b: number | null;
  readonly head: number;
  readonly frames: number;
}

export interface Moment {
  readonly step: Step;
  /** Absent at the end of a way to an error. */
  readonly state: ModelState | undefined;
}

const OLD = 128;
const NONE = 255;
const STATE = /^STATE session=(\w+) place=(\d+) a=(\d+) b=(\d+) head=(\d+) frames=(\d+)/;

function readStep(words: readonly string[]): Step {
  const [type, ...rest] = words;
  const number = Number(rest[0]);
  switch (type) {
    case 'commit':
      return { type, what: rest[0] as 'change' | 'toggle' };
    case 'promote':
      return { type, lost: number };
    case 'trim':
      return { type, first: number };
    case 'cycle':
    case 'patience':
    case 'bookmark':
    case 'attach':
    case 'restart':
      return { type, server: number };
    case 'deliver':
    case 'lose':
    case 'duplicate':
    case 'delay': {
      const kind = rest[0] as ModelFrame['kind'];
      const [from, to, carried] = rest.slice(1).map(Number) as [number, number, number];
      return { type, frame: { kind, from, to, isOld: (carried & OLD) !== 0 } };
    }
    case 'ended':
    case 'flush':
    case 'cut':
    case 'crash':
      return { type };
    default:
      throw new Error(`not a step of the model: ${words.join(' ')}`);
  }
}

function readState(line: string | undefined): ModelState | undefined {
  const match = STATE.exec(line ?? '');
  if (!match) return undefined;
  const [place, a, b, head, frames] = match.slice(2).map(Number) as [number, number, number, number, number];
  const orNull = (value: number) => (value === NONE ? null : value);
  const session = match[1] as ModelState['session'];
  return { session, place: orNull(place), a: orNull(a), b: orNull(b), head, frames };
}

/** The steps in what spin printed; everything else in it is left out. */
export function readTrace(text: string): Moment[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.flatMap((line, at) =>
    line.startsWith('STEP ')
      ? [{ step: readStep(line.slice(5).split(/\s+/)), state: readState(lines[at + 1]) }]
      : [],
  );
}
