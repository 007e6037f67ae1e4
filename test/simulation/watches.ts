/** Those who watch over a world: each is told of what happens, and throws a Violation for what must not. */
import type { Mirror } from '../../src/watch/mirror.ts';
import { ActiveWatch } from './active-watch.ts';
import { MirrorWatch } from './invariants.ts';
import { ServedWatch } from './served-watch.ts';
import type { World } from './world.ts';

export class Watches {
  readonly #mirrors: MirrorWatch;
  readonly #served: ServedWatch;
  readonly #active: ActiveWatch;

  constructor(world: World) {
    const { store, machines, scheduler } = world;
    const names = machines.map((machine) => machine.name);
    const now = () => scheduler.now;
    this.#mirrors = new MirrorWatch(store);
    this.#served = new ServedWatch({ store, machines, now });
    this.#active = new ActiveWatch({ store, served: this.#served, hosts: names });
  }

  afterEvent(): Promise<void> | undefined {
    this.#active.throwIfFound();
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
  }
}
