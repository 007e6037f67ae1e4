/**
 * Routers that are not HA, and come to this host while another may still serve them: its agent may be dead and its namespaces go on.
 * Before their addresses are taken up it is asked on the external network whether somebody answers for the router's own. Nobody
 * does: at once. Somebody does: not before nobody did three times in a row; a host that lets go does so within moments, one whose agent
 * is dead when it loses its power, or somebody ends it there.
 */
import { type Clock, sleep, untilAborted } from '../../lib/clock.ts';
import type { Host } from '../../host/host.ts';
import { networkGroup } from '../../resources/agent-view.ts';
import type { World } from '../role.ts';
import { type DesiredRouter, holdsAny, isToServe, standBack } from './desired.ts';
import { type Claim, Evidence } from './evidence.ts';
import type { ObservedWiring } from './observe.ts';
import { outsideOf } from './surroundings.ts';

export interface TakeoverOptions {
  readonly world: World;
  /** Physical network to the link by which it is asked there. */
  readonly asksBy: ReadonlyMap<string, string>;
  readonly evidence: Pick<Evidence, 'ask' | 'end'>;
  readonly clock: Clock;
  /** What is said of the router is another. */
  readonly onChange: (routerId: string) => void;
  readonly onFailure: (error: unknown) => void;
}

/** After somebody answered, or it could not be found out. */
const SURE_AFTER = 3;
/** The longer it lasts, the less often: at first whoever goes is expected to be gone any moment. */
const AGAIN_MS = { least: 30, most: 1_000, share: 0.25 } as const;

interface Asked {
  readonly claim: Claim;
  readonly since: number;
  /** When it is asked again. */
  at: number;
  /** So many times in a row nobody answered. */
  misses: number;
  needed: number;
  isAnswered: boolean;
}

/** Sooner sure than where a host is alone: whoever serves answers within a round trip, and a new router is not to wait for long. */
export const takeoverEvidence = (by: { readonly host: Host; readonly clock: Clock }): Evidence =>
  new Evidence({ ...by, table: 'netdev deuteron_takeover', waitsMs: [30, 70] });

export class Takeovers {
  readonly #options: TakeoverOptions;
  /** null: it is taken up, and nobody is asked any more. */
  readonly #routers = new Map<string, Asked | null>();
  /** By the group of the external network, which has not come yet. */
  readonly #awaiting = new Map<string, Set<string>>();
  #wake = new AbortController();

  constructor(options: TakeoverOptions) {
    this.#options = options;
  }

  /** A router that is not HA as it should be, or standing back while another host may answer for it. */
  unlessServed(desired: DesiredRouter, { links }: ObservedWiring): DesiredRouter {
    const { id } = desired;
    if (!isToServe(desired)) {
      this.forget(id);
      return desired;
    }
    const { world, asksBy } = this.#options;
    const outside = asksBy.size === 0 ? null : outsideOf(world, id);
    const holds = holdsAny(desired, links ?? []);
    const group = outside === null ? null : networkGroup(outside.networkId);
    if (group !== null && !holds && !this.#routers.has(id) && world.group(group) === undefined) {
      this.#awaiting.set(group, (this.#awaiting.get(group) ?? new Set()).add(id));
      return standBack(desired, 'its external network is not known yet');
    }
    const { physicalNetwork = null, address = null } = outside ?? {};
    const link = asksBy.get(physicalNetwork ?? '');
    const claim = link === undefined || address === null ? null : { link, address };
    const reason = this.waitsFor(id, claim, holds);
    return reason === null ? desired : standBack(desired, reason);
  }

  /** The keys of routers that this network was not known for. */
  awaiting(group: string): string[] {
    const ids = [...(this.#awaiting.get(group) ?? [])];
    this.#awaiting.delete(group);
    return ids.map((id) => `router/${id}`);
  }

  /**
   * Why the router's addresses are not to be taken up yet; null: they may be. `claim`: its address outside, null: nobody can be
   * asked for it. `holds`: this host has them already, from whatever life.
   */
  waitsFor(routerId: string, claim: Claim | null, holds: boolean): string | null {
    const known = this.#routers.get(routerId);
    if (known === null) return null;
    if (claim === null || holds) {
      this.#routers.set(routerId, null);
      return null;
    }
    if (known?.claim.address === claim.address && known.claim.link === claim.link) return reasonOf(known);
    const now = this.#options.clock.now();
    const asked = { claim, since: now, at: now, misses: 0, needed: 1, isAnswered: false };
    this.#routers.set(routerId, asked);
    this.#wake.abort();
    return reasonOf(asked);
  }

  /** This host is not to have it (any more). */
  forget(routerId: string): void {
    this.#routers.delete(routerId);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, evidence, onFailure } = this.#options;
    const stop = () => this.#wake.abort();
    signal.addEventListener('abort', stop, { once: true });
    while (!signal.aborted) {
      const now = clock.now();
      const due = this.#waiting().filter(([, { at }]) => at <= now);
      if (due.length > 0) await this.#ask(new Map(due), signal);
      else await this.#sleep(signal);
    }
    signal.removeEventListener('abort', stop);
    await evidence.end().catch(onFailure);
  }

  #waiting(): [string, Asked][] {
    return [...this.#routers].flatMap(([id, asked]): [string, Asked][] =>
      asked === null ? [] : [[id, asked]],
    );
  }

  async #sleep(signal: AbortSignal): Promise<void> {
    const { clock, evidence, onFailure } = this.#options;
    const next = Math.min(...this.#waiting().map(([, { at }]) => at));
    if (next === Number.POSITIVE_INFINITY) await evidence.end().catch(onFailure);
    // What came while that was ended.
    if (this.#waiting().some(([, { at }]) => at < next)) return;
    this.#wake = new AbortController();
    if (signal.aborted) return;
    if (next === Number.POSITIVE_INFINITY) await untilAborted(this.#wake.signal);
    else await sleep(clock, Math.max(1, next - clock.now()), this.#wake.signal);
  }

  async #ask(due: ReadonlyMap<string, Asked>, signal: AbortSignal): Promise<void> {
    const { clock, evidence, onChange, onFailure } = this.#options;
    let seen: ReadonlySet<string> | null = null;
    try {
      seen = await evidence.ask(
        [...due.values()].map(({ claim }) => claim),
        signal,
      );
    } catch (error) {
      onFailure(error);
    }
    if (signal.aborted) return;
    const now = clock.now();
    for (const [id, asked] of due) {
      if (this.#routers.get(id) !== asked) continue;
      const before = reasonOf(asked);
      asked.isAnswered = seen?.has(asked.claim.address) ?? asked.isAnswered;
      if (asked.isAnswered || seen === null) asked.needed = SURE_AFTER;
      asked.misses = asked.isAnswered ? 0 : asked.misses + 1;
      const { least, most, share } = AGAIN_MS;
      asked.at = now + Math.min(most, Math.max(least, share * (now - asked.since)));
      const isFree = asked.misses >= asked.needed;
      if (isFree) this.#routers.set(id, null);
      if (isFree || reasonOf(asked) !== before) onChange(id);
    }
  }
}

function reasonOf({ claim, needed }: Asked): string {
  return needed === 1
    ? `it is asked whether another host answers for ${claim.address}`
    : `another host answers for ${claim.address}, or did a moment ago: this one waits until it does not`;
}
