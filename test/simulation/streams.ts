/** Streams of chance that do not know of one another: what is left out of a world changes nothing for the rest. */
import { type Random, seededRandom } from '../../src/lib/random.ts';

/** The stream of that name, in the world of that seed. The same two give the same stream. */
export function streamOf(seed: number, name: string): Random {
  // FNV-1a, over both
  let hash = 0x811c9dc5;
  for (const text of [String(seed), '/', name]) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return seededRandom((hash >>> 0) + 2 ** 32 * (seed % 2 ** 20));
}
