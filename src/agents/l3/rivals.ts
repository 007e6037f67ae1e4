/**
 * Whether another host answers for the address of a router that is active here. Two that neither hear each other nor reach the same
 * servers learn of each other on the external network: whoever is active says so there every ten seconds (keepalived's
 * gratuitous ARP, vrrp_garp_master_refresh), and what comes in by the physical link is not of this host.
 *
 * That is only listened to. Whom it names is asked as well, as `evidence.ts` does, at this look and the next ones, for what was heard may
 * be the last words of one that has gone; only who answers twice is a rival. It changes nobody's role: servers are told.
 */
import type { Host } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { ReplicaState } from '../../resources/replica-report.ts';
import { arrivalsRuleset, askFor, type Claim, isFit, parseSeen, removal } from './evidence.ts';

export interface RivalOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** The HA routers here, and where somebody else could answer for them; null: nowhere. */
  readonly routers: () => Iterable<{ readonly id: string; readonly claim: Claim | null }>;
  /** Whether a physical link is there and has its carrier; nftables refuses one that is not there, and all others with it. */
  readonly carries: (link: string) => boolean;
  readonly onChange: () => void;
  readonly onFailure: (error: unknown) => void;
}

const TABLE = 'netdev deuteron_rivals';
const LOOK_MS = 2_000;
/** Who is asked has answered by then. */
const ANSWER_MS = 250;
/** Twice what passes between two gratuitous ARPs, and some. */
const KEPT_S = 25;
/** An answer to what was asked just now; the age is in whole seconds. */
const FRESH_S = 1;
/** So many looks in a row, either way. */
const SURE_AFTER = 2;
/** Whoever is there has been heard by then. */
const KNOWN_MS = 12_000;

/** What was seen of one router. */
export interface Sighting {
  readonly since: number;
  /** So many times in a row another has answered, or (below 0) has not. */
  readonly answers: number;
  readonly isRival: boolean;
}

export function sight({ since, answers, isRival }: Sighting, answered: boolean): Sighting {
  const now = answered ? Math.max(answers, 0) + 1 : Math.min(answers, 0) - 1;
  return { since, answers: now, isRival: isRival ? now > -SURE_AFTER : now >= SURE_AFTER };
}

export class RivalWatch {
  readonly #options: RivalOptions;
  readonly #active = new Set<string>();
  readonly #sightings = new Map<string, Sighting>();
  /** Until when an address is asked for. */
  readonly #named = new Map<string, number>();
  /** null: not known, for an earlier life may have left a table. */
  #applied: string | null = null;
  /** What was known when it was last told that it is another thing. */
  #told = '[]';

  constructor(options: RivalOptions) {
    this.#options = options;
  }

  tellRole(routerId: string, role: ReplicaState): void {
    if (role === 'active') this.#active.add(routerId);
    else {
      this.#active.delete(routerId);
      this.#sightings.delete(routerId);
    }
  }

  /** undefined: not known, or not looked for: it is not active, or has no address on an external network that is wired here. */
  isRivalOf(routerId: string): boolean | undefined {
    const seen = this.#sightings.get(routerId);
    if (seen === undefined) return undefined;
    if (seen.isRival) return true;
    return this.#options.clock.now() - seen.since >= KNOWN_MS ? false : undefined;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, host, onFailure } = this.#options;
    while (!signal.aborted) {
      await this.#look(signal).catch(onFailure);
      await sleep(clock, LOOK_MS, signal);
    }
    if (this.#applied !== '') await host.applyRuleset(null, removal(TABLE)).catch(onFailure);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { host, routers, carries, clock, onChange } = this.#options;
    const watched = new Map<string, Claim>();
    if (this.#active.size > 0)
      for (const { id, claim } of routers())
        if (this.#active.has(id) && claim !== null && isFit(claim) && carries(claim.link))
          watched.set(id, claim);
    const claims = [...watched.values()];
    const text = claims.length === 0 ? '' : arrivalsRuleset(claims, { table: TABLE, keptS: KEPT_S });
    if (text !== this.#applied) await host.applyRuleset(null, text === '' ? removal(TABLE) : text);
    this.#applied = text;
    for (const id of this.#sightings.keys()) if (!watched.has(id)) this.#sightings.delete(id);
    const answered = claims.length === 0 ? new Set<string>() : await this.#answered(claims, signal);
    if (signal.aborted) return;
    for (const [id, { address }] of watched) {
      if (!this.#active.has(id)) continue;
      const known = this.#sightings.get(id) ?? { since: clock.now(), answers: 0, isRival: false };
      this.#sightings.set(id, sight(known, answered.has(address)));
    }
    const said = this.#said();
    if (said === this.#told) return;
    this.#told = said;
    onChange();
  }

  /** For which of these addresses another has been heard of late, and answers now. */
  async #answered(claims: readonly Claim[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { host, clock } = this.#options;
    // The table is made anew when another router becomes active here, and remembers nothing then.
    for (const [address, expiresS] of await this.#seen())
      this.#named.set(address, clock.now() + expiresS * 1_000);
    for (const [address, end] of this.#named) if (end <= clock.now()) this.#named.delete(address);
    const asked = claims.filter(({ address }) => this.#named.has(address));
    if (asked.length === 0) return new Set();
    await askFor(host, asked, signal);
    await sleep(clock, ANSWER_MS, signal);
    const fresh = [...(await this.#seen())].filter(([, expiresS]) => expiresS >= KEPT_S - FRESH_S);
    return new Set(fresh.map(([address]) => address));
  }

  /** By address, in how many seconds it will be forgotten. */
  async #seen(): Promise<ReadonlyMap<string, number>> {
    return parseSeen(await this.#list(), KEPT_S);
  }

  async #list(): Promise<string> {
    const argv = ['nft', '-j', 'list', 'set', ...TABLE.split(' '), 'seen'];
    return (await this.#options.host.runProgram(null, argv)).stdout;
  }

  #said(): string {
    const known = [...this.#sightings.keys()].map((id) => [id, this.isRivalOf(id)]);
    return JSON.stringify(known.filter(([, isRival]) => isRival !== undefined));
  }
}
