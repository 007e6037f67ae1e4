/**
 * Subnets that are taken from pools: which pool, which addresses of it, and what its network allows. The pool's row is locked
 * by then, so that two requests at once never get the same addresses.
 */
import { type Cidr, parseCidr } from '../ipam/address.ts';
import { carve, holdAll, remaining } from '../ipam/blocks.ts';
import { missingFault } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import type { PoolRequest, SubnetRow } from '../resources/subnet.ts';
import { type SubnetPoolRow, subnetPoolMap } from '../resources/subnet-pool.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { badRequest } from './faults.ts';
import type { Call } from './operation.ts';
import { seesRow } from './plain.ts';
import { cidrsOf, scopeAffinity, subnetPools } from './subnet-pool.ts';

type Asked = PoolRequest & {
  readonly [K in 'cidr' | 'ip_version' | 'allocation_pools' | 'subnetpool_id']?:
    | SubnetRow[K]
    | null
    | undefined;
};

async function defaultPool(tables: Tables, call: Call, version: 4 | 6): Promise<string> {
  const pool = await tables.subnetPools.get({ default_version: version });
  if (pool && (await seesRow(tables, { it: subnetPools, call }, pool))) return pool.id;
  throw badRequest('subnets', `No default subnetpool found for IPv${version}`);
}

/** The id of the pool that the subnet is to be of, null for none. Throws a Fault for what contradicts itself. */
export async function poolAskedFor(tables: Tables, call: Call, asked: Asked): Promise<string | null> {
  const { cidr = null, prefixlen = null, subnetpool_id = null, use_default_subnetpool: byDefault } = asked;
  if (cidr !== null && prefixlen !== null)
    throw badRequest('subnets', 'cidr and prefixlen must not be supplied together');
  if (byDefault && subnetpool_id !== null)
    throw badRequest('subnets', 'subnetpool_id and use_default_subnetpool cannot both be specified');
  const version = cidr?.includes(':') ? 6 : cidr === null ? (asked.ip_version ?? 4) : 4;
  const id = byDefault ? await defaultPool(tables, call, version) : subnetpool_id;
  // of a subnet that has no addresses yet nobody can say which are to be given out
  if (id !== null && cidr === null && asked.allocation_pools)
    throw badRequest('subnets', 'allocation_pools allowed only for specific subnet requests.');
  return id;
}

/** A locked pool and the subnets that are of it, in whatever network. */
interface Held {
  readonly pool: SubnetPoolRow;
  readonly subnets: SubnetRow[];
}
export type HeldPools = ReadonlyMap<string, Held>;

/** Locks the pools that are asked for, which the caller must see, and those of the subnets beside. */
export async function lockPools(
  tx: Transaction,
  call: Call,
  { asked, beside }: { readonly asked: readonly (string | null)[]; readonly beside: readonly SubnetRow[] },
): Promise<HeldPools> {
  const wanted = new Set(asked.filter((id) => id !== null));
  if (wanted.size === 0) return new Map();
  const others = beside.flatMap(({ subnetpool_id }) => subnetpool_id ?? []);
  const pools = await tx.subnetPools.lock({ id: [...new Set([...wanted, ...others])] });
  const subnets = await tx.subnets.find({ subnetpool_id: [...wanted] });
  const held = new Map<string, Held>();
  for (const pool of pools)
    held.set(pool.id, { pool, subnets: subnets.filter(({ subnetpool_id }) => subnetpool_id === pool.id) });
  for (const id of wanted) {
    const pool = held.get(id)?.pool;
    if (!pool || !(await seesRow(tx, { it: subnetPools, call }, pool))) throw missingFault(subnetPoolMap, id);
  }
  return held;
}

/** In the pool's units of its quota: IPv4 addresses, IPv6 networks of 64 bits. */
const unitsOf = ({ version, prefix }: Pick<Cidr, 'version' | 'prefix'>): number =>
  2 ** ((version === 4 ? 32 : 64) - prefix);

