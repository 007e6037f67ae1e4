/** Identity by a fake Keystone over real HTTP, with a wall clock that tests move. */
import { keystone } from '../../src/api/keystone.ts';
import type { Identify } from '../../src/api/identity.ts';
import { ManualClock } from '../../src/lib/manual-clock.ts';
import { keystoneClient } from '../../src/main/keystone-client.ts';
import { type FakeKeystone, SERVICE_USER, startFakeKeystone } from './fake-keystone.ts';

export interface KeystoneUnderTest {
  readonly fake: FakeKeystone;
  readonly clock: ManualClock;
  readonly identify: Identify;
  /** What was said of Keystone's failures; null: it answered again. */
  readonly failures: (string | null)[];
  /** Makes a token of that name, by default of a member of the project of that name. */
  issue(name: string, facts?: { project?: string | null; roles?: readonly string[]; forMs?: number }): void;
}

export const CHALLENGE = 'Keystone uri="http://keystone.example:5000"';
export const CACHE_MS = 300_000;

/** An hour, as Keystone has it by default. */
const TOKEN_MS = 3_600_000;

export async function startKeystone(
  more: { cacheSize?: number; timeoutMs?: number; serviceRolesRequired?: boolean } = {},
): Promise<KeystoneUnderTest> {
  const clock = new ManualClock();
  const fake = await startFakeKeystone(() => clock.wall().getTime());
  const failures: (string | null)[] = [];
  const identify = keystone({
    ask: keystoneClient({ authUrl: fake.url, timeoutMs: more.timeoutMs ?? 10_000 }),
    user: SERVICE_USER,
    roles: { admin: ['admin'], member: ['member'], reader: ['reader'] },
    serviceRolesRequired: more.serviceRolesRequired ?? false,
    cacheMs: CACHE_MS,
    cacheSize: more.cacheSize ?? 100,
    clock,
    onFailure: (failure) => failures.push(failure?.message ?? null),
  });
  return {
    ...{ fake, clock, identify, failures },
    issue(name, { project = name, roles = ['member', 'reader'], forMs = TOKEN_MS } = {}) {
      const expiresAt = clock.wall().getTime() + forMs;
      fake.tokens.set(name, {
        user: `user-${project}`,
        roles,
        expiresAt,
        ...(project === null ? {} : { project }),
      });
    },
  };
}
