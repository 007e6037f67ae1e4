/** Who asks. Nothing that a client says of itself in X-* headers is believed. */
import type { Caller } from '../operations/operation.ts';

/** What identities are known by. */
export interface Credentials {
  /** The Authorization header, if there was one. */
  readonly authorization: string | undefined;
}

/** Says who the caller is, or throws Fault HTTPUnauthorized (or ServiceUnavailable when too busy to tell). */
export type Identify = (credentials: Credentials) => Promise<Caller>;

/** Everyone is admin of this project: for loopback and Unix sockets. */
export function noIdentity(projectId: string): Identify {
  const caller: Caller = { projectId, userId: '', isAdmin: true };
  return () => Promise.resolve(caller);
}
