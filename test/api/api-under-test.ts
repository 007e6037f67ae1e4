/** The real API over real HTTP on a real PostgreSQL, with three callers: an admin and members of two projects. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { Registry } from 'prom-client';
import { createApi } from '../../src/api/app.ts';
import { collections } from '../../src/api/collections.ts';
import type { Identify } from '../../src/api/identity.ts';
import { ruleNames } from '../../src/api/policy-names.ts';
import { Policy } from '../../src/api/policy-rules.ts';
import { ROLE_NAMES } from '../../src/api/token.ts';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import type { Settings } from '../../src/operations/operation.ts';
import { readPolicyFile } from '../../src/policy/file.ts';
import { Fault } from '../../src/resources/errors.ts';
import type { Store } from '../../src/store/store.ts';
import { openTestDatabase } from '../support/postgres.ts';

export const SETTINGS: Settings = {
  vniRange: [1, 16_777_215],
  flatNetworks: ['physnet1', 'physnet2'],
  vlanNetworks: [],
  underlayMtu: 1500,
  macPrefix: 'fa:16:3e',
  dhcpAgentsPerNetwork: 1,
  dnsDomain: 'example.test.',
  quotas: { network: -1, subnet: -1, port: -1 },
  maxDnsNameservers: 5,
  maxHostRoutes: 20,
  maxFixedIpsPerPort: 5,
  agentDownTimeMs: 10_000,
};

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
  readonly text: string;
}

export interface Asked {
  /** As whom: `admin` (of project `admin`), or a member of a project of that name; it is said as a token too. */
  readonly as?: string;
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string | Buffer;
  readonly headers?: Record<string, string>;
}

export interface ApiUnderTest {
  readonly url: string;
  readonly store: Store;
  /** What was logged as a bug. */
  readonly bugs: string[];
  /** The fields of all that was logged. */
  readonly logged: readonly object[];
  ask(method: string, path: string, asked?: Asked): Promise<Answer>;
  /** Asks, and fails unless the answer has that status; gives the body. */
  expect(status: number, method: string, path: string, asked?: Asked): Promise<Json>;
  /** Makes one of that collection (`routers`, `rbac_policies`). */
  make(plural: string, body: object, as: string): Promise<Json>;
  /** Asks, and fails unless the answer is that status and error type, with these words in its message. */
  refused(
    expected: readonly [status: number, type: string, words?: string],
    method: string,
    path: string,
    asked: Asked,
  ): Promise<void>;
  close(): Promise<void>;
}

/** `Authorization: as NAME`; without one, nobody. */
const byName: Identify = ({ authorization }) => {
  const name = authorization?.replace(/^as /, '');
  if (!name) return Promise.reject(new Fault('HTTPUnauthorized', 'This server could not verify you.'));
  return Promise.resolve({ projectId: name, userId: name, isAdmin: name === 'admin' });
};

/** The rules of a policy file of this text. */
export const policyOf = (text: string): Policy =>
  new Policy(ruleNames(collections, ROLE_NAMES), readPolicyFile(text));

export interface ApiTestOptions {
  readonly settings?: Partial<Settings>;
  readonly identify?: Identify;
  readonly challenge?: string;
  readonly policy?: Policy;
  readonly maxBodyBytes?: number;
  readonly ready?: () => Promise<string | null>;
  /** Agents count as alive unless this says no. */
  readonly isAlive?: (agent: { readonly id: string }) => boolean;
}

export async function startApi(options: ApiTestOptions = {}): Promise<ApiUnderTest> {
  const database = await openTestDatabase();
  const bugs: string[] = [];
  const logged: object[] = [];
  const app = createApi({
    store: database.store,
    identify: options.identify ?? byName,
    ...(options.challenge === undefined ? {} : { challenge: options.challenge }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    settings: { ...SETTINGS, ...options.settings },
    clock: realClock,
    random: realRandom,
    secret: () => realRandom.uuid(),
    isAlive: options.isAlive ?? (() => true),
    isEligible: options.isAlive ?? (() => true),
    log: {
      debug: (fields) => void logged.push(fields),
      info: (fields) => void logged.push(fields),
      error(fields: { err?: Error }) {
        logged.push(fields);
        bugs.push(fields.err?.stack ?? JSON.stringify(fields));
      },
    },
    metrics: new Registry(),
    ready: options.ready ?? (() => Promise.resolve(null)),
    ...(options.maxBodyBytes === undefined ? {} : { maxBodyBytes: options.maxBodyBytes }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;

  async function ask(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const headers: Record<string, string> = { ...asked.headers };
    if (asked.as !== '') {
      headers['authorization'] ??= `as ${asked.as ?? 'admin'}`;
      headers['x-auth-token'] ??= asked.as ?? 'admin';
    }
    const body = asked.raw ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
    if (body !== undefined) headers['content-type'] ??= 'application/json';
    const response = await fetch(url + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body as string }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') && text !== '';
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? JSON.parse(text) : undefined,
      text,
    };
  }

  const expect: ApiUnderTest['expect'] = async (status, method, path, asked) => {
    const answer = await ask(method, path, asked);
    assert.equal(
      answer.status,
      status,
      `${method} ${path}: ${answer.status} ${answer.text}\n${bugs.join('\n')}`,
    );
    return answer.body;
  };

  return {
    url,
    store: database.store,
    bugs,
    logged,
    ask,
    expect,
    async make(plural, body, as) {
      const singular = plural.replace(/ies$/, 'ys').slice(0, -1);
      const asked = { as, body: { [singular]: body } };
      return (await expect(201, 'POST', `/v2.0/${plural.replaceAll('_', '-')}`, asked))[singular];
    },
    async refused([expected, expectedType, words], method, path, asked) {
      const { status, body } = await ask(method, path, asked);
      const { type, message } = body?.NeutronError ?? {};
      assert.deepEqual([status, type], [expected, expectedType], message);
      if (words !== undefined) assert.ok(message.includes(words), message);
    },
    async close() {
      await app.close();
      await database.close();
    },
  };
}
