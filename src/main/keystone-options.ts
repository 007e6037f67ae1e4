/** The options of identity keystone, as Neutron's section `[keystone_authtoken]` has them, and identity from them. */
import { keystone } from '../api/keystone.ts';
import type { Identify } from '../api/identity.ts';
import { realClock } from '../lib/clock.ts';
import { keystoneClient, readAuthorities, tokensUrl } from './keystone-client.ts';
import type { Log } from './logging.ts';
import { ConfigurationError, type OptionTable, type Settled } from './options.ts';

export const KEYSTONE_OPTIONS = {
  'keystone-auth-url': {
    kind: 'text',
    default: null,
    placeholder: 'URL',
    help: 'For identity keystone: where its Identity service answers, e.g. https://keystone.example:5000.',
  },
  'keystone-www-authenticate-uri': {
    kind: 'text',
    default: null,
    placeholder: 'URL',
    help: 'What clients without a token are told of Keystone; by default the auth URL.',
  },
  'keystone-username': {
    kind: 'text',
    default: null,
    placeholder: 'NAME',
    help: 'The user that asks Keystone what tokens are; it needs the role service or admin in its project.',
  },
  'keystone-password': {
    kind: 'text',
    default: null,
    placeholder: 'TEXT',
    help: 'Its password: give it in the environment or in the file, as everybody on the host can read flags.',
  },
  'keystone-user-domain-name': {
    kind: 'text',
    default: 'Default',
    placeholder: 'NAME',
    help: 'The domain of that user.',
  },
  'keystone-project-name': {
    kind: 'text',
    default: 'service',
    placeholder: 'NAME',
    help: 'The project that it asks in.',
  },
  'keystone-project-domain-name': {
    kind: 'text',
    default: 'Default',
    placeholder: 'NAME',
    help: 'The domain of that project.',
  },
  'keystone-ca-file': {
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: "PEM certificates that Keystone's is verified with.",
  },
  'keystone-timeout-seconds': {
    kind: 'integer',
    min: 1,
    max: 60,
    default: 5,
    placeholder: 'S',
    help: 'How long Keystone may take for one answer; then the request gets 503.',
  },
  'keystone-token-cache-seconds': {
    kind: 'integer',
    min: 0,
    max: 3600,
    default: 300,
    placeholder: 'S',
    help: 'How long a token counts without asking again: so long may one still be taken that was revoked.',
  },
  'keystone-token-cache-size': {
    kind: 'integer',
    min: 1,
    max: 1_000_000,
    default: 20_000,
    placeholder: 'TOKENS',
    help: 'How many tokens are remembered.',
  },
  'keystone-admin-roles': {
    kind: 'list',
    default: ['admin'],
    placeholder: 'ROLE',
    help: 'Who has one of these, in any project, may do everything.',
  },
  'keystone-member-roles': {
    kind: 'list',
    default: ['member'],
    placeholder: 'ROLE',
    help: 'Who has one of these in a project may read and write what is its.',
  },
  'keystone-reader-roles': {
    kind: 'list',
    default: ['reader'],
    placeholder: 'ROLE',
    help: 'Who has one of these in a project, and none of the others, may only read.',
  },
  'keystone-service-token-roles': {
    kind: 'list',
    default: ['service'],
    placeholder: 'ROLE',
    help: 'A service whose token (X-Service-Token) has one of these may go on with a token of a user that has ended.',
  },
  'keystone-service-token-roles-required': {
    kind: 'flag',
    default: false,
    help: 'Refuse requests whose service token has none of these roles; else such a token changes nothing.',
  },
} as const satisfies OptionTable;

type KeystoneConfig = Settled<typeof KEYSTONE_OPTIONS>;

function needed(config: KeystoneConfig, name: keyof KeystoneConfig): string {
  const value = config[name];
  if (typeof value === 'string' && value !== '') return value;
  throw new ConfigurationError(`--identity keystone needs --${name}`);
}

/** Identity by the Keystone of the configuration, and what is told those without a token. Throws ConfigurationError. */
export function keystoneIdentity(
  config: KeystoneConfig,
  log: Log,
): { readonly identify: Identify; readonly challenge: string } {
  const authUrl = needed(config, 'keystone-auth-url');
  const shown =
    config['keystone-www-authenticate-uri'] ?? tokensUrl(authUrl).href.replace(/\/v3\/auth\/tokens.*$/, '');
  if (!/^[\x21\x23-\x7e]+$/.test(shown))
    throw new ConfigurationError(`--keystone-www-authenticate-uri: "${shown}" is no URL`);
  const caFile = config['keystone-ca-file'];
  const identify = keystone({
    ask: keystoneClient({
      authUrl,
      timeoutMs: config['keystone-timeout-seconds'] * 1000,
      ...(caFile === null ? {} : { ca: readAuthorities(caFile) }),
    }),
    user: {
      username: needed(config, 'keystone-username'),
      password: needed(config, 'keystone-password'),
      userDomain: config['keystone-user-domain-name'],
      project: config['keystone-project-name'],
      projectDomain: config['keystone-project-domain-name'],
    },
    roles: {
      admin: config['keystone-admin-roles'],
      member: config['keystone-member-roles'],
      reader: config['keystone-reader-roles'],
    },
    serviceRoles: config['keystone-service-token-roles'],
    serviceRolesRequired: config['keystone-service-token-roles-required'],
    cacheMs: config['keystone-token-cache-seconds'] * 1000,
    cacheSize: config['keystone-token-cache-size'],
    clock: realClock,
    onFailure: (failure) => {
      if (failure) log.warn({ why: failure.message }, 'Keystone cannot say who callers are');
      else log.info({}, 'Keystone says again who callers are');
    },
  });
  return { identify, challenge: `Keystone uri="${shown}"` };
}
