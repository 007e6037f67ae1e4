/** Subnet pools: prefixes from which subnets are taken. What takes them is subnet-from-pool.ts. */
import { type Cidr, formatCidr, overlaps, parseCidr, widthOf } from '../ipam/address.ts';
import { compacted, holdAll, remaining } from '../ipam/blocks.ts';
import { addressScopeMap } from '../resources/address-scope.ts';
import { missingFault } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { type SubnetPoolRow, subnetPoolMap } from '../resources/subnet-pool.ts';
import type { Transaction } from '../store/store.ts';
import { addressScopes } from './address-scope.ts';
import { invalidInput } from './faults.ts';
import type { Call } from './operation.ts';
import { type Change, changeRow, type Plain, seesRow } from './plain.ts';
import { type DeleteRequest, owns } from './standard.ts';

/** The smallest prefix length of a subnet where the pool does not say. */
const LEAST = { 4: 8, 6: 64 } as const;

export const cidrsOf = (texts: readonly string[]): Cidr[] =>
  texts.flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr ? [cidr] : [];
  });

/** The prefixes, as few as can be. */
function checkPrefixes(texts: readonly string[]): Cidr[] {
  const cidrs = cidrsOf(texts);
  const [first] = cidrs;
  if (!first) throw new Fault('EmptySubnetPoolPrefixList', 'Empty subnet pool prefix list.');
  if (cidrs.some(({ version }) => version !== first.version)) {
    throw new Fault('PrefixVersionMismatch', 'Cannot mix IPv4 and IPv6 prefixes in a subnet pool.');
  }
  return compacted(cidrs);
}

/** The subnets of a network that have one version are to be in one scope. */
export const scopeAffinity = (): Fault =>
  new Fault(
    'NetworkAddressScopeAffinityError',
    'Subnets of the same address family hosted on the same network must all participate in the same address scope.',
  );

type Bound = readonly [name: string, length: number];

function checkBounds({
  min_prefixlen: min,
  max_prefixlen: max,
  default_prefixlen,
  ip_version,
}: SubnetPoolRow) {
  const refuse = ([name, length]: Bound, [base, limit]: Bound) =>
    new Fault('IllegalSubnetPoolPrefixBounds', `Illegal prefix bounds: ${name}=${length}, ${base}=${limit}.`);
  const most: Bound = ['ip_version_max', widthOf(ip_version)];
  const [least, largest]: [Bound, Bound] = [
    ['min_prefixlen', min],
    ['max_prefixlen', max],
  ];
  const own: Bound = ['default_prefixlen', default_prefixlen];
  if (max > most[1]) throw refuse(largest, most);
  if (min > max) throw refuse(least, largest);
  if (default_prefixlen < min) throw refuse(own, least);
  if (default_prefixlen > max) throw refuse(own, largest);
}

/** What follows from what was asked for: version, lengths that were not named. Those of a new pool may be null. */
function complete(row: SubnetPoolRow): SubnetPoolRow {
  const given: { [K in keyof SubnetPoolRow]: SubnetPoolRow[K] | null } = row;
  // one from which all were taken away has none until some are added
  const isEmptied = row.prefixes.length === 0 && given.ip_version !== null;
  const cidrs = isEmptied ? [] : checkPrefixes(row.prefixes);
  const ip_version = cidrs[0]?.version ?? row.ip_version;
  const min_prefixlen = given.min_prefixlen ?? LEAST[ip_version];
  const completed: SubnetPoolRow = {
    ...{ ...row, ip_version, min_prefixlen, prefixes: cidrs.map(formatCidr) },
    max_prefixlen: given.max_prefixlen ?? widthOf(ip_version),
    default_prefixlen: given.default_prefixlen ?? min_prefixlen,
    default_version: row.is_default ? ip_version : null,
  };
  checkBounds(completed);
  return completed;
}

function checkGrown(before: SubnetPoolRow, after: SubnetPoolRow): void {
  if (before.ip_version === after.ip_version && holdAll(cidrsOf(after.prefixes), cidrsOf(before.prefixes)))
    return;
  const why = 'Existing prefixes must be a subset of the new prefixes';
  throw new Fault('IllegalSubnetPoolPrefixUpdate', `Illegal update to prefixes: ${why}.`);
}

