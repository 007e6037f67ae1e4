/**
 * Identity by tokens of a Keystone: `X-Auth-Token`, validated by `GET /v3/auth/tokens` (Identity API v3) with a token of the
 * service's own. What it promises:
 *
 * - A token counts for as long as Keystone says, but is asked for again after `cacheMs`: so long may one that is revoked
 *   still be taken here. One that Keystone does not know is remembered for a few seconds.
 * - Requests with the same token at once ask Keystone once. Tokens are remembered by their hash, a bounded number of them.
 * - What cannot be decided is a Fault ServiceUnavailable (503), never an admission. While Keystone does not answer, new tokens
 *   get that at once but for one at a time, so that nobody waits for many time-outs; known ones are served on.
 * - No token and no password is in a log line or an error.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { Caller } from '../operations/operation.ts';
import { Fault } from '../resources/errors.ts';
import { isPlainObject } from '../resources/values.ts';
import { Breaker, type FailureKind } from './breaker.ts';
import { Expiring } from './expiring.ts';
import type { Identify } from './identity.ts';

export interface KeystoneAnswer {
  readonly status: number;
  /** The header X-Subject-Token, if there was one. */
  readonly subjectToken: string | undefined;
  /** What the body holds; undefined where it is no JSON. */
  readonly body: unknown;
}

/** Nothing was heard within the time that an answer may take. */
export class NoAnswerInTime extends Error {
  override readonly name = 'NoAnswerInTime';
}

/** Asks `/v3/auth/tokens` and nothing else; rejects with NoAnswerInTime, or with another error where it cannot ask. */
export type AskKeystone = (asked: {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}) => Promise<KeystoneAnswer>;

/** The user whose token the service asks with; names as in Keystone's password method. */
export interface ServiceUser {
  readonly username: string;
  readonly password: string;
  readonly userDomain: string;
  readonly project: string;
  readonly projectDomain: string;
}

export interface RoleNames {
  readonly admin: readonly string[];
  readonly member: readonly string[];
  readonly reader: readonly string[];
}

export interface KeystoneOptions {
  readonly ask: AskKeystone;
  readonly user: ServiceUser;
  readonly roles: RoleNames;
  /** How long an answer is believed. */
  readonly cacheMs: number;
  readonly cacheSize: number;
  readonly clock: Clock;
  /** Told when Keystone begins to fail, and with null when it answers again. */
  readonly onFailure: (failure: Error | null) => void;
}

const UNKNOWN_MS = 5_000;
/** A token of one's own is renewed so long before it ends. */
const RENEW_BEFORE_MS = 60_000;
/** Beyond any kind of token that Keystone makes. */
const MAX_TOKEN = 4_096;
/** What Keystone, or what stands before it, says of something that is no token of its. */
const NO_TOKEN: ReadonlySet<number> = new Set([404, 400, 413, 431]);
/** More tokens than this are not asked for at once. */
const MAX_UNDER_WAY = 1_000;

const unauthorized = () =>
  new Fault('HTTPUnauthorized', 'The request you have made requires authentication.');
const unavailable = () =>
  new Fault('ServiceUnavailable', 'Keystone cannot be asked who you are at the moment. Please try again.');

/** Keystone does not let the service user in: each further try may be counted against it. */
class Refused extends Error {
  override readonly name = 'Refused';
}

const kindOf = (error: unknown): FailureKind =>
  error instanceof NoAnswerInTime ? 'silence' : error instanceof Refused ? 'refusal' : 'other';

/** What a valid token says of its bearer. */
export interface TokenFacts {
  readonly expiresAt: number;
  readonly userId: string;
  /** '' where the token is for a domain, the system or nothing. */
  readonly projectId: string;
  readonly roles: readonly string[];
}

const idIn = (value: unknown): string =>
  isPlainObject(value) && typeof value['id'] === 'string' ? value['id'] : '';

/** Reads the body of an answer to a validation; undefined if it is none. */
export function readToken(body: unknown): TokenFacts | undefined {
  const token = isPlainObject(body) ? body['token'] : undefined;
  if (!isPlainObject(token) || typeof token['expires_at'] !== 'string') return undefined;
  const expiresAt = Date.parse(token['expires_at']);
  const userId = idIn(token['user']);
  if (Number.isNaN(expiresAt) || userId === '') return undefined;
  const given = Array.isArray(token['roles']) ? token['roles'] : [];
  const roles = given.flatMap((role) =>
    isPlainObject(role) && typeof role['name'] === 'string' ? [role['name'].toLowerCase()] : [],
  );
  return { expiresAt, userId, projectId: idIn(token['project']), roles };
}

