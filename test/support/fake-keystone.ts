/** A Keystone of two routes on loopback: password in, token out; what a token is. Tests move its clock's tokens, and its moods. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

export interface FakeToken {
  readonly user: string;
  /** Absent: it is for no project. */
  readonly project?: string;
  readonly roles: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export type Mood =
  | 'well'
  /** Answers every request with 500. */
  | 'failing'
  /** Takes requests and never answers. */
  | 'silent'
  /** Ends each connection on which it is asked. */
  | 'hanging up'
  /** Ends each connection on which it is asked a second time. */
  | 'hanging up on what is kept'
  /** Knows no password. */
  | 'refusing'
  /** Makes tokens for the service user, and lets it validate none. */
  | 'forbidding';

export interface FakeKeystone {
  readonly url: string;
  readonly tokens: Map<string, FakeToken>;
  /** Validations that were asked for, by token (` ended` behind those that might have), and how often the service user logged in. */
  readonly validations: string[];
  readonly logins: number;
  mood: Mood;
  /** The tokens of the service user that were given out so far are worth nothing any more. */
  forgetService(): void;
  close(): Promise<void>;
}

export const SERVICE_USER = {
  username: 'deuteron',
  password: 'opensesame',
  userDomain: 'Default',
  project: 'service',
  projectDomain: 'Default',
} as const;

/** How long tokens of the service user live. */
const SERVICE_TOKEN_MS = 3_600_000;

/** Keystone's `allow_expired_window`, as it is by default. */
export const ALLOW_EXPIRED_MS = 172_800_000;
const EXPIRED = /&allow_expired=1$/;
const allowsExpired = ({ url }: IncomingMessage): boolean => EXPIRED.test(url ?? '');

function tokenBody(token: FakeToken): object {
  const domain = { id: 'default', name: 'Default' };
  return {
    token: {
      methods: ['password'],
      user: { id: token.user, name: token.user, domain },
      ...(token.project === undefined
        ? {}
        : { project: { id: token.project, name: token.project, domain }, is_domain: false }),
      ...(token.roles.length === 0 ? {} : { roles: token.roles.map((name) => ({ id: `r-${name}`, name })) }),
      issued_at: '2026-01-01T00:00:00.000000Z',
      expires_at: new Date(token.expiresAt).toISOString().replace('Z', '000Z'),
      audit_ids: ['a'],
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

const PASSWORD_AUTH = {
  identity: {
    methods: ['password'],
    password: {
      user: { name: 'deuteron', password: 'opensesame', domain: { name: 'Default' } },
    },
  },
  scope: { project: { name: 'service', domain: { name: 'Default' } } },
};

/** Starts one; `wallMs` is its clock. With a certificate, of `localhost`, it speaks TLS. */
export async function startFakeKeystone(
  wallMs: () => number,
  certificate?: { readonly cert: string; readonly key: string },
): Promise<FakeKeystone> {
  const service = new Set<string>();
  const validations: string[] = [];
  const tokens = new Map<string, FakeToken>();
  const asked = new WeakSet<Socket>();
  let logins = 0;

  function send(response: ServerResponse, status: number, body: object, headers: object = {}): void {
    response.writeHead(status, { 'content-type': 'application/json', vary: 'X-Auth-Token', ...headers });
    response.end(JSON.stringify(body));
  }
  const refuse = (response: ServerResponse, code: number) =>
    send(response, code, { error: { code, message: 'no', title: 'no' } });

  async function login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    logins++;
    const { auth } = (await bodyOf(request)) as { auth: unknown };
    if (fake.mood === 'refusing' || JSON.stringify(auth) !== JSON.stringify(PASSWORD_AUTH))
      return void refuse(response, 401);
    const id = `service-${logins}`;
    service.add(id);
    const expiresAt = wallMs() + SERVICE_TOKEN_MS;
    const body = tokenBody({ user: 'deuteron', project: 'service', roles: ['service'], expiresAt });
    send(response, 201, body, { 'x-subject-token': id });
  }

  /** The status of a validation. */
  function judge(request: IncomingMessage, token: FakeToken | undefined): number {
    if (!service.has(String(request.headers['x-auth-token']))) return 401;
    if (fake.mood === 'forbidding') return 403;
    const sinceMs = allowsExpired(request) ? ALLOW_EXPIRED_MS : 0;
    return token && token.expiresAt > wallMs() - sinceMs ? 200 : 404;
  }

  function validate(request: IncomingMessage, response: ServerResponse): void {
    const subject = String(request.headers['x-subject-token']);
    const token = tokens.get(subject);
    const status = judge(request, token);
    if (status !== 401) validations.push(allowsExpired(request) ? `${subject} ended` : subject);
    if (status === 200 && token) send(response, 200, tokenBody(token), { 'x-subject-token': subject });
    else refuse(response, status);
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    if (fake.mood === 'silent') return;
    const isKept = asked.has(request.socket);
    asked.add(request.socket);
    if (fake.mood === 'hanging up' || (fake.mood === 'hanging up on what is kept' && isKept)) {
      request.socket.destroy();
      return;
    }
    if (fake.mood === 'failing') refuse(response, 500);
    else if (request.url?.replace(EXPIRED, '') !== '/identity/v3/auth/tokens?nocatalog')
      refuse(response, 404);
    else if (request.method === 'POST') void login(request, response);
    else validate(request, response);
  };
  const server = certificate ? createTlsServer(certificate, answer) : createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeKeystone = {
    url: `${certificate ? 'https://localhost' : 'http://127.0.0.1'}:${(server.address() as AddressInfo).port}/identity`,
    tokens,
    validations,
    get logins() {
      return logins;
    },
    mood: 'well',
    forgetService: () => service.clear(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return fake;
}
