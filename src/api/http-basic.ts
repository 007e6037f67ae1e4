/**
 * HTTP basic authentication (RFC 7617) against an htpasswd-style file. One user a line:
 *
 *     user:bcrypt-hash[:project[:roles]]
 *
 * - The hash is bcrypt's, as `htpasswd -B` writes it ($2y$, $2b$ or $2a$); other kinds are refused when the file is read.
 * - Without a project the user is an admin of the default project, as with other OpenStack services that run on their own.
 * - With a project, the user is a member of it; roles are words parted by commas, `admin` makes an admin, others are for policy files.
 * - Empty lines and lines that begin with `#` do not count.
 *
 * bcrypt is slow on purpose, so a verified pair of user and password is remembered for a minute, as an HMAC under a key
 * that never leaves the process. A changed file forgets them all.
 */
import { createHmac } from 'node:crypto';
import bcrypt from 'bcryptjs';
import type { Clock } from '../lib/clock.ts';
import type { Caller } from '../operations/operation.ts';
import { Fault } from '../resources/errors.ts';
import type { Identify } from './identity.ts';

/** The credentials file, handed in by main. */
export interface CredentialsFile {
  /** Changes whenever the text does; cheap (e.g. inode, size and time of change). */
  version(): Promise<string>;
  read(): Promise<string>;
}

export interface HttpBasicOptions {
  readonly file: CredentialsFile;
  readonly defaultProject: string;
  readonly clock: Clock;
  /** 32 random bytes of this process. */
  readonly key: Uint8Array;
  /** Whether the password is the hash's; by default bcrypt says. */
  readonly compare?: (password: string, hash: string) => Promise<boolean>;
}

interface User {
  readonly hash: string;
  readonly caller: Caller;
}

const REMEMBER_MS = 60_000;
const LOOK_AT_FILE_EVERY_MS = 1_000;
const MAX_REMEMBERED = 10_000;
/** bcrypt runs at once; more callers than this are told to come back. */
const MAX_AT_ONCE = 16;

/** Reads the file's text. Throws Error that names the line. */
export function parseCredentials(text: string, defaultProject: string): Map<string, User> {
  const users = new Map<string, User>();
  text.split(/\r?\n/).forEach((line, at) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    const [userId = '', hash = '', project, roles = ''] = line.trim().split(':');
    if (userId === '' || !/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(hash))
      throw new Error(`line ${at + 1}: not user:bcrypt-hash[:project[:roles]]`);
    const named = roles.split(',').filter((role) => role !== '');
    const isAdmin = project === undefined || project === '' || named.includes('admin');
    const projectId = project || defaultProject;
    const own = [
      'member',
      'reader',
      ...named.filter((role) => role !== 'admin'),
      ...(isAdmin ? ['admin'] : []),
    ];
    const credentials = { user_id: userId, project_id: projectId, roles: own };
    users.set(userId, { hash, caller: { projectId, userId, isAdmin, credentials } });
  });
  return users;
}

const unauthorized = () =>
  new Fault('HTTPUnauthorized', 'This server could not verify that you are authorized.');

function decode(authorization: string | undefined): { user: string; password: string } {
  const match = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(authorization ?? '');
  const text = Buffer.from(match?.[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 1) throw unauthorized();
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Identity by user and password. A file that cannot be read or parsed throws: nobody is let in by an old one. */
export function httpBasic(options: HttpBasicOptions): Identify {
  const { clock, file, compare = bcrypt.compare } = options;
  let users = new Map<string, User>();
  let version: string | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | undefined;
  const verifiedUntil = new Map<string, number>();
  const verifying = new Map<string, Promise<boolean>>();

  async function look(): Promise<void> {
    const now = await file.version();
    if (now !== version) {
      users = parseCredentials(await file.read(), options.defaultProject);
      version = now;
      verifiedUntil.clear();
    }
    lookedAt = clock.now();
  }

  async function refresh(): Promise<void> {
    if (clock.now() - lookedAt < LOOK_AT_FILE_EVERY_MS) return;
    looking ??= look().finally(() => {
      looking = undefined;
    });
    await looking;
  }

  // a user who does not exist must take as long as one who does
  const anyHash = (): string => users.values().next().value?.hash ?? '';

  async function verify(fingerprint: string, password: string, user: User | undefined): Promise<boolean> {
    const underWay = verifying.get(fingerprint);
    if (underWay) return underWay;
    if (verifying.size >= MAX_AT_ONCE)
      throw new Fault('ServiceUnavailable', 'Too many credentials are being verified. Please try again.');
    const check = compare(password, user?.hash ?? anyHash())
      .then((same) => same && user !== undefined)
      .finally(() => verifying.delete(fingerprint));
    verifying.set(fingerprint, check);
    return check;
  }

  return async ({ authorization }) => {
    const { user: name, password } = decode(authorization);
    await refresh();
    const user = users.get(name);
    const fingerprint = createHmac('sha256', options.key)
      .update(JSON.stringify([name, password, user?.hash]))
      .digest('base64');
    if (user && (verifiedUntil.get(fingerprint) ?? Number.NEGATIVE_INFINITY) > clock.now())
      return user.caller;
    if (!(await verify(fingerprint, password, user)) || !user) throw unauthorized();
    if (verifiedUntil.size >= MAX_REMEMBERED) verifiedUntil.clear();
    verifiedUntil.set(fingerprint, clock.now() + REMEMBER_MS);
    return user.caller;
  };
}
