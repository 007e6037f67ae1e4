/**
 * The addresses behind a server's name, for each attempt anew: in a random order, so that many agents spread over many
 * servers, and the one tried last at the end, so that nobody hammers one. What a name service that is down said last is
 * used on.
 */
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIPv6 } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import { integerBetween, type Random } from '../lib/random.ts';

/** All addresses of a name (A and AAAA), in any order. Rejects where it has none, or the name service does not answer. */
export type Resolve = (name: string) => Promise<readonly string[]>;

type LookupAnswer = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void;

const RESOLVE_TIMEOUT_MS = 2_000;

export class Addresses {
  readonly #options: { readonly resolve: Resolve; readonly random: Random; readonly clock: Clock };
  readonly #known = new Map<string, readonly string[]>();
  readonly #asking = new Map<string, Promise<readonly string[]>>();
  readonly #last = new Map<string, string>();

  constructor(options: { resolve: Resolve; random: Random; clock: Clock }) {
    this.#options = options;
  }

  /** The addresses in the order to try them. Rejects when nothing is known. */
  async of(name: string): Promise<string[]> {
    const found = await this.#resolve(name);
    const order = shuffled(found, this.#options.random);
    const last = this.#last.get(name);
    return last === undefined
      ? order
      : [...order.filter((one) => one !== last), ...order.filter((one) => one === last)];
  }

  /** That address of the name was connected to. */
  tried(name: string, address: string): void {
    this.#last.set(name, address);
  }

  /** For the `lookup` option of node's sockets, which try one address after another. */
  readonly lookup = (name: string, options: LookupOptions, answer: LookupAnswer): void => {
    this.of(name).then(
      (addresses) => {
        const all = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
        const [first] = all;
        if (options.all) answer(null, all);
        else answer(null, first?.address ?? '', first?.family ?? 4);
      },
      (error: NodeJS.ErrnoException) => answer(error, []),
    );
  };

  async #resolve(name: string): Promise<readonly string[]> {
    const known = this.#known.get(name);
    try {
      const found = await this.#inTime(this.#ask(name), name);
      this.#known.set(name, found);
      return found;
    } catch (error) {
      if (known === undefined) throw error;
      return known;
    }
  }

  /** One question at a time for each name. */
  #ask(name: string): Promise<readonly string[]> {
    const asking = this.#asking.get(name);
    if (asking) return asking;
    const asked = this.#options
      .resolve(name)
      .then((found) => {
        if (found.length === 0) throw new Error(`${name} has no address`);
        return found;
      })
      .finally(() => this.#asking.delete(name));
    this.#asking.set(name, asked);
    return asked;
  }

  #inTime<Result>(work: Promise<Result>, name: string): Promise<Result> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.after(RESOLVE_TIMEOUT_MS, () =>
        reject(new Error(`the addresses of ${name} were not found in time`)),
      );
      work.then(resolve, reject).finally(cancel);
    });
  }
}

function shuffled(list: readonly string[], random: Random): string[] {
  const order = [...list];
  for (let at = order.length - 1; at > 0; at--) {
    const other = integerBetween(random, 0, at);
    [order[at], order[other]] = [order[other] as string, order[at] as string];
  }
  return order;
}
