import { poolPrefixes } from './address-values.ts';
import { type AttributeOf, attributeMap } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, SHARED, standardHead, standardTail } from './standard-attributes.ts';
import { boolean, integer, nullable, shown, uuid } from './values.ts';

/** A subnet pool as stored: prefixes from which subnets are taken, no address twice. */
export interface SubnetPoolRow extends StandardAttributes {
  name: string;
  /** Canonical CIDRs, as few as hold these addresses, in the order of their addresses. */
  prefixes: string[];
  readonly ip_version: 4 | 6;
  default_prefixlen: number;
  min_prefixlen: number;
  max_prefixlen: number;
  /** What a project may take: IPv4 addresses, or IPv6 networks of 64 bits; null and 0 for no limit. */
  default_quota: number | null;
  address_scope_id: string | null;
  is_default: boolean;
  /** Its version if it is the default, else null: a unique key. */
  default_version: 4 | 6 | null;
  readonly shared: boolean;
}

type Own = AttributeOf<SubnetPoolRow>;

/** Neutron shows these numbers as text. */
const AS_TEXT: NonNullable<Own['showAs']> = { schema: { type: 'string', pattern: '^\\d+$' }, of: String };

const length = (
  column: 'default_prefixlen' | 'min_prefixlen' | 'max_prefixlen',
  description: string,
): Own => ({
  name: column,
  column,
  type: integer(0, 128),
  showAs: AS_TEXT,
  post: 'owner',
  put: 'owner',
  filter: true,
  sort: true,
  description,
});

const { put: _never, ...SHARED_AT_ONCE } = SHARED;

const NAMED: Own['type'] = {
  ...NAME.type,
  schema: { ...NAME.type.schema, minLength: 1 },
  read: (value) => (value === '' ? { reason: "'' Blank strings are not permitted" } : NAME.type.read(value)),
};

export const subnetPoolMap = attributeMap<SubnetPoolRow>({
  singular: 'subnetpool',
  plural: 'subnetpools',
  missing: { type: 'SubnetPoolNotFound', title: 'Subnet pool' },
  attributes: [
    ...standardHead,
    {
      ...{ name: 'name', column: 'name', type: NAMED, post: 'owner', put: 'owner', required: true },
      filter: true,
      sort: true,
      description: 'For humans; need not be unique.',
    },
    {
      name: 'prefixes',
      column: 'prefixes',
      type: poolPrefixes,
      post: 'owner',
      put: 'owner',
      required: true,
      description: 'What subnets are taken from, all of one IP version; an update may add to it.',
    },
    {
      name: 'ip_version',
      column: 'ip_version',
      type: shown({ type: 'integer', enum: [4, 6] }),
      filter: true,
      sort: true,
      description: '4 or 6, as its prefixes.',
    },
    length('default_prefixlen', 'The prefix length of subnets that name none; by default the smallest.'),
    length('min_prefixlen', 'The smallest prefix length of a subnet; by default 8 or 64.'),
    length('max_prefixlen', 'The greatest prefix length of a subnet; by default 32 or 128.'),
    {
      name: 'default_quota',
      column: 'default_quota',
      type: nullable(integer(0, Number.MAX_SAFE_INTEGER)),
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description:
        'What each project may take: IPv4 addresses, or IPv6 networks of 64 bits; null or 0 for no limit.',
    },
    {
      name: 'address_scope_id',
      column: 'address_scope_id',
      type: nullable(uuid),
      post: 'owner',
      put: 'owner',
      filter: true,
      sort: true,
      description: 'The address scope that its addresses are in; no other pool of it has them.',
    },
    {
      name: 'is_default',
      column: 'is_default',
      type: boolean,
      post: 'admin',
      put: 'admin',
      default: false,
      filter: true,
      sort: true,
      description: 'Whether subnets that ask for the default pool of its IP version are taken from it.',
    },
    SHARED_AT_ONCE,
    ...standardTail,
  ],
});
