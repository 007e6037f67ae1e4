/** Taking addresses and MACs, in a network whose row is locked. */
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { candidates, randomMac, scan } from '../ipam/choose.ts';
import { FixedIpRefused, type Wanted } from '../ipam/fixed-ips.ts';
import { rangesOf } from '../ipam/pool.ts';
import { Fault } from '../resources/errors.ts';
import type { FixedIp, IpAllocationRow, PortRow } from '../resources/port.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { Transaction } from '../store/store.ts';
import { addressAllocated, addressesExhausted, invalidInput, macInUse } from './faults.ts';
import type { Call } from './operation.ts';

const MAC_ATTEMPTS = 16;

/** Where addresses are looked for. */
export interface AddressSpace {
  readonly networkId: string;
  readonly subnets: readonly SubnetRow[];
}

/** Says in Neutron's words what `ipam/fixed-ips.ts` refused. */
export function faultOfRefusal(error: unknown, networkId: string): unknown {
  if (!(error instanceof FixedIpRefused)) return error;
  const { problem } = error;
  switch (problem.kind) {
    case 'no-subnets':
      return invalidInput('IP allocation requires subnets for network');
    case 'nothing-named':
      return invalidInput('IP allocation requires subnet_id or ip_address');
    case 'not-on-network':
      return invalidInput(
        `Failed to create port on network ${networkId}, because fixed_ips included invalid subnet ${problem.subnetId}`,
      );
    case 'not-in-subnet':
      return new Fault(
        'InvalidIpForSubnet',
        `IP address ${problem.address} is not a valid IP for the specified subnet.`,
      );
    case 'not-in-network':
      return new Fault(
        'InvalidIpForNetwork',
        `IP address ${problem.address} is not a valid IP for any of the subnets on the specified network.`,
      );
    case 'automatic-subnet':
      return new Fault(
        'AllocationOnAutoAddressSubnet',
        `IPv6 address ${problem.address} cannot be directly assigned to a port on subnet ${problem.subnetId} as the subnet is configured for automatic addresses`,
      );
  }
}

/** Addresses that are not to be had: rows of others, and what this request has taken. */
type Taken = Set<string>;

async function claimNamed(
  tx: Transaction,
  space: AddressSpace,
  { wants, taken }: { wants: readonly Wanted[]; taken: Taken },
): Promise<void> {
  const named = wants.flatMap((want) => (want.kind === 'address' ? [want.ip] : []));
  if (named.length === 0) return;
  const addresses = [...new Set(named.map((ip) => ip.ip_address))];
  const rows = await tx.ipAllocations.find({ network_id: space.networkId, ip_address: addresses });
  for (const row of rows) taken.add(row.ip_address);
  for (const ip of named) {
    if (taken.has(ip.ip_address)) throw addressAllocated(ip.ip_address, ip.subnet_id);
    taken.add(ip.ip_address);
  }
}

/** Up to `count` free addresses of one subnet. */
async function freeAddresses(
  tx: Transaction,
  call: Call,
  { subnet, count, taken }: { subnet: SubnetRow; count: number; taken: Taken },
): Promise<string[]> {
  const ranges = rangesOf(subnet.allocation_pools);
  const version = subnet.ip_version;
  const text = (value: bigint) => formatAddress({ version, value });
  const drawn = candidates(ranges, count * 2 + 6, call.random).map(text);
  if (drawn.length === 0) return [];
  const rows = await tx.ipAllocations.find({ subnet_id: subnet.id, ip_address: drawn });
  const used = new Set(rows.map((row) => row.ip_address));
  const free = drawn.filter((address) => !used.has(address) && !taken.has(address)).slice(0, count);
  if (free.length === count) return free;
  const all = await tx.ipAllocations.find({ subnet_id: subnet.id });
  const values = new Set(all.flatMap((row) => parseAddress(row.ip_address)?.value ?? []));
  return scan(ranges, values, count + taken.size)
    .map(text)
    .filter((address) => !taken.has(address))
    .slice(0, count);
}

const DRAWS = 6;

/**
 * Free addresses of many subnets of many locked networks at once, up to `count` of each, in few statements. Subnets with the
 * same pools draw the same numbers: one question is enough for all of them, and its answer is short.
 */
