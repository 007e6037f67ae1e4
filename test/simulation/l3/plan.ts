/** What a seed draws for a world of routers: in the form of the other world's plans, so that they are made smaller alike. */
import { integerBetween, type Random } from '../../../src/lib/random.ts';
import type { Plan, Planned } from '../plan.ts';
import { streamOf } from '../streams.ts';
import { CALM, drawWeather, weighted } from '../weather.ts';
import { L3_FAULTS } from './faults.ts';
import { ACTIONS } from './rows.ts';

export function drawL3Plan(seed: number): Plan {
  const random = streamOf(seed, 'l3 plan');
  const durationMs = integerBetween(random, 8_000, random.next() < 0.1 ? 90_000 : 35_000);
  return {
    seed,
    hosts: integerBetween(random, 3, random.next() < 0.5 ? 5 : 3),
    servers: integerBetween(random, 1, 2),
    zones: 1,
    detectMs: 5_000,
    weather: random.next() < 0.4 ? CALM : { ...drawWeather(random), lostWake: 0 },
    narrow: false,
    // routers
    maxNetworks: random.next() < 0.7 ? 1 : 2,
    maxPorts: 10,
    durationMs,
    quietMs: random.next() < 0.3 ? 12_000 : 0,
    requests: planned(random, times(random, { durationMs, everyMs: integerBetween(random, 500, 8_000) }), [
      ...kindsOf(Object.entries(ACTIONS).map(([name, { weight }]) => ({ name, weight }))),
    ]),
    faults: drawFaults(random, durationMs),
  };
}

interface Kind {
  readonly name: string;
  readonly weight: number;
}

const kindsOf = (kinds: readonly Kind[]): readonly Kind[] =>
  kinds.map(({ name, weight }) => ({ name, weight }));

function drawFaults(random: Random, durationMs: number): Planned[] {
  // now and then nothing but scripts
  if (random.next() < 0.12) {
    const every = { durationMs, everyMs: integerBetween(random, 1_000, 6_000) };
    return planned(random, times(random, every), [
      { name: 'script-bad', weight: 2 },
      { name: 'scripts-waver', weight: 1 },
    ]);
  }
  const kinds = kindsOf([...L3_FAULTS.values()]).flatMap(({ name, weight }) =>
    random.next() < 0.5 ? [{ name, weight: weight * 10 ** (2 * random.next() - 1) }] : [],
  );
  return planned(random, times(random, { durationMs, everyMs: integerBetween(random, 600, 9_000) }), kinds);
}

function times(random: Random, { durationMs, everyMs }: { durationMs: number; everyMs: number }): number[] {
  const all: number[] = [];
  for (let at = 500; at < durationMs; at += everyMs * 2 * random.next()) all.push(Math.round(at));
  return all;
}

function planned(random: Random, at: readonly number[], kinds: readonly Kind[]): Planned[] {
  return at.flatMap((atMs) => {
    const kind = weighted(random, kinds)?.name;
    return kind === undefined ? [] : [{ kind, atMs, seed: random.tag() }];
  });
}
