/** What a lab story is: something happens to hosts, servers and links, and the world must end up right. */
import type { Random } from '../../src/lib/random.ts';
import type { Stage } from './stage.ts';

export interface Scene {
  readonly stage: Stage;
  /** A line of the timeline. */
  readonly note: (text: string) => void;
  /** short: as part of all tests; long: asked for by name. */
  readonly form: 'short' | 'long';
  /** Seeded: the same seed chooses the same. */
  readonly random: Random;
}

export interface Story {
  /** As on the command line: `npm run lab -- kill`. */
  readonly name: string;
  readonly summary: string;
  readonly hosts: number;
  readonly servers: number;
  /** Throws (AssertionError, NotInTime) when the world did not end up right. */
  tell(scene: Scene): Promise<void>;
}