function checkPoolQuota({ pool, subnets }: Held, projectId: string, prefix: number): void {
  if (!pool.default_quota) return;
  const own = cidrsOf(subnets.filter((one) => one.project_id === projectId).map(({ cidr }) => cidr));
  const used = own.reduce((sum, cidr) => sum + unitsOf(cidr), 0);
  if (used + unitsOf({ version: pool.ip_version, prefix }) > pool.default_quota)
    throw new Fault('SubnetPoolQuotaExceeded', 'Per-tenant subnet pool prefix quota exceeded.');
}

function checkLength({ min_prefixlen: min, max_prefixlen: max }: SubnetPoolRow, length: number): void {
  const unable = `Unable to allocate subnet with prefix length ${length},`;
  if (length > max)
    throw new Fault('MaxPrefixSubnetAllocationError', `${unable} maximum allowed prefix is ${max}.`);
  if (length < min)
    throw new Fault('MinPrefixSubnetAllocationError', `${unable} minimum allowed prefix is ${min}.`);
}

/** The addresses that a subnet of this project gets of the pool: those that it names, or free ones. */
export function takeFrom(held: Held, asked: Asked, projectId: string): Cidr {
  const { pool, subnets } = held;
  const version = asked.ip_version ?? pool.ip_version;
  if (version !== pool.ip_version) {
    const why = `Cannot allocate IPv${version} subnet from IPv${pool.ip_version} subnet pool`;
    throw badRequest('subnets', why);
  }
  const named = asked.cidr ? parseCidr(asked.cidr) : undefined;
  const length = named?.prefix ?? asked.prefixlen ?? pool.default_prefixlen;
  checkLength(pool, length);
  checkPoolQuota(held, projectId, length);
  const free = remaining(cidrsOf(pool.prefixes), cidrsOf(subnets.map(({ cidr }) => cidr)));
  const found = named ? (holdAll(free, [named]) ? named : undefined) : carve(free, length);
  if (found) return found;
  const why = named
    ? 'Cannot allocate requested subnet from the available set of prefixes'
    : `Insufficient prefix space to allocate subnet size /${length}`;
  throw new Fault('SubnetAllocationError', `Failed to allocate subnet: ${why}.`);
}

/**
 * The subnets of a network that have the same version are of one pool, or none of any; of several pools only where these are
 * in one address scope.
 */
export function checkAffinity(
  pools: HeldPools,
  { ip_version, subnetpool_id }: Pick<SubnetRow, 'ip_version' | 'subnetpool_id'>,
  beside: readonly SubnetRow[],
): void {
  const others = beside.filter((one) => one.ip_version === ip_version).map((one) => one.subnetpool_id);
  const scopeOf = (id: string | null) =>
    id === null ? null : (pools.get(id)?.pool.address_scope_id ?? null);
  const scope = others.map(scopeOf).find((id) => id !== null);
  if (subnetpool_id !== null && scope !== undefined) {
    if (scopeOf(subnetpool_id) === scope) return;
    throw scopeAffinity();
  }
  if (others.every((id) => id === subnetpool_id)) return;
  const rule = 'Subnets hosted on the same network must be allocated from the same subnet pool';
  throw new Fault('NetworkSubnetPoolAffinityError', `${rule}.`);
}

export interface AddressScopes {
  readonly ipv4_address_scope: string | null;
  readonly ipv6_address_scope: string | null;
}

/** The address scopes of networks, by what pools their subnets are of. */
export async function addressScopesOf(
  tables: Tables,
  subnets: readonly SubnetRow[],
): Promise<(networkId: string) => AddressScopes> {
  const ids = new Set(subnets.flatMap(({ subnetpool_id }) => subnetpool_id ?? []));
  const pools = ids.size === 0 ? [] : await tables.subnetPools.find({ id: [...ids] });
  const scopes = new Map(pools.map((pool) => [pool.id, pool.address_scope_id]));
  const found = new Map<string, string>();
  for (const { network_id, ip_version, subnetpool_id } of subnets) {
    const scope = subnetpool_id === null ? null : scopes.get(subnetpool_id);
    if (scope) found.set(`${network_id} ${ip_version}`, scope);
  }
  return (networkId) => ({
    ipv4_address_scope: found.get(`${networkId} 4`) ?? null,
    ipv6_address_scope: found.get(`${networkId} 6`) ?? null,
  });
}
