/** Subnets that were made without a pool, taken into one (Neutron's subnet onboarding). */
import { overlaps } from '../ipam/address.ts';
import { Fault } from '../resources/errors.ts';
import type { SubnetRow } from '../resources/subnet.ts';
import type { SubnetPoolRow } from '../resources/subnet-pool.ts';
import type { Transaction } from '../store/store.ts';
import { lockNetwork } from './network.ts';
import type { Call } from './operation.ts';
import { type Change, changeRow } from './plain.ts';
import { type DeleteRequest, touched } from './standard.ts';
import { cidrsOf, subnetPools } from './subnet-pool.ts';

const RULE = 'onboard_network_subnets';

/** The pool, and the subnets that it has from now on. */
export interface Onboarded extends SubnetPoolRow {
  readonly subnets: readonly SubnetRow[];
}

/** Refuses subnets whose addresses others of the pool have. */
async function checkConflicts(tx: Transaction, pool: SubnetPoolRow, subnets: readonly SubnetRow[]) {
  const taken = cidrsOf((await tx.subnets.find({ subnetpool_id: pool.id })).map(({ cidr }) => cidr));
  const clash = subnets.find(({ cidr }) =>
    cidrsOf([cidr]).some((own) => taken.some((other) => overlaps(own, other))),
  );
  if (!clash) return;
  const what = `Onboarding subnet ${clash.id}: ${clash.cidr}`;
  const why = `${what} conflicts with allocated prefixes in subnet pool ${pool.id}`;
  throw new Fault('IllegalSubnetPoolUpdate', `Illegal subnetpool update : ${why}.`);
}

/** Makes the network's subnets of the pool's version subnets of the pool, which gets their addresses. The caller owns both. */
export async function onboardSubnets(
  tx: Transaction,
  call: Call,
  { network_id, ...named }: DeleteRequest & { readonly network_id: string },
): Promise<Onboarded> {
  // what a policy file lets be done to the pool says nothing of networks
  const { permitted: _ofPool, ...own } = call;
  await lockNetwork(tx, own, { id: network_id, rule: RULE });
  const all = await tx.subnets.lock({ network_id });
  const ofVersion = (pool: SubnetPoolRow) => all.filter(({ ip_version }) => ip_version === pool.ip_version);
  const it = {
    ...subnetPools,
    async check(inner: Transaction, by: Call, change: Change<SubnetPoolRow>) {
      await checkConflicts(inner, change.after, ofVersion(change.after));
      await subnetPools.check?.(inner, by, change);
    },
  };
  const change = (pool: SubnetPoolRow) => ({
    prefixes: [...pool.prefixes, ...ofVersion(pool).map(({ cidr }) => cidr)],
  });
  const pool = await changeRow(tx, { it, call }, { ...named, rule: RULE, change });
  const subnets = ofVersion(pool);
  for (const subnet of subnets)
    await tx.subnets.update({ id: subnet.id }, { subnetpool_id: pool.id, ...touched(call, subnet) });
  return { ...pool, subnets };
}