/** The scope is one that the caller sees, of the pool's version, and has no other pool with its addresses. */
async function checkScope(tx: Transaction, call: Call, pool: SubnetPoolRow): Promise<void> {
  const id = pool.address_scope_id;
  if (id === null) return;
  // its lock lets pools into it one after another, and keeps it while this one is written
  const [scope] = await tx.addressScopes.lock({ id });
  if (!scope || !(await seesRow(tx, { it: addressScopes, call }, scope)))
    throw missingFault(addressScopeMap, id);
  if (scope.ip_version !== pool.ip_version) {
    const who = `subnetpool ${pool.id} cannot associate with address scope ${id}`;
    const message = `Illegal subnetpool association: ${who} because subnetpool ip_version is not ${scope.ip_version}.`;
    throw new Fault('IllegalSubnetPoolIpVersionAssociationToAddressScope', message);
  }
  const others = (await tx.subnetPools.find({ address_scope_id: id })).filter((one) => one.id !== pool.id);
  const taken = others.flatMap(({ prefixes }) => cidrsOf(prefixes));
  if (cidrsOf(pool.prefixes).every((own) => !taken.some((other) => overlaps(own, other)))) return;
  const why = 'subnetpools within an address scope must have unique prefixes';
  throw new Fault('AddressScopePrefixConflict', `Failed to associate address scope: ${why}.`);
}

/** Whoever only shares a scope changes no pool that is in it (as in Neutron): neither its prefixes nor whether it is. */
async function checkOwnScope(tx: Transaction, call: Call, before: SubnetPoolRow): Promise<void> {
  const id = before.address_scope_id;
  const scope = id === null ? undefined : await tx.addressScopes.get({ id });
  if (!scope || owns(call, scope)) return;
  const why = `subnetpool ${before.id} cannot be updated when associated with shared address scope ${id}`;
  throw new Fault('IllegalSubnetPoolUpdate', `Illegal subnetpool update : ${why}.`);
}

/** Networks whose subnets are of this pool have none of others, so that all of them move to another scope at once. */
async function checkAlone(tx: Transaction, { id, ip_version }: SubnetPoolRow): Promise<void> {
  const own = await tx.subnets.find({ subnetpool_id: id });
  if (own.length === 0) return;
  const network_id = [...new Set(own.map((subnet) => subnet.network_id))];
  if ((await tx.subnets.find({ network_id, ip_version })).every((one) => one.subnetpool_id === id)) return;
  throw scopeAffinity();
}

async function check(tx: Transaction, call: Call, { before, after }: Change<SubnetPoolRow>): Promise<void> {
  if (before) {
    checkGrown(before, after);
    await checkOwnScope(tx, call, before);
    if (before.address_scope_id !== after.address_scope_id) await checkAlone(tx, after);
  }
  await checkScope(tx, call, after);
}

export const subnetPools: Plain<SubnetPoolRow> = {
  map: subnetPoolMap,
  table: 'subnetPools',
  shared: 'shared',
  quota: 'subnetpool',
  complete,
  check,
  async checkUnused(tx, _call, { id }) {
    if ((await tx.subnets.count({ subnetpool_id: id })) === 0) return;
    const why = 'Subnet pool has existing allocations';
    throw new Fault('SubnetPoolDeleteError', `Unable to delete subnet pool: ${why}.`);
  },
  taken: () =>
    invalidInput(
      'A default subnetpool for this IP family has already been set. Only one default may exist per IP family',
    ),
};

export interface PrefixesRequest extends DeleteRequest {
  readonly prefixes: readonly string[];
}

/** Adds prefixes, which may be there already. */
export function addPrefixes(
  tx: Transaction,
  call: Call,
  { prefixes, ...named }: PrefixesRequest,
): Promise<SubnetPoolRow> {
  const change = (pool: SubnetPoolRow) => ({ prefixes: [...pool.prefixes, ...prefixes] });
  return changeRow(tx, { it: subnetPools, call }, { ...named, rule: 'add_prefixes', change });
}

async function checkShrunk(tx: Transaction, call: Call, { before, after }: Change<SubnetPoolRow>) {
  if (before) await checkOwnScope(tx, call, before);
  const subnets = await tx.subnets.find({ subnetpool_id: after.id });
  if (holdAll(cidrsOf(after.prefixes), cidrsOf(subnets.map(({ cidr }) => cidr)))) return;
  const why = 'One or more the prefixes to be removed is in use by a subnet';
  throw new Fault('IllegalSubnetPoolPrefixUpdate', `Illegal update to prefixes: ${why}.`);
}

/** Takes away addresses that no subnet has; they need not be there. */
export function removePrefixes(
  tx: Transaction,
  call: Call,
  { prefixes, ...named }: PrefixesRequest,
): Promise<SubnetPoolRow> {
  const change = (pool: SubnetPoolRow) => {
    const gone = cidrsOf(prefixes).filter(({ version }) => version === pool.ip_version);
    return { prefixes: remaining(cidrsOf(pool.prefixes), gone).map(formatCidr) };
  };
  const it = { ...subnetPools, check: checkShrunk };
  return changeRow(tx, { it, call }, { ...named, rule: 'remove_prefixes', change });
}
