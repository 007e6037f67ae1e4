/**
 * What is to happen in one run, written down before it begins: a world, its weather, what users ask and when, what goes
 * wrong and when. Each request and fault has a seed of its own, so one can be left out and the others stay as they are.
 * A plan is what a seed draws, what a scenario file holds, and what is made smaller when a run has failed.
 */
import { integerBetween, type Random } from '../../src/lib/random.ts';
import { FAULTS } from './faults.ts';
import { streamOf } from './streams.ts';
import { ACTIONS } from './workload.ts';
import { CALM, drawWeather, type Weather, weighted } from './weather.ts';

/** Something that happens at a time, by chance of its own. */
export interface Planned {
  readonly kind: string;
  readonly atMs: number;
  readonly seed: number;
}

export interface Plan {
  readonly seed: number;
  readonly hosts: number;
  readonly servers: number;
  readonly zones: number;
  /** Within which a death is to be found. */
  readonly detectMs: number;
  readonly weather: Weather;
  /** Feeds that can keep next to nothing, so that what is for thousands of agents happens with a few. */
  readonly narrow: boolean;
  readonly maxNetworks: number;
  readonly maxPorts: number;
  /** When the worst is over. */
  readonly durationMs: number;
  /** How long everything is watched once it has converged: nothing may happen any more. */
  readonly quietMs: number;
  readonly requests: readonly Planned[];
  readonly faults: readonly Planned[];
}

interface Kind {
  readonly name: string;
  readonly weight: number;
}

const ACTION_KINDS: readonly Kind[] = Object.entries(ACTIONS).map(([name, { weight }]) => ({ name, weight }));

/** Most worlds are small; one in so many has hundreds of hosts, and little time. */
const LARGE_ONE_IN = 50;

export function drawPlan(seed: number): Plan {
  const random = streamOf(seed, 'plan');
  const isLarge = random.next() < 1 / LARGE_ONE_IN;
  const hosts = isLarge
    ? integerBetween(random, 60, 250)
    : integerBetween(random, 2, random.next() < 0.25 ? 16 : 5);
  const isLong = !isLarge && random.next() < 0.1;
  const longest = isLarge ? 8_000 : isLong ? 150_000 : 40_000;
  const durationMs = integerBetween(random, isLarge ? 4_000 : 10_000, longest);
  const busy = isLarge ? 20 : 40;
  return {
    seed,
    hosts,
    servers: integerBetween(random, 1, 3),
    zones: integerBetween(random, 1, 3),
    detectMs: random.next() < 0.3 ? 10_000 : integerBetween(random, 2_000, 10_000),
    weather: random.next() < 0.15 ? CALM : drawWeather(random),
    narrow: !isLarge && random.next() < 0.4,
    maxNetworks: isLarge ? 30 : integerBetween(random, 1, 4),
    maxPorts: isLarge ? 200 : integerBetween(random, 3, 40),
    durationMs,
    quietMs: random.next() < 0.15 ? 30_000 : 0,
    requests: drawRequests(random, { durationMs, everyMs: integerBetween(random, busy, 15 * busy) }),
    faults: drawFaults(random, { durationMs, everyMs: integerBetween(random, isLarge ? 100 : 400, 6_000) }),
  };
}

interface Pace {
  readonly durationMs: number;
  readonly everyMs: number;
}

function* times(random: Random, { durationMs, everyMs }: Pace, fromMs: number): Iterable<number> {
  for (let at = fromMs; at < durationMs; at += everyMs * 2 * random.next()) yield Math.round(at);
}

function drawRequests(random: Random, pace: Pace): Planned[] {
  return planned(random, [...times(random, pace, 500)], ACTION_KINDS);
}

/** A selection for one run: some kinds absent, others frequent, so that each meets the rest undisturbed as well. */
function drawFaults(random: Random, pace: Pace): Planned[] {
  const kinds = [...FAULTS.values()].flatMap(({ name, weight }) =>
    random.next() < 0.6 ? [{ name, weight: weight * 10 ** (2 * random.next() - 1) }] : [],
  );
  return planned(random, [...times(random, pace, 1_000)], kinds);
}

function planned(random: Random, at: readonly number[], kinds: readonly Kind[]): Planned[] {
  return at.flatMap((atMs) => {
    const kind = weighted(random, kinds)?.name;
    return kind === undefined ? [] : [{ kind, atMs, seed: random.tag() }];
  });
}

/** A plan of which every second fault and request is of these kinds, in a small world whose servers judge soon. */
export function focusOn(
  plan: Plan,
  kinds: { readonly faults: readonly string[]; readonly requests: readonly string[] },
): Plan {
  const every2nd = (planned: readonly Planned[], names: readonly string[]) =>
    planned.map((one, i) => (i % 2 === 0 ? { ...one, kind: names[(i / 2) % names.length] as string } : one));
  const sizes = { hosts: Math.min(plan.hosts, 5), servers: 3, detectMs: 2_000 };
  return {
    ...{ ...plan, ...sizes },
    faults: every2nd(plan.faults, kinds.faults),
    requests: every2nd(plan.requests, kinds.requests),
  };
}
