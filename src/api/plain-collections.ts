/** The resources that are rows of one table and little more: docs/how-to/add-a-resource.md. */
import { addAddresses, addressGroups, removeAddresses } from '../operations/address-group.ts';
import { addressScopes } from '../operations/address-scope.ts';
import { rbacPolicies } from '../operations/rbac-policy.ts';
import { subnetPools } from '../operations/subnet-pool.ts';
import type { AddressGroupRow } from '../resources/address-group.ts';
import { networksOrAddresses } from '../resources/address-values.ts';
import { type Action, type Collection, plainCollection } from './collection.ts';

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
  plainCollection(subnetPools),
  plainCollection(rbacPolicies),
];
