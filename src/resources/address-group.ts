import { networkCidrs } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, SHOWN_SHARED, standardHead, standardTail } from './standard-attributes.ts';

/** An address group as stored: addresses under one name, for rules to refer to. */
export interface AddressGroupRow extends StandardAttributes {
  name: string;
  /** CIDRs without bits after their prefix, each once. */
  addresses: string[];
  shared: boolean;
}

export const addressGroupMap = attributeMap<AddressGroupRow>({
  singular: 'address_group',
  plural: 'address_groups',
  missing: { type: 'AddressGroupNotFound', title: 'Address group' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'addresses',
      column: 'addresses',
      type: networkCidrs,
      post: 'owner',
      default: [],
      description: 'CIDRs; a single address is one with /32 or /128.',
    },
    SHOWN_SHARED,
    ...standardTail,
  ],
});
