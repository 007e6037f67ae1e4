/** The contract on the in-memory store of the simulation. */
import { realClock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { openMemoryStore } from '../../src/store/memory/memory-store.ts';
import { contractSuite } from './contract.ts';

contractSuite('in memory', async () => ({
  store: openMemoryStore({ clock: realClock, random: seededRandom(42) }),
  close: async () => undefined,
}));
