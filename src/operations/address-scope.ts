import { type AddressScopeRow, addressScopeMap } from '../resources/address-scope.ts';
import { Fault } from '../resources/errors.ts';
import type { Change, Plain } from './plain.ts';

/** Others may rely on a scope that was shared: it stays so. */
function check({ before, after }: Change<AddressScopeRow>): void {
  if (!before?.shared || after.shared) return;
  const message = `Unable to update address scope ${after.id} : Shared address scope can't be unshared`;
  throw new Fault('AddressScopeUpdateError', message);
}

export const addressScopes: Plain<AddressScopeRow> = {
  map: addressScopeMap,
  table: 'addressScopes',
  shared: 'shared',
  check: (_tx, _call, change) => check(change),
  async checkUnused(tx, _call, { id }) {
    if ((await tx.subnetPools.count({ address_scope_id: id })) === 0) return;
    const why = 'There are one or more subnet pools in use on the address scope';
    throw new Fault('AddressScopeInUse', `Unable to complete operation on address scope ${id}. ${why}.`);
  },
};
