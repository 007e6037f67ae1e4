/** The command line's way to the server: the public HTTP API, like any other client. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { parseArgs } from 'node:util';
import { UsageError } from './command.ts';

export interface Endpoint {
  /** `http://127.0.0.1:9696`, or `unix:/path/to.sock`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** Of Keystone. */
  readonly token?: string;
}

/** The options that every command with an endpoint takes, for its help. */
export const ENDPOINT_HELP = `  --endpoint URL     the server's API, http(s)://HOST:PORT or unix:PATH [OS_ENDPOINT, http://127.0.0.1:9696]
  --username NAME, --password TEXT    for identity http_basic [OS_USERNAME, OS_PASSWORD]
  --token TEXT       for identity keystone, as \`openstack token issue\` prints it [OS_TOKEN]
                     (for https, NODE_EXTRA_CA_CERTS names a file of authorities to trust beside the system's)`;

export const ENDPOINT_OPTIONS = {
  endpoint: { type: 'string' },
  username: { type: 'string' },
  password: { type: 'string' },
  token: { type: 'string' },
} as const satisfies NonNullable<Parameters<typeof parseArgs>[0]>['options'];

type Env = Readonly<Record<string, string | undefined>>;

/** Flags first, then the environment that the `openstack` client reads too. */
export function endpointFrom(
  flags: {
    readonly endpoint?: string | undefined;
    readonly username?: string | undefined;
    readonly password?: string | undefined;
    readonly token?: string | undefined;
  },
  env: Env,
): Endpoint {
  const url = flags.endpoint ?? env['DEUTERON_ENDPOINT'] ?? env['OS_ENDPOINT'] ?? 'http://127.0.0.1:9696';
  if (!/^(https?:\/\/|unix:)/.test(url))
    throw new UsageError(`--endpoint must be http://, https:// or unix:, not ${url}`);
  const username = flags.username ?? env['OS_USERNAME'];
  const password = flags.password ?? env['OS_PASSWORD'];
  const token = flags.token ?? env['OS_TOKEN'];
  return {
    url: url.replace(/\/+$/, '').replace(/\/v2\.0$/, ''),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(token === undefined || token === '' ? {} : { token }),
  };
}

/** The server refused; `status` is HTTP's, the message is the server's. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface ApiAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
  readonly body: any;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** One request. Throws ApiError for 4xx and 5xx, and an Error that names the endpoint where nobody answers. */
export function callApi(
  endpoint: Endpoint,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const unix = endpoint.url.startsWith('unix:');
  const target = new URL(path, unix ? 'http://localhost' : endpoint.url);
  const text = body === undefined ? undefined : JSON.stringify(body);
  const credentials = Buffer.from(`${endpoint.username ?? ''}:${endpoint.password ?? ''}`).toString('base64');
  const options = {
    method,
    ...(unix ? { socketPath: endpoint.url.slice(5) } : {}),
    headers: {
      accept: 'application/json',
      ...(text === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      ...(endpoint.token === undefined ? {} : { 'x-auth-token': endpoint.token }),
      ...(endpoint.username === undefined ? {} : { authorization: `Basic ${credentials}` }),
    },
  };
  return new Promise((resolve, reject) => {
    const request = (target.protocol === 'https:' ? httpsRequest : httpRequest)(
      target,
      options,
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          const parsed = parseBody(Buffer.concat(chunks).toString('utf8'));
          if (status >= 400) {
            reject(new ApiError(status, parsed?.NeutronError?.message ?? `the server answered ${status}`));
          } else resolve({ status, body: parsed, headers: response.headers });
        });
      },
    );
    request.on('error', (cause) => reject(new Error(`no answer from ${endpoint.url}`, { cause })));
    request.end(text);
  });
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The id of what is called by its id or its name. Throws where no name, or more than one, is the same. */
export async function findId(
  endpoint: Endpoint,
  kind: 'port' | 'network' | 'router',
  wanted: string,
): Promise<string> {
  if (UUID.test(wanted)) return wanted;
  const path = `/v2.0/${kind}s?fields=id&name=${encodeURIComponent(wanted)}`;
  const found: { id: string }[] = (await callApi(endpoint, 'GET', path)).body[`${kind}s`];
  const [only] = found;
  if (only && found.length === 1) return only.id;
  throw new Error(
    `${found.length === 0 ? `no ${kind} is` : `${found.length} ${kind}s are`} called "${wanted}"`,
  );
}

// biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
function parseBody(text: string): any {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return { NeutronError: { message: text.slice(0, 200) } };
  }
}
