/** From the mirror to what is to be filtered on this host. Pure. */
import {
  type AddressGroupBody,
  addressGroupGroup,
  hostGroup,
  type MemberBody,
  membersGroup,
  networkGroup,
  type NetworkBody,
  type PortBody,
  type SecurityGroupBody,
  securityGroupGroup,
  splitKey,
  tapName,
} from '../../../resources/agent-view.ts';
import type { World } from '../../role.ts';
import { bridgeName, type L2Settings, portsOf } from '../desired.ts';
import { uplinksOf } from '../uplinks.ts';
import type { FilteredNetwork, FilterInput } from './compile.ts';
import { byThing } from './remember.ts';
import type { FilteredPort } from './sources.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
/** What nft takes between quotation marks. */
const LINK = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/;

export const isFiltered = (port: Partial<PortBody>): boolean => port.port_security_enabled === true;

/** Ports of this host with port security. */
export function* filteredPorts(world: World): Iterable<PortBody> {
  for (const [key, body] of world.group(hostGroup(world.host)) ?? []) {
    if (splitKey(key).kind !== 'port') continue;
    const port = body as PortBody;
    if (isFiltered(port) && UUID.test(port.id) && MAC.test(port.mac_address)) yield port;
  }
}

/** `closing`: see FilterInput. */
export function filterInput(world: World, settings: L2Settings, closing: readonly string[]): FilterInput {
  const networks = new Map<string, FilteredNetwork>();
  const ports: FilteredPort[] = [];
  const groups = new Map<string, SecurityGroupBody | null>();
  for (const port of filteredPorts(world)) {
    const network = networks.get(port.network_id) ?? networkOf(world, port.network_id, settings);
    if (network === null) continue;
    networks.set(port.network_id, network);
    const filtered = filteredPort(port);
    for (const id of filtered.groups) if (!groups.has(id)) groups.set(id, groupOf(world, id));
    ports.push(filtered);
  }
  for (const [id, network] of networks) networks.set(id, { ...network, open: openLinks(world, id, network) });
  return { networks, ports, groups, closing, ...remotesOf(world, groups) };
}

const filteredPort = byThing(
  (port: PortBody): FilteredPort => ({
    id: port.id,
    link: tapName(port.id),
    network: port.network_id,
    mac: port.mac_address,
    addresses: port.fixed_ips.map((fixed) => fixed.ip_address),
    pairs: (port.allowed_address_pairs ?? []).filter((pair) => MAC.test(pair.mac_address)),
    groups: (port.security_groups ?? []).filter((id) => UUID.test(id)).sort(),
  }),
);

/** null: the mirror does not have it yet. Its links so far are those to other hosts. */
function networkOf(world: World, id: string, settings: L2Settings): FilteredNetwork | null {
  const group = world.group(networkGroup(id));
  const network = group?.get(networkGroup(id)) as NetworkBody | undefined;
  if (group === undefined || network === undefined || !UUID.test(id)) return null;
  const uplinks = uplinksOf(group, network, { settings, shortfalls: [] });
  return { bridge: bridgeName(id), open: uplinks.map(({ link }) => link).filter((link) => LINK.test(link)) };
}

function openLinks(world: World, id: string, { open }: FilteredNetwork): string[] {
  const links = new Set(open);
  for (const port of portsOf(world))
    if (port.network_id === id && UUID.test(port.id) && !isFiltered(port)) links.add(tapName(port.id));
  return [...links];
}

const groupOf = (world: World, id: string): SecurityGroupBody | null =>
  (world.group(securityGroupGroup(id))?.get(securityGroupGroup(id)) as SecurityGroupBody | undefined) ?? null;

/** Those whom rules of these groups name. */
function remotesOf(
  world: World,
  groups: ReadonlyMap<string, SecurityGroupBody | null>,
): Pick<FilterInput, 'members' | 'addressGroups'> {
  const members = new Map<string, readonly string[] | null>();
  const addressGroups = new Map<string, readonly string[] | null>();
  for (const group of groups.values())
    for (const { remote_group_id: remote, remote_address_group_id: named } of group?.rules ?? []) {
      if (remote !== null && UUID.test(remote) && !members.has(remote))
        members.set(remote, membersOf(world, remote));
      if (named !== null && UUID.test(named) && !addressGroups.has(named))
        addressGroups.set(named, addressesOf(world, named));
    }
  return { members, addressGroups };
}

function membersOf(world: World, id: string): readonly string[] | null {
  const found = world.group(membersGroup(id));
  if (found === undefined) return null;
  return [...found.values()].flatMap((body) => (body as MemberBody).addresses);
}

function addressesOf(world: World, id: string): readonly string[] | null {
  const body = world.group(addressGroupGroup(id))?.get(addressGroupGroup(id)) as AddressGroupBody | undefined;
  return body?.addresses ?? null;
}

/** Why the port's rules are not all known here, the end of a sentence; null: they are. */
export function missingFor(port: Pick<FilteredPort, 'groups'>, input: FilterInput): string | null {
  for (const id of port.groups) {
    const group = input.groups.get(id);
    if (!group) return `security group ${id} is not known here yet`;
    for (const { remote_group_id: remote, remote_address_group_id: named } of group.rules) {
      if (remote !== null && !input.members.get(remote))
        return `the members of ${remote} are not known here yet`;
      if (named !== null && !input.addressGroups.get(named))
        return `address group ${named} is not known here yet`;
    }
  }
  return null;
}
