/** Those who watch over a world: each is told of what happens, and throws a Violation for what must not. */
import type { Mirror } from '../../src/watch/mirror.ts';
import { ActiveWatch } from './active-watch.ts';
import { DeathWatch } from './death-watch.ts';
import { EventWatch } from './event-watch.ts';
import { MirrorWatch } from './invariants.ts';
import { LeaderWatch } from './leader-watch.ts';
import { MoveWatch } from './move-watch.ts';
import { RemedyWatch } from './remedy-watch.ts';
import { ServedWatch } from './served-watch.ts';
import type { World } from './world.ts';

/** Each host may die and come back a few times a minute, with all the networks that it serves. */
function mostEvents({ machines, scheduler, store }: World): number {
  const minutes = 1 + scheduler.now / 60_000;
  return 50 + minutes * (20 * machines.length + 20 * store.rows('networks').length);
}

export class Watches {
  readonly #mirrors: MirrorWatch;
  readonly #served: ServedWatch;
  readonly #active: ActiveWatch;
  readonly leaders: LeaderWatch;
  readonly events: EventWatch;
  readonly moves: MoveWatch;
  readonly deaths: DeathWatch;
  readonly remedies: RemedyWatch;

  constructor(world: World) {
    const { store, machines, scheduler } = world;
    const names = machines.map((machine) => machine.name);
    const now = () => scheduler.now;
    this.#mirrors = new MirrorWatch(store);
    this.#served = new ServedWatch({ store, machines, now });
    this.#active = new ActiveWatch({ store, served: this.#served, hosts: names });
    this.remedies = new RemedyWatch({ store, served: this.#served, now });
    this.moves = new MoveWatch({ store, served: this.#served });
    this.deaths = new DeathWatch({ store, now, detectMs: world.detectMs });
    // one that is cut off from the database cannot tell anybody
    const { troubles } = world;
    const isHealthy = (server: string) =>
      !troubles.has('no database') && !troubles.has(`no database ${server}`);
    world.network.heard = (agent, server) => isHealthy(server) && this.deaths.heard(agent);
    this.leaders = new LeaderWatch({ store, servers: world.servers, now });
    this.events = new EventWatch({ store, now, most: () => mostEvents(world) });
  }

  afterEvent(): Promise<void> | undefined {
    this.#active.throwIfFound();
    this.leaders.throwIfFound();
    this.events.throwIfFound();
    this.moves.throwIfFound();
    this.remedies.throwIfFound();
    this.deaths.throwIfFound();
    return this.#served.look();
  }

  /** A new life of an agent begins with what its disk still had: that may be older. */
  reborn(host: string): void {
    this.#mirrors.reborn(host);
  }

  checkMirror(host: string, mirror: Mirror): void {
    this.#mirrors.check(host, mirror);
  }

  /** After a lost tail nothing is known of what was open. */
  forget(): void {
    this.#active.forget();
    this.#served.forget();
    this.leaders.forget();
    this.moves.forget();
    this.deaths.forget();
  }
}
