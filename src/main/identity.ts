/** Which identity the server's configuration asks for, and whether it may be served where it listens. */
import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { httpBasic, parseCredentials } from '../api/http-basic.ts';
import { noIdentity } from '../api/identity.ts';
import { realClock } from '../lib/clock.ts';
import type { ApiOptions } from '../api/app.ts';
import { isLoopback, type ListenAddress, type ServerConfig } from './config.ts';
import { keystoneIdentity } from './keystone-options.ts';
import { describeAddress } from './listen.ts';
import type { Log } from './logging.ts';
import { ConfigurationError } from './options.ts';

/** Throws ConfigurationError: unknown kind, unreadable file, or everyone an admin on an address that others reach. */
export async function chooseIdentity(
  config: ServerConfig,
  { addresses, log }: { readonly addresses: readonly ListenAddress[]; readonly log: Log },
): Promise<Pick<ApiOptions, 'identify' | 'challenge'>> {
  const kind = config.identity;
  if (kind === 'none') {
    const open = addresses.find((address) => !isLoopback(address));
    if (open && !config['insecure-open-api']) {
      throw new ConfigurationError(
        `--identity none makes everyone who reaches ${describeAddress(open)} an admin: use http_basic or keystone, listen on loopback, or say --insecure-open-api`,
      );
    }
    return { identify: noIdentity(config['default-project']) };
  }
  if (kind === 'keystone') return keystoneIdentity(config, log);
  if (kind !== 'http_basic')
    throw new ConfigurationError(`--identity: "${kind}" is none of none, http_basic, keystone`);
  const path = config['identity-file'];
  if (path === null) throw new ConfigurationError('--identity http_basic needs --identity-file');
  const file = {
    version: async () => {
      const { ino, size, mtimeMs, ctimeMs } = await stat(path);
      return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
    },
    read: () => readFile(path, 'utf8'),
  };
  const defaultProject = config['default-project'];
  try {
    parseCredentials(await file.read(), defaultProject);
  } catch (error) {
    throw new ConfigurationError(`--identity-file ${path}: ${(error as Error).message}`);
  }
  return { identify: httpBasic({ file, defaultProject, clock: realClock, key: randomBytes(32) }) };
}
