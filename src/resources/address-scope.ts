import { attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { IP_VERSION, NAME, SHARED, standardHead, standardTail } from './standard-attributes.ts';

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
  attributes: [...standardHead, NAME, IP_VERSION, SHARED, ...standardTail],
});
