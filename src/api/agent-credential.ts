/** Which host asks: agents show a credential of their own, `Authorization: Bearer <credential>`. */
import { Fault } from '../resources/errors.ts';

/** The host of a credential; undefined if there is none. */
export type AuthenticateHost = (credential: string) => Promise<string | undefined>;

/** Throws Fault HTTPUnauthorized. */
export async function hostOf(
  authorization: string | undefined,
  authenticate: AuthenticateHost,
): Promise<string> {
  const credential = /^Bearer ([\w\-.~+/=]{1,256})$/i.exec(authorization ?? '')?.[1];
  const host = credential === undefined ? undefined : await authenticate(credential);
  if (host === undefined)
    throw new Fault('HTTPUnauthorized', 'The agent credential is missing or not valid.');
  return host;
}

/** Throws Fault PolicyNotAuthorized if an agent speaks for another host. */
export function mustBeOwn(host: string, named: string): void {
  if (host !== named) {
    throw new Fault('PolicyNotAuthorized', `The credential is of host ${host}, not of host ${named}.`);
  }
}