/**
 * Who the bearer is here, by Neutron's defaults: an admin is one whatever the token is for, members and readers are such of the
 * token's project. undefined: it has no role here.
 */
export function callerOf({ projectId, userId, roles }: TokenFacts, names: RoleNames): Caller | undefined {
  const has = (some: readonly string[]) => some.some((name) => roles.includes(name.toLowerCase()));
  if (has(names.admin)) return { projectId, userId, isAdmin: true };
  if (projectId === '') return undefined;
  if (has(names.member)) return { projectId, userId, isAdmin: false };
  return has(names.reader) ? { projectId, userId, isAdmin: false, mayOnlyRead: true } : undefined;
}

/** The token that the service itself asks with: made when it is needed, and anew before it ends or once it is refused. */
class OwnToken {
  readonly #options: KeystoneOptions;
  #token: string | undefined;
  #until = 0;
  #making: Promise<string> | undefined;

  constructor(options: KeystoneOptions) {
    this.#options = options;
  }

  async get(): Promise<string> {
    if (this.#token !== undefined && this.#options.clock.now() < this.#until) return this.#token;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  /** That token was refused; one made since stays. */
  drop(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }

  async #make(): Promise<string> {
    const { clock, user } = this.#options;
    const { username: name, password, userDomain, project, projectDomain } = user;
    const who = { user: { name, password, domain: { name: userDomain } } };
    const auth = {
      identity: { methods: ['password'], password: who },
      scope: { project: { name: project, domain: { name: projectDomain } } },
    };
    const { status, subjectToken, body } = await this.#options.ask({
      ...{ method: 'POST', headers: {}, body: { auth } },
    });
    if (status === 401 || status === 403) throw new Refused(`Keystone refuses the service user (${status})`);
    const facts = readToken(body);
    if (status !== 201 || subjectToken === undefined || !facts)
      throw new Error(`Keystone gave no token: it answered ${status}`);
    const forMs = facts.expiresAt - clock.wall().getTime();
    // of one that lives shorter than that it is renewed with half its time to go
    this.#until = clock.now() + Math.max(forMs - RENEW_BEFORE_MS, forMs / 2);
    this.#token = subjectToken;
    return subjectToken;
  }
}

/** Identity by a Keystone's tokens. */
export function keystone(options: KeystoneOptions): Identify {
  const { ask, clock, roles } = options;
  const own = new OwnToken(options);
  const known = new Expiring<TokenFacts>(clock, options.cacheSize);
  const unknown = new Expiring<true>(clock, options.cacheSize);
  const underWay = new Map<string, Promise<TokenFacts | undefined>>();
  const breaker = new Breaker(clock, options.onFailure);

  async function validate(token: string, again = true): Promise<TokenFacts | undefined> {
    const mine = await own.get();
    const { status, body } = await ask({
      ...{ method: 'GET', headers: { 'x-auth-token': mine, 'x-subject-token': token } },
    });
    if (NO_TOKEN.has(status)) return undefined;
    if (status === 401 && again) {
      own.drop(mine);
      return validate(token, false);
    }
    const facts = status === 200 ? readToken(body) : undefined;
    // 403: the service user may validate no tokens, or it is a token by a trust that has lost its ground
    if (!facts) throw new Error(`Keystone did not say what a token is: it answered ${status}`);
    return facts;
  }

  async function find(token: string, hash: string): Promise<TokenFacts | undefined> {
    const facts = await breaker.through(() => validate(token), kindOf);
    const leftMs = facts ? facts.expiresAt - clock.wall().getTime() : 0;
    if (facts && leftMs > 0) known.set(hash, facts, Math.min(leftMs, options.cacheMs));
    else unknown.set(hash, true, UNKNOWN_MS);
    return leftMs > 0 ? facts : undefined;
  }

  function factsOf(token: string): Promise<TokenFacts | undefined> {
    const hash = createHash('sha256').update(token).digest('base64');
    const facts = known.get(hash);
    if (facts || unknown.get(hash)) return Promise.resolve(facts);
    const asked = underWay.get(hash);
    if (asked) return asked;
    if (underWay.size >= MAX_UNDER_WAY) return Promise.reject(unavailable());
    const finding = find(token, hash)
      .catch(() => Promise.reject(unavailable()))
      .finally(() => underWay.delete(hash));
    underWay.set(hash, finding);
    return finding;
  }

  return async ({ token }) => {
    if (token === undefined || token.length > MAX_TOKEN || !/^[\x21-\x7e]+$/.test(token))
      throw unauthorized();
    const facts = await factsOf(token);
    if (!facts) throw unauthorized();
    const caller = callerOf(facts, roles);
    if (!caller)
      throw new Fault('PolicyNotAuthorized', 'The token has no role in a project that allows to read here.');
    return caller;
  };
}
