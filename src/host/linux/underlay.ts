/** Which links carry an address, and whether they could. Pure but for the one program. */
import type { Host, Underlay } from '../host.ts';
import type { Spawner } from './spawner.ts';

/** The part of `ip -j -d address show` that we read. */
export interface RawUnderlay {
  readonly ifname?: string;
  readonly flags?: readonly string[];
  readonly operstate?: string;
  readonly master?: string;
  /** The link that it stands on, of a VLAN. */
  readonly link?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_slave_kind?: string;
    readonly info_slave_data?: { readonly mii_status?: string };
  };
  readonly addr_info?: readonly { readonly local?: string }[];
}

/** A VLAN on a bond in a bridge is three; more would be a circle. */
const DEEPEST = 6;

const carries = ({ flags = [], operstate }: RawUnderlay): boolean =>
  flags.includes('UP') &&
  !flags.includes('NO-CARRIER') &&
  operstate !== 'DOWN' &&
  operstate !== 'LOWERLAYERDOWN';

/** A member of a bond is down as the bond sees it (its own watch of the link), or as the link itself does. */
const isDownInBond = (link: RawUnderlay): boolean =>
  !carries(link) || !['UP', undefined].includes(link.linkinfo?.info_slave_data?.mii_status);

/** What the link stands on, link by link: a VLAN's own, a bridge's members that are no tenant's, itself last. */
function bondBelow(link: RawUnderlay, all: readonly RawUnderlay[], depth = 0): RawUnderlay | null {
  const kind = link.linkinfo?.info_kind;
  if (kind === 'bond') return link;
  if (depth >= DEEPEST) return null;
  const below = all.filter(({ ifname, master }) =>
    kind === 'bridge' ? master === link.ifname : ifname !== undefined && ifname === link.link,
  );
  for (const one of below) {
    const found = bondBelow(one, all, depth + 1);
    if (found !== null) return found;
  }
  return null;
}

/** Links that agents and hypervisors put into bridges: nothing of the host's own stands on them. */
const TENANTS = ['veth', 'tun', 'vxlan'];

function devicesBelow(link: RawUnderlay, all: readonly RawUnderlay[], depth = 0): string[] {
  const kind = link.linkinfo?.info_kind ?? '';
  const isMember = (one: RawUnderlay) =>
    one.master === link.ifname && !TENANTS.includes(one.linkinfo?.info_kind ?? '');
  const isBase = (one: RawUnderlay) => one.ifname !== undefined && one.ifname === link.link;
  const below = TENANTS.includes(kind)
    ? []
    : all.filter(['bridge', 'bond'].includes(kind) ? isMember : isBase);
  if (below.length === 0 || depth >= DEEPEST) return link.ifname === undefined ? [] : [link.ifname];
  return below.flatMap((one) => devicesBelow(one, all, depth + 1));
}

const linkNamed = (all: readonly RawUnderlay[], named: string): RawUnderlay | undefined =>
  all.find(({ addr_info }) => addr_info?.some(({ local }) => local === named)) ??
  all.find(({ ifname }) => ifname === named);

/** The lowest links that it stands on, by name, in order; none if it is not there. */
export function devicesUnder(all: readonly RawUnderlay[], named: string): string[] {
  const link = linkNamed(all, named);
  return link === undefined ? [] : [...new Set(devicesBelow(link, all))].sort();
}

/** `named`: an address of the host's own, or the name of a link. null: there is none. */
export function underlayOf(all: readonly RawUnderlay[], named: string): Underlay | null {
  const link = linkNamed(all, named);
  if (link?.ifname === undefined) return null;
  const bond = bondBelow(link, all);
  const members = all.filter(
    ({ master, linkinfo }) => master === bond?.ifname && linkinfo?.info_slave_kind === 'bond',
  );
  return {
    link: link.ifname,
    isUp: carries(link) && (bond === null || carries(bond)),
    bond:
      bond?.ifname === undefined
        ? null
        : {
            name: bond.ifname,
            members: members.length,
            down: members.filter(isDownInBond).flatMap(({ ifname }) => ifname ?? []),
          },
  };
}

export function createUnderlays(spawner: Spawner): Pick<Host, 'underlays'> {
  return {
    async underlays(named) {
      if (named.length === 0) return new Map();
      const { code, stdout } = await spawner.run(['ip', '-j', '-d', 'address', 'show']);
      if (code !== 0) return new Map();
      const all = JSON.parse(stdout) as RawUnderlay[];
      const found = named.map((name) => [name, underlayOf(all, name)] as const);
      return new Map(
        found.flatMap(([name, underlay]) =>
          underlay === null ? [] : [[name, { ...underlay, devices: devicesUnder(all, name) }]],
        ),
      );
    },
  };
}
