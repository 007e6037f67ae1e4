/** A world in good weather with one router that is served, for tests that say themselves what happens. */
import { CALM } from '../weather.ts';
import { makeRouters } from './rows.ts';
import { L3World } from './world.ts';

export const LONG_MS = 60_000;
const HOSTS = 3;

export async function servedWorld(seed: number): Promise<{ world: L3World; id: string }> {
  const world = new L3World({ seed, hosts: HOSTS, servers: 1, weather: CALM });
  await world.begin();
  await world.until('agents register', LONG_MS, async () => {
    const here = world.store.rows('agents').filter((agent) => agent.server_id !== '').length;
    return here === 2 * HOSTS ? undefined : `${here} agents`;
  });
  await makeRouters(world, 1);
  await world.until('the router is served', LONG_MS, () => world.against());
  const [id = ''] = world.truth.routers();
  return { world, id };
}
