import { untilAborted } from '../../lib/clock.ts';
import type { Probe } from '../host.ts';

/** Who asks for which address; the answers come from outside. */
export class FakeProbes {
  readonly #open = new Set<{ probe: Probe; onAnswer: (answered: boolean) => void }>();

  list(): Probe[] {
    return [...this.#open].map(({ probe }) => probe);
  }

  answer(address: string, answered: boolean): void {
    for (const { probe, onAnswer } of [...this.#open]) if (probe.address === address) onAnswer(answered);
  }

  async follow(probe: Probe, onAnswer: (answered: boolean) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const one = { probe, onAnswer };
    this.#open.add(one);
    await untilAborted(signal);
    this.#open.delete(one);
  }
}
