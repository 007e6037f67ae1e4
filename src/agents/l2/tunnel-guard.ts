/**
 * Lets VXLAN in only from the addresses that this host's networks know, and only on the link that has this host's own
 * address of that way (tunnel or management). The kernel takes VXLAN on every address of the host from anyone: without this, whoever reaches
 * any of them could send into any tenant's network (RFC 7348, section 7).
 */
import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import type { Host } from '../../host/host.ts';
import { Turns } from '../../lib/turns.ts';
import type { World } from '../role.ts';
import type { L2Settings } from './desired.ts';
import { HEALTH_LINKS } from './health-link.ts';
import { type Door, doorsOf, haPeers } from './uplinks.ts';

export const GUARD_TABLE = 'inet deuteron_l2';

export interface GuardRuleset {
  readonly mark: string;
  readonly text: string;
}

/** nftables text that replaces the table as a whole; null: no doors, no table. Pure. */
export function guardRuleset(
  doors: readonly Door[],
  { health = [] }: { readonly health?: readonly string[] } = {},
): GuardRuleset | null {
  if (doors.length === 0) return null;
  const body = `${doors.map(setText).join('')}  chain input {
    type filter hook input priority filter - 10; policy accept;
${doors.map(({ name, port }) => `    udp dport ${port} goto ${name}\n`).join('')}${health.map(healthRule).join('')}  }
${doors.map(chainText).join('')}${health.length > 0 ? healthChains(health) : ''}`;
  const mark = `deuteron:${createHash('sha256').update(body).digest('hex').slice(0, 16)}`;
  return { mark, text: `${EMPTY}table ${GUARD_TABLE} {\n  comment "${mark}"\n${body}}\n` };
}

const healthRule = (link: string) => `    iifname "${link}" goto health\n`;
/** Questions, answers, and who is who (RFC 4861). */
const healthChains = (links: readonly string[]) => `  chain health {
    icmpv6 type { echo-request, echo-reply, nd-neighbor-solicit, nd-neighbor-advert } accept
    counter drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
${links.map((link) => `    iifname "${link}" counter drop\n    oifname "${link}" counter drop\n`).join('')}  }
`;

const familyOf = ({ local }: Door) => (isIP(local) === 4 ? 'ip' : 'ip6');

function setText(door: Door): string {
  const known = door.endpoints.filter((address) => isIP(address) === isIP(door.local));
  const elements = known.length > 0 ? ` elements = { ${known.join(', ')} }` : '';
  const type = familyOf(door) === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  return `  set ${door.name}_endpoints { type ${type};${elements} }\n`;
}

function chainText(door: Door): string {
  const { name, local } = door;
  const family = familyOf(door);
  return `  chain ${name} {
    ${family} daddr ${local} ${family} saddr @${name}_endpoints fib daddr . iif type local accept
    counter drop
  }
`;
}

/** Makes it be there and deletes it: works whether it was there or not. */
const EMPTY = `table ${GUARD_TABLE}\ndelete table ${GUARD_TABLE}\n`;

export class TunnelGuard {
  readonly #host: Host;
  readonly #world: World;
  readonly #settings: L2Settings;
  #worldChanged = true;
  /** undefined: to be read from the host. null: no table. */
  #applied: string | null | undefined = undefined;
  #wanted: GuardRuleset | null = null;
  readonly #turns = new Turns();

  constructor(host: Host, world: World, settings: L2Settings) {
    this.#host = host;
    this.#world = world;
    this.#settings = settings;
  }

  worldChanged(): void {
    this.#worldChanged = true;
  }

  hostChanged(): void {
    this.#applied = undefined;
  }

  /** Makes the table so, and says whether it had to; throws if the host refuses. Costs nothing when nothing has changed. */
  ensure(): Promise<boolean> {
    return this.#turns.take(() => this.#ensure());
  }

  async #ensure(): Promise<boolean> {
    if (this.#worldChanged) {
      this.#worldChanged = false;
      const has = (way: 'tunnel' | 'management') => haPeers(this.#world, this.#settings, way) !== null;
      const health = (['tunnel', 'management'] as const).filter(has).map((way) => HEALTH_LINKS[way]);
      this.#wanted = guardRuleset(doorsOf(this.#world, this.#settings), { health });
    }
    const wanted = this.#wanted?.mark ?? null;
    if (this.#applied === undefined) this.#applied = await this.#host.rulesetMark(null, GUARD_TABLE);
    if (this.#applied === wanted) return false;
    this.#applied = undefined;
    await this.#host.applyRuleset(null, this.#wanted?.text ?? EMPTY);
    this.#applied = wanted;
    return true;
  }
}
