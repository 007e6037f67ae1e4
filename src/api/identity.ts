/** Who asks. Nothing that a client says of itself in X-* headers is believed. */
import type { Caller } from '../operations/operation.ts';

/** What identities are known by. */
export interface Credentials {
  /** The Authorization header, if there was one. */
  readonly authorization: string | undefined;
  /** The header X-Auth-Token, if there was one. */
  readonly token: string | undefined;
  /** The header X-Service-Token, if there was one: of the service that asks for the user. */
  readonly serviceToken?: string | undefined;
}

/** Says who the caller is, or throws Fault HTTPUnauthorized, or ServiceUnavailable when it cannot be told. */
export type Identify = (credentials: Credentials) => Promise<Caller>;

/** Everyone is admin of this project: for loopback and Unix sockets. */
export function noIdentity(projectId: string): Identify {
  const caller: Caller = { projectId, userId: '', isAdmin: true };
  return () => Promise.resolve(caller);
}
