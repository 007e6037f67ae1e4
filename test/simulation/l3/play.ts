/** Plays a plan: routers are made and served; then the worst; then calm, in which each has one active again, and keeps it. */
import { seededRandom } from '../../../src/lib/random.ts';
import type { Plan } from '../plan.ts';
import { CALM } from '../weather.ts';
import { L3_FAULTS } from './faults.ts';
import { ACTIONS, makeRouters } from './rows.ts';
import { L3World } from './world.ts';

/** As worlds are set (see Traits). */
const CHECK_HOLD_MS = 5_000;
const REGISTERED_MS = 30_000;
const SERVED_MS = 60_000;
export const CALM_MS = 60_000;

export async function playL3Plan(plan: Plan, prepare: (world: L3World) => void): Promise<void> {
  const { seed, hosts, servers } = plan;
  const world = new L3World({ seed, hosts, servers, weather: CALM });
  prepare(world);
  await world.begin();
  await world.until('agents register', REGISTERED_MS, async () => {
    const here = world.store.rows('agents').filter((agent) => agent.server_id !== '').length;
    return here === 2 * hosts ? undefined : `${here} agents`;
  });
  await makeRouters(world, plan.maxNetworks);
  await world.until('routers are served', SERVED_MS, () => world.against());
  world.network.weather = plan.weather;
  world.watch.begin();
  world.watch.limitMoves(mostMoves(plan));
  schedule(world, plan);
  await world.pass(plan.durationMs);
  world.calm();
  world.convergedInMs = await world.until('convergence', CALM_MS, () => world.against());
  if (plan.quietMs > 0) await world.stayQuiet(plan.quietMs);
}

/** A host that failed as the active is doubted for so long, and longer each time. */
const DOUBTED_MS = 10 * CHECK_HOLD_MS;

/** Where nothing but scripts goes wrong. Those that fail on one host after the other have each of them let go; what wavers everywhere moves little. */
function mostMoves({ hosts, durationMs, faults, requests }: Plan): number {
  const kinds = new Set(faults.map(({ kind }) => kind));
  // to one that ails, and back
  const asked = 2 * requests.filter(({ kind }) => kind === 'move-router').length;
  const spans = Math.ceil(durationMs / DOUBTED_MS);
  const isOnly = (...names: string[]) => [...kinds].every((kind) => names.includes(kind));
  if (isOnly('scripts-waver')) return 1 + spans + asked;
  return isOnly('scripts-waver', 'script-bad') ? hosts * spans + asked : Number.POSITIVE_INFINITY;
}

function schedule(world: L3World, { requests, faults }: Plan): void {
  for (const { kind, atMs, seed } of requests) {
    world.scheduler.after(atMs, '', () => {
      const random = seededRandom(seed);
      const request = ACTIONS[kind]?.action(world, random);
      if (!request) return;
      world.watch.disturb();
      world.scheduler.follow(world.ask(request, random));
    });
  }
  for (const { kind, atMs, seed } of faults)
    world.scheduler.after(atMs, '', () => {
      world.scheduler.follow(strike(world, { kind, seed }));
    });
}

async function strike(world: L3World, { kind, seed }: { kind: string; seed: number }): Promise<void> {
  const fault = L3_FAULTS.get(kind);
  await world.coverage.meet(kind);
  const what = fault?.strike(world, seededRandom(seed));
  if (what === undefined) return;
  if (fault?.isFelt) world.watch.disturb();
  world.scheduler.note(`fault: ${what}`);
}
