/**
 * A host as one life of its agent sees it: each call takes a while, may fail, and lists of steps are performed one by one,
 * so that a crash leaves the first few done.
 */
import type { FloodStep, Host, HostEvent, LinkStep, StepResult } from '../../src/host/host.ts';
import type { Random } from '../../src/lib/random.ts';
import type { DiskTroubles } from './disk.ts';
import type { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';
import { delay, happens, type Weather } from './weather.ts';

export interface HostDoorOptions {
  readonly host: Host;
  readonly life: Incarnation;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly weather: () => Weather;
  readonly disk: DiskTroubles;
  /** No event overtakes another, as with those of one socket. */
  readonly eventsInOrder?: boolean;
}

const CALL_MS = 0.5;
const STEP_MS = 0.2;
const TINY_MS = 0.001;
/** No call takes so long but by the weather. */
const DRAWN_OUT_MS = 100;
const INJECTED = 'injected: no memory';
const FULL = 'no space left on device';
/** A disk that is slow. */
const SLOWEST_MS = 2_000;
/** What needs room on the disk. */
const WRITES = new Set<PropertyKey>(['writeFile', 'writeFiles', 'appendDurably']);

/** Reads that a real host answers as long as it runs; they are not made to fail. */
const NEVER_FAIL = new Set<PropertyKey>([
  ...['readFile', 'findProcess', 'processes', 'namespaces', 'listFiles'],
  'runGuarded',
]);

export interface HostDoor {
  readonly host: Host;
  /** How many calls are not answered yet. */
  underWay(): number;
  /** One of these is drawn out by the weather. */
  isDrawnOut(): boolean;
}

export function openHostDoor(options: HostDoorOptions): HostDoor {
  const { host, life, scheduler, random, weather, disk } = options;
  const delays = (writes: boolean) => {
    const slow = writes && disk.isSlow() ? random.next() * SLOWEST_MS : 0;
    return { before: slow + delay(random, CALL_MS, weather().slowness / 4), after: 0.01 };
  };

  let count = 0;
  let drawnOut = 0;
  let lastEvent = Number.NEGATIVE_INFINITY;
  const counted = <Result>(answer: Promise<Result>, beforeMs = 0): Promise<Result> => {
    const more = beforeMs > DRAWN_OUT_MS ? 1 : 0;
    count += 1;
    drawnOut += more;
    const end = () => {
      count -= 1;
      drawnOut -= more;
    };
    answer.then(end, end);
    return answer;
  };

  async function stepByStep<Step>(
    label: string,
    steps: readonly Step[],
    perform: (step: Step) => Promise<StepResult[]>,
  ): Promise<StepResult[]> {
    const results: StepResult[] = [];
    for (const step of steps) {
      const one = await life.call(
        `${label} ${JSON.stringify(step)}`,
        { before: delay(random, STEP_MS), after: 0 },
        () => (happens(random, weather().failedStep) ? [INJECTED] : perform(step)),
      );
      results.push(one[0] ?? null);
    }
    return results;
  }

  const special: Partial<Host> = {
    probe: (asked, onAnswer, signal) => probe(asked, onAnswer, signal),
    absolute: (path) => host.absolute(path),
    changeLinks: async (namespace, steps, mayBegin) => {
      if (mayBegin && !(await mayBegin)) return steps.map(() => null);
      return counted(stepByStep<LinkStep>('link', steps, (step) => host.changeLinks(namespace, [step])));
    },
    changeFloodEntries: (steps) =>
      counted(stepByStep<FloodStep>('flood', steps, (step) => host.changeFloodEntries([step]))),
    follow: (onEvent, signal) =>
      host.follow((event: HostEvent) => {
        const at = scheduler.now + delay(random, CALL_MS);
        const arrival = options.eventsInOrder ? Math.max(at, lastEvent + TINY_MS) : at;
        lastEvent = arrival;
        scheduler.after(arrival - scheduler.now, '', () => {
          life.enter(() => signal.aborted || onEvent(event));
        });
      }, signal),
  };
  const probe: Host['probe'] = (asked, onAnswer, signal) => {
    const end = new AbortController();
    life.atDeath(() => end.abort());
    // Not `AbortSignal.any`: Node.js keeps what that gives until it aborts, and with it the whole seed.
    signal.addEventListener('abort', () => end.abort(), { once: true });
    if (signal.aborted) end.abort();
    const tell = (answered: boolean) => life.enter(() => signal.aborted || onAnswer(answered));
    return host.probe(asked, tell, end.signal);
  };
  const proxy = new Proxy(host, {
    get(target, name) {
      const own = special[name as keyof Host];
      if (own) return own;
      const method = target[name as keyof Host] as unknown;
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        const times = delays(WRITES.has(name));
        const answer = life.call(`host ${String(name)} ${describe(args)}`, times, () => {
          if (WRITES.has(name) && disk.isFull()) throw new Error(FULL);
          if (!NEVER_FAIL.has(name) && happens(random, weather().failedStep)) throw new Error(INJECTED);
          return method.apply(target, args);
        });
        return counted(answer, times.before);
      };
    },
  });
  return { host: proxy, underWay: () => count, isDrawnOut: () => drawnOut > 0 };
}

function describe(args: readonly unknown[]): string {
  return args
    .filter((arg) => typeof arg === 'string')
    .join(' ')
    .slice(0, 80)
    .replaceAll('\n', ' ');
}
