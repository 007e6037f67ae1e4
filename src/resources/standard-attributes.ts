/** The attributes that every resource with standard attributes has, in front of and behind its own. */
import type { AttributeOf } from './attribute.ts';
import type { StandardAttributes } from './standard.ts';
import { tagList } from './tags.ts';
import { boolean, integer, name, oneOfNumbers, shown, text, uuid } from './values.ts';

type Standard = AttributeOf<StandardAttributes>;

const ID: Standard = {
  name: 'id',
  column: 'id',
  type: uuid,
  filter: true,
  sort: true,
  description: 'The id, chosen by the server.',
};
export const PROJECT = {
  name: 'project_id',
  column: 'project_id',
  type: text(255),
  post: 'owner',
  filter: true,
  sort: true,
  description: 'The project that owns it; only an admin may name another than its own.',
} as const satisfies Standard;
export const TENANT = {
  name: 'tenant_id',
  column: 'project_id',
  type: text(255),
  filter: true,
  sort: true,
  description: 'An older name of project_id.',
} as const satisfies Standard;
const DESCRIPTION: Standard = {
  name: 'description',
  column: 'description',
  type: text(255),
  post: 'owner',
  put: 'owner',
  default: '',
  filter: true,
  sort: true,
  description: 'For humans.',
};
const REVISION: Standard = {
  name: 'revision_number',
  column: 'revision_number',
  type: integer(0, Number.MAX_SAFE_INTEGER),
  filter: true,
  sort: true,
  description: 'Grows with every change; If-Match: revision_number=N refuses a change of another revision.',
};

const time = (column: 'created_at' | 'updated_at', description: string): Standard => ({
  name: column,
  column,
  type: shown({ type: 'string', format: 'date-time' }),
  filter: true,
  sort: true,
  description,
});

export const NAME = {
  name: 'name',
  column: 'name',
  type: name(255),
  post: 'owner',
  put: 'owner',
  default: '',
  filter: true,
  sort: true,
  description: 'For humans; need not be unique.',
} as const;

export const SHARED = {
  name: 'shared',
  column: 'shared',
  type: boolean,
  post: 'admin',
  put: 'admin',
  default: false,
  filter: true,
  sort: true,
  description: 'Whether every project may use it.',
} as const;

/** The same where only policies say so. */
export const SHOWN_SHARED = {
  name: 'shared',
  column: 'shared',
  type: boolean,
  default: false,
  filter: true,
  sort: true,
  description: 'Whether the caller may use it though it may be of another project.',
} as const;

export const NETWORK_ID = {
  name: 'network_id',
  column: 'network_id',
  type: uuid,
  post: 'owner',
  required: true,
  filter: true,
  sort: true,
  description: 'The network that it is in.',
} as const;

export const IP_VERSION = {
  name: 'ip_version',
  column: 'ip_version',
  type: oneOfNumbers([4, 6]),
  post: 'owner',
  required: true,
  filter: true,
  sort: true,
  description: '4 or 6.',
} as const;

/** `id`, and the project under both its names. */
export const identityHead: readonly Standard[] = [ID, PROJECT, TENANT];

/** The same with `description`. */
export const standardHead: readonly Standard[] = [...identityHead, DESCRIPTION];

const TAGS: Standard = {
  name: 'tags',
  column: 'tags',
  type: tagList,
  filter: true,
  description: 'Words to find it by, set under its `/tags`.',
};

/** For what has no tags. */
export const REVISION_AND_TIMES: readonly Standard[] = [
  REVISION,
  time('created_at', 'When it was created (UTC).'),
  time('updated_at', 'When it was last changed (UTC).'),
];

/** Revision, times, tags. */
export const standardTail: readonly Standard[] = [...REVISION_AND_TIMES, TAGS];

/** The same where tags may also be given when it is created. */
export const standardTailTaggedAtOnce: readonly Standard[] = [
  ...REVISION_AND_TIMES,
  { ...TAGS, post: 'owner', default: [] },
];
