/**
 * Whether somebody else answers for a router's address on the external network. Asked with ARP probes (RFC 5227: the sender's
 * address is 0.0.0.0) from the physical link with that link's own MAC address: one from the routers' shared MAC address would
 * draw all their traffic here. An answer counts only as it comes in by that link, where a table of nftables takes it down; this
 * host's own replica is on the other side of it.
 */
import { isIPv4 } from 'node:net';
import type { Host } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';

export interface Claim {
  /** The physical link, and the address that a replica here may hold. */
  readonly link: string;
  readonly address: string;
}

const TABLE = 'netdev deuteron_evidence';
const SEEN = 'seen';
const KEPT_S = 5;
/** An answer comes within a round trip; where a machine is busy, later, and that is not to be taken for silence. */
const WAITS_MS = [30, 90, 120] as const;
/** Addresses that one program asks for: each costs another. */
const AT_ONCE = 16;
const LINK = /^[A-Za-z0-9_.-]{1,15}$/;
/** The script is fixed; link and address go in as arguments, in pairs. arping(8) sends at once and lingers for a second. */
const ASK = 'while [ $# -gt 1 ]; do arping -q -D -c 1 -w 1 -I "$1" "$2" > /dev/null 2>&1 & shift 2; done';

/** What a link may be called, and what may be asked for, before either is written into a ruleset. */
export const isFit = ({ link, address }: Claim): boolean => LINK.test(link) && isIPv4(address);

/** Takes the table away, whether or not it is there. */
export const removal = (table: string): string => `add table ${table}\ndelete table ${table}\n`;

/**
 * Takes down, for `keptS` seconds, who claims one of the addresses from outside. nftables refuses all of it where one of the links is
 * not there.
 */
export function arrivalsRuleset(
  claims: readonly Claim[],
  { table, keptS }: { readonly table: string; readonly keptS: number },
): string {
  const links = [...new Set(claims.map(({ link }) => link))].sort();
  const addresses = [...new Set(claims.map(({ address }) => address))].sort();
  return `${removal(table)}table ${table} {
  set held {
    type ipv4_addr
    elements = { ${addresses.join(', ')} }
  }
  set ${SEEN} {
    type ipv4_addr
    size 65535
    flags dynamic,timeout
    timeout ${keptS}s
  }
  chain arrivals {
    type filter hook ingress devices = { ${links.map((link) => `"${link}"`).join(', ')} } priority -500; policy accept;
    arp operation { request, reply } arp saddr ip @held update @${SEEN} { arp saddr ip }
  }
}
`;
}

/** The addresses that `nft -j list set` tells of, each with the seconds that it is still kept; `keptS` where that is not said. */
export function parseSeen(json: string, keptS: number): Map<string, number> {
  const found = json.matchAll(/"val":\s*"([0-9.]+)"(?:[^{}]*?"expires":\s*(\d+))?/g);
  const seen = [...found].map(([, address = '', expires]) => [address, Number(expires ?? keptS)] as const);
  return new Map(seen.filter(([address]) => isIPv4(address)));
}

/** Asks who has these addresses; answers come within a round trip. */
export async function askFor(host: Host, claims: readonly Claim[], signal: AbortSignal): Promise<void> {
  for (let at = 0; at < claims.length && !signal.aborted; at += AT_ONCE) {
    const words = claims.slice(at, at + AT_ONCE).flatMap(({ link, address }) => [link, address]);
    await host.runProgram(null, ['sh', '-c', ASK, 'sh', ...words]);
  }
}

export class Evidence {
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #table: string;
  readonly #waitsMs: readonly number[];
  /** At first too: an earlier life may have left one. */
  #mayBeThere = true;

  /** `table`: of its own for each that is in use; `waitsMs`: between looks for answers, of which there is one after each. */
  constructor(options: { host: Host; clock: Clock; table?: string; waitsMs?: readonly number[] }) {
    this.#host = options.host;
    this.#clock = options.clock;
    this.#table = options.table ?? TABLE;
    this.#waitsMs = options.waitsMs ?? WAITS_MS;
  }

  /** Which of the addresses somebody else answers for now. Throws where that cannot be found out. */
  async ask(claims: readonly Claim[], signal: AbortSignal): Promise<Set<string>> {
    const fit = claims.filter(isFit);
    if (fit.length === 0) return new Set();
    // A table of our own for as long as it is needed: what was taken down before now is of no use.
    await this.#host.applyRuleset(null, arrivalsRuleset(fit, { table: this.#table, keptS: KEPT_S }));
    this.#mayBeThere = true;
    await askFor(this.#host, fit, signal);
    let seen = new Set<string>();
    for (const waitMs of this.#waitsMs) {
      await sleep(this.#clock, waitMs, signal);
      seen = await this.#seen();
      if (signal.aborted || fit.every(({ address }) => seen.has(address))) break;
    }
    return seen;
  }

  async #seen(): Promise<Set<string>> {
    const argv = ['nft', '-j', 'list', 'set', ...this.#table.split(' '), SEEN];
    return new Set(parseSeen((await this.#host.runProgram(null, argv)).stdout, KEPT_S).keys());
  }

  /** Nothing is left on the host. */
  async end(): Promise<void> {
    if (!this.#mayBeThere) return;
    this.#mayBeThere = false;
    await this.#host.applyRuleset(null, removal(this.#table));
  }
}
