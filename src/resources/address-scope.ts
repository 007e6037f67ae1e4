import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, SHARED, standardHead, standardTail } from './standard-attributes.ts';
import { oneOfNumbers } from './values.ts';

/** An address scope as stored: within it no address is there twice. */
export interface AddressScopeRow extends StandardAttributes {
  name: string;
  readonly ip_version: 4 | 6;
  shared: boolean;
}

export const addressScopeMap = attributeMap<AddressScopeRow>({
  singular: 'address_scope',
  plural: 'address_scopes',
  missing: { type: 'AddressScopeNotFound', title: 'Address scope' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'ip_version',
      column: 'ip_version',
      type: oneOfNumbers([4, 6]),
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: '4 or 6.',
    },
    SHARED,
    ...standardTail,
  ],
});
