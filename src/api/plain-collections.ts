/** The resources that are rows of one table and little more: docs/how-to/add-a-resource.md. */
import { addAddresses, addressGroups, removeAddresses } from '../operations/address-group.ts';
import { addressScopes } from '../operations/address-scope.ts';
import { qosPolicies } from '../operations/qos-policy.ts';
import { rulesOf } from '../operations/qos-rule.ts';
import { networkSegmentRanges, usage } from '../operations/network-segment-range.ts';
import { rbacPolicies } from '../operations/rbac-policy.ts';
import { type Onboarded, onboardSubnets } from '../operations/subnet-onboard.ts';
import { addPrefixes, removePrefixes, subnetPools } from '../operations/subnet-pool.ts';
import type { AddressGroupRow } from '../resources/address-group.ts';
import { cidr, networksOrAddresses, poolPrefixes } from '../resources/address-values.ts';
import { ruleOfPolicy } from '../resources/qos-rule.ts';
import type { SubnetPoolRow } from '../resources/subnet-pool.ts';
import { uuid } from '../resources/values.ts';
import { type Action, type Collection, plainCollection } from './collection.ts';
import { array, object } from './route.ts';

const addresses = (
  verb: 'add' | 'remove',
  { change, summary }: { readonly change: typeof addAddresses; readonly summary: string },
): Action<AddressGroupRow> => ({
  name: `${verb}_addresses`,
  summary,
  body: { addresses: networksOrAddresses },
  run: (tx, call, { values, ...named }) =>
    change(tx, call, { ...named, addresses: values['addresses'] as string[] }),
});

const prefixes = (
  verb: 'add' | 'remove',
  { change, summary }: { readonly change: typeof addPrefixes; readonly summary: string },
): Action<SubnetPoolRow> => ({
  name: `${verb}_prefixes`,
  summary,
  body: { prefixes: poolPrefixes },
  answer: {
    schema: object({ prefixes: poolPrefixes.schema }),
    of: (pool) => ({ prefixes: pool.prefixes }),
  },
  run: (tx, call, { values, ...named }) =>
    change(tx, call, { ...named, prefixes: values['prefixes'] as string[] }),
});

const onboard: Action<SubnetPoolRow> = {
  name: 'onboard_network_subnets',
  summary: 'Takes the subnets of a network into the pool, and their addresses with them.',
  body: { network_id: uuid },
  answer: {
    schema: array(object({ id: uuid.schema, cidr: cidr.schema })),
    of: (pool) => (pool as Onboarded).subnets.map((subnet) => ({ id: subnet.id, cidr: subnet.cidr })),
  },
  run: (tx, call, { values, ...named }) =>
    onboardSubnets(tx, call, { ...named, network_id: values['network_id'] as string }),
};

/** Not below the name of its table: it is seen by admins only, and has no tags. */
const { table: _table, ...segmentRanges } = plainCollection(networkSegmentRanges, {
  adminOnly: true,
  async compute(tables, _call, rows) {
    const used = await usage(tables, rows);
    return (row) => ({ ...used.get(row.id) });
  },
});

export const plainCollections: readonly Collection[] = [
  plainCollection(addressGroups, {
    actions: [
      addresses('add', { change: addAddresses, summary: 'Adds addresses, none of which may be there yet.' }),
      addresses('remove', {
        change: removeAddresses,
        summary: 'Takes addresses away, all of which must be there.',
      }),
    ],
  }),
  plainCollection(addressScopes),
  segmentRanges,
  plainCollection(subnetPools, {
    actions: [
      prefixes('add', { change: addPrefixes, summary: 'Adds prefixes.' }),
      prefixes('remove', {
        change: removePrefixes,
        summary: 'Takes away prefixes of which no subnet has an address.',
      }),
      onboard,
    ],
  }),
  plainCollection(qosPolicies, {
    taggedBySeers: true,
    async compute(tables, _call, rows) {
      const rules = await rulesOf(
        tables,
        rows.map((row) => row.id),
      );
      return (row) => ({ rules: (rules.get(row.id) ?? []).map(ruleOfPolicy) });
    },
  }),
  plainCollection(rbacPolicies),
];
