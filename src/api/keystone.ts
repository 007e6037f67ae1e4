/**
 * Identity by tokens of a Keystone: `X-Auth-Token`, validated by `GET /v3/auth/tokens` (Identity API v3) with a token of the
 * service's own. What it promises:
 *
 * - A token counts for as long as Keystone says, but is asked for again after `cacheMs`: so long may one that is revoked
 *   still be taken here. One that Keystone does not know is remembered for a few seconds.
 * - Requests with the same token at once ask Keystone once. Tokens are remembered by their hash, a bounded number of them.
 * - What cannot be decided is a Fault ServiceUnavailable (503), never an admission. While Keystone does not answer, new tokens
 *   get that at once but for one at a time, so that nobody waits for many time-outs; known ones are served on.
 * - A service that speaks for a user says so by a token of its own, `X-Service-Token`, as with keystonemiddleware: one that is
 *   none is refused with the request, and one with a role of `serviceRoles` lets the user's token have ended, for as long as
 *   Keystone still knows it (its `allow_expired_window`).
 * - No token and no password is in a log line or an error.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../resources/errors.ts';
import { Breaker, type FailureKind } from './breaker.ts';
import { Expiring } from './expiring.ts';
import type { Identify } from './identity.ts';
import { callerOf, hasOneOf, readToken, type RoleNames, type TokenFacts } from './token.ts';

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
  /** Whether the token may be one that has ended. */
  readonly allowExpired?: boolean;
}) => Promise<KeystoneAnswer>;

/** The user whose token the service asks with; names as in Keystone's password method. */
export interface ServiceUser {
  readonly username: string;
  readonly password: string;
  readonly userDomain: string;
  readonly project: string;
  readonly projectDomain: string;
}

export interface KeystoneOptions {
  readonly ask: AskKeystone;
  readonly user: ServiceUser;
  readonly roles: RoleNames;
  /** By which a service token is one; by default `service`. */
  readonly serviceRoles?: readonly string[];
  /** Whether requests with a service token that has none of these roles are refused; else it is no more than a valid token. */
  readonly serviceRolesRequired?: boolean;
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

interface Asked {
  readonly token: string;
  readonly allowExpired: boolean;
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64');

const isToken = (text: string): boolean => text.length <= MAX_TOKEN && /^[\x21-\x7e]+$/.test(text);

/** Identity by a Keystone's tokens. */
export function keystone(options: KeystoneOptions): Identify {
  const { ask, clock, roles, serviceRoles = ['service'] } = options;
  const own = new OwnToken(options);
  const known = new Expiring<TokenFacts>(clock, options.cacheSize);
  const unknown = new Expiring<true>(clock, options.cacheSize);
  const underWay = new Map<string, Promise<TokenFacts | undefined>>();
  const breaker = new Breaker(clock, options.onFailure);

  async function validate({ token, allowExpired }: Asked, again = true): Promise<TokenFacts | undefined> {
    const mine = await own.get();
    const { status, body } = await ask({
      ...{ method: 'GET', headers: { 'x-auth-token': mine, 'x-subject-token': token }, allowExpired },
    });
    if (NO_TOKEN.has(status)) return undefined;
    if (status === 401 && again) {
      own.drop(mine);
      return validate({ token, allowExpired }, false);
    }
    const facts = status === 200 ? readToken(body) : undefined;
    // 403: the service user may validate no tokens, or it is a token by a trust that has lost its ground
    if (!facts) throw new Error(`Keystone did not say what a token is: it answered ${status}`);
    return facts;
  }

  async function find(asked: Asked, name: string): Promise<TokenFacts | undefined> {
    const facts = await breaker.through(() => validate(asked), kindOf);
    const leftMs = facts ? facts.expiresAt - clock.wall().getTime() : 0;
    if (facts && leftMs > 0) known.set(hashOf(asked.token), facts, Math.min(leftMs, options.cacheMs));
    else if (facts && asked.allowExpired) known.set(name, facts, options.cacheMs);
    else unknown.set(name, true, UNKNOWN_MS);
    return leftMs > 0 || asked.allowExpired ? facts : undefined;
  }

  function factsOf(token: string, allowExpired = false): Promise<TokenFacts | undefined> {
    const hash = hashOf(token);
    // what has ended is remembered apart: it counts only for who may have it so
    const name = allowExpired ? `${hash} ended` : hash;
    const facts = known.get(hash) ?? known.get(name);
    if (facts || unknown.get(name)) return Promise.resolve(facts);
    const asked = underWay.get(name);
    if (asked) return asked;
    if (underWay.size >= MAX_UNDER_WAY) return Promise.reject(unavailable());
    const finding = find({ token, allowExpired }, name)
      .catch(() => Promise.reject(unavailable()))
      .finally(() => underWay.delete(name));
    underWay.set(name, finding);
    return finding;
  }

  /** The service that speaks for the user. Throws Fault HTTPUnauthorized if the token is no service's. */
  async function serviceOf(token: string): Promise<TokenFacts> {
    const facts = isToken(token) ? await factsOf(token) : undefined;
    if (!facts || (options.serviceRolesRequired && !hasOneOf(facts, serviceRoles))) throw unauthorized();
    return facts;
  }

  return async ({ token, serviceToken }) => {
    if (token === undefined || !isToken(token)) throw unauthorized();
    const service = serviceToken === undefined ? undefined : await serviceOf(serviceToken);
    const facts = await factsOf(token, service !== undefined && hasOneOf(service, serviceRoles));
    if (!facts) throw unauthorized();
    return callerOf(facts, roles, service);
  };
}
