/** Which faults met which states of this world. */
import { addCoverage, type Coverage } from '../coverage.ts';
import type { L3World } from './world.ts';

type State = (world: L3World) => boolean | Promise<boolean>;

const holding = (test: (count: number) => boolean, every: boolean) => async (world: L3World) => {
  const { truth } = world;
  const counts = await Promise.all(truth.routers().map((id) => truth.holders(id).then((all) => all.length)));
  return every ? counts.every(test) : counts.some(test);
};
const cut = (wire: string) => (world: L3World) =>
  world.troubles.names().some((name) => name.startsWith(wire));
const keepalived =
  (state: string) =>
  ({ machines }: L3World) =>
    machines.some((machine) => machine.keepaliveds().some((one) => one.state === state));
const order =
  (what: string) =>
  ({ store }: L3World) =>
    store.rows('routerBindings').some((binding) => binding.order?.do === what);

/** What the system may be in the middle of. */
export const ROLE_STATES: Readonly<Record<string, State>> = {
  'one active': holding((count) => count === 1, true),
  'two actives': holding((count) => count > 1, false),
  'no active': holding((count) => count === 0, false),
  'stood back': keepalived('fault'),
  'tunnel cut': cut('tunnel'),
  'management cut': cut('management'),
  'external cut': cut('external'),
  'host off': ({ machines }) => machines.some((machine) => machine.isOff),
  'keepalived hangs': ({ machines, truth }) =>
    machines.some((machine) => truth.routers().some((id) => machine.isStuck(id))),
  'agent down': ({ agents }) => agents.some((agent) => !agent.life?.alive),
  'agent paused': ({ agents }) => agents.some((agent) => agent.life?.isFrozen),
  'server down': ({ servers }) => servers.some((server) => !server.life?.alive),
  unattended: ({ truth }) => truth.isUnattended(),
  'told to tell': order('tell'),
  'told to yield': order('yield'),
  'told to stand back': order('fault'),
  'told to prefer': order('prefer'),
  'script bad': ({ scripts }) => scripts.size > 0,
};

export class RoleCoverage {
  readonly found: Coverage = {};
  readonly #world: L3World;

  constructor(world: L3World) {
    this.#world = world;
  }

  /** Counts what a fault of this kind meets; to be called before it strikes. */
  async meet(kind: string): Promise<void> {
    for (const [state, isSo] of Object.entries(ROLE_STATES))
      if (await isSo(this.#world)) addCoverage(this.found, { [kind]: { [state]: 1 } });
  }
}