export async function drawAddresses(
  tx: Transaction,
  call: Call,
  wanted: readonly { readonly subnet: SubnetRow; readonly count: number }[],
): Promise<Map<string, string[]>> {
  const draws = new Map<string, string[]>();
  const poolsOf = (subnet: SubnetRow) => JSON.stringify(subnet.allocation_pools);
  for (const { subnet, count } of wanted) {
    const pools = poolsOf(subnet);
    if ((draws.get(pools)?.length ?? 0) >= count + DRAWS) continue;
    const drawn = candidates(rangesOf(subnet.allocation_pools), count + DRAWS, call.random);
    draws.set(
      pools,
      drawn.map((value) => formatAddress({ version: subnet.ip_version, value })),
    );
  }
  const found = await tx.ipAllocations.find({
    subnet_id: wanted.map(({ subnet }) => subnet.id),
    ip_address: [...new Set([...draws.values()].flat())],
  });
  const used = new Set(found.map((row) => `${row.subnet_id} ${row.ip_address}`));
  const free = new Map<string, string[]>();
  for (const { subnet, count } of wanted) {
    const drawn = draws.get(poolsOf(subnet)) ?? [];
    let own = drawn.filter((address) => !used.has(`${subnet.id} ${address}`)).slice(0, count);
    if (own.length < count) own = await freeAddresses(tx, call, { subnet, count, taken: new Set() });
    free.set(subnet.id, own);
  }
  return free;
}

/**
 * Decides the addresses that each port wants: those named first, then free ones, each from the first of its subnets that
 * has one. Throws a Fault if one named is taken or none is left; `partial` leaves out what is not to be had instead.
 */
export async function chooseAddresses(
  tx: Transaction,
  call: Call,
  request: {
    readonly space: AddressSpace;
    readonly wants: readonly (readonly Wanted[])[];
    readonly partial?: boolean;
  },
): Promise<FixedIp[][]> {
  const { space, wants, partial = false } = request;
  const taken: Taken = new Set();
  await claimNamed(tx, space, { wants: wants.flat(), taken });
  const open = wants.flat().filter((want) => want.kind === 'any');
  const chosen = new Map<Wanted, FixedIp>();
  for (const group of Map.groupBy(open, (want) => want.subnetIds.join()).values()) {
    const left = [...group];
    for (const subnetId of group[0]?.subnetIds ?? []) {
      const subnet = space.subnets.find((one) => one.id === subnetId);
      if (!subnet || left.length === 0) continue;
      for (const ip_address of await freeAddresses(tx, call, { subnet, count: left.length, taken })) {
        taken.add(ip_address);
        chosen.set(left.shift()!, { subnet_id: subnetId, ip_address });
      }
    }
    if (left.length > 0 && !partial) throw addressesExhausted(space.networkId);
  }
  return wants.map((list) =>
    list.flatMap((want) => (want.kind === 'address' ? want.ip : (chosen.get(want) ?? []))),
  );
}

/** The rows that stand for a port's addresses. */
export const allocationsOf = (port: Pick<PortRow, 'id' | 'network_id' | 'fixed_ips'>): IpAllocationRow[] =>
  port.fixed_ips.map((ip) => ({ ...ip, port_id: port.id, network_id: port.network_id }));

/** Makes a port's allocations those of `fixedIps`; the caller updates the port's own column. */
export async function setAddresses(
  tx: Transaction,
  port: PortRow,
  fixedIps: readonly FixedIp[],
): Promise<void> {
  const same = (a: FixedIp, b: FixedIp) => a.subnet_id === b.subnet_id && a.ip_address === b.ip_address;
  for (const ip of port.fixed_ips.filter((one) => !fixedIps.some((other) => same(one, other)))) {
    await tx.ipAllocations.remove({ port_id: port.id, subnet_id: ip.subnet_id, ip_address: ip.ip_address });
  }
  const fresh = fixedIps.filter((one) => !port.fixed_ips.some((other) => same(one, other)));
  if (fresh.length > 0) await tx.ipAllocations.insert(allocationsOf({ ...port, fixed_ips: [...fresh] }));
}

/**
 * A MAC for each entry: the one asked for, which must be free, or a random one where it is undefined. That a random one is
 * taken is so rare that it is left to the constraint to find.
 */
export async function chooseMacs(
  tx: Transaction,
  call: Call,
  { networkId, asked }: { readonly networkId: string; readonly asked: readonly (string | undefined)[] },
): Promise<string[]> {
  const named = asked.filter((mac) => mac !== undefined);
  const repeated = named.find((mac, i) => named.indexOf(mac) !== i);
  if (repeated !== undefined) throw macInUse(networkId, repeated);
  const own = new Set(named);
  const draw = (): string => {
    for (let attempt = 0; attempt < MAC_ATTEMPTS; attempt++) {
      const mac = randomMac(call.settings.macPrefix, call.random);
      if (own.has(mac)) continue;
      own.add(mac);
      return mac;
    }
    throw new Fault(
      'NetworkMacAddressGenerationFailure',
      `Unable to generate unique mac on network ${networkId}.`,
    );
  };
  const macs = asked.map((mac) => mac ?? draw());
  if (named.length > 0) {
    const [used] = await tx.ports.find({ network_id: networkId, mac_address: named });
    if (used) throw macInUse(networkId, used.mac_address);
  }
  return macs;
}
