import { type AddressGroupRow, addressGroupMap } from '../resources/address-group.ts';
import { Fault } from '../resources/errors.ts';
import type { Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { changeRow, type Plain } from './plain.ts';
import type { DeleteRequest } from './standard.ts';

export const addressGroups: Plain<AddressGroupRow> = {
  map: addressGroupMap,
  table: 'addressGroups',
  shared: 'shared',
  changedBySeers: 'missing',
  async checkUnused(tx, _call, { id }) {
    if ((await tx.securityGroupRules.count({ remote_address_group_id: id })) === 0) return;
    const message = `Address group ${id} is in use on one or more security group rules.`;
    throw new Fault('AddressGroupInUse', message);
  },
};

export interface AddressesRequest extends DeleteRequest {
  readonly addresses: readonly string[];
}

const quoted = (addresses: readonly string[]): string => `[${addresses.map((one) => `'${one}'`).join(', ')}]`;

/** Adds addresses, none of which may be there yet. */
export function addAddresses(
  tx: Transaction,
  call: Call,
  { addresses, ...named }: AddressesRequest,
): Promise<AddressGroupRow> {
  const change = (group: AddressGroupRow) => {
    const present = addresses.filter((one) => group.addresses.includes(one));
    if (present.length > 0) {
      const message = `Addresses ${quoted(present)} already exist in the address group ${named.id}.`;
      throw new Fault('AddressesAlreadyExist', message);
    }
    return { addresses: [...group.addresses, ...addresses] };
  };
  return changeRow(tx, { it: addressGroups, call }, { ...named, rule: 'add_addresses', change });
}

/** Takes addresses away, all of which must be there. */
export function removeAddresses(
  tx: Transaction,
  call: Call,
  { addresses, ...named }: AddressesRequest,
): Promise<AddressGroupRow> {
  const change = (group: AddressGroupRow) => {
    const absent = addresses.filter((one) => !group.addresses.includes(one));
    if (absent.length > 0) {
      const message = `Addresses ${quoted(absent)} not found in the address group ${named.id}.`;
      throw new Fault('AddressesNotFound', message);
    }
    return { addresses: group.addresses.filter((one) => !addresses.includes(one)) };
  };
  return changeRow(tx, { it: addressGroups, call }, { ...named, rule: 'remove_addresses', change });
}
