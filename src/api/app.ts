/** The whole API as one fastify app, made of what main hands in. It listens to nothing by itself. */
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
} from 'fastify';
import type { Registry } from 'prom-client';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { Call, Caller, Settings } from '../operations/operation.ts';
import { Fault } from '../resources/errors.ts';
import type { Store } from '../store/store.ts';
import { collections } from './collections.ts';
import { addConvergence } from './convergence.ts';
import { addDeuteron } from './deuteron.ts';
import { addDhcpScheduling } from './dhcp-scheduling.ts';
import { addDocsPage, isDocsRoute } from './docs-page.ts';
import { addEvents } from './events.ts';
import { addExplain } from './explain.ts';
import { addExtensions } from './extensions.ts';
import { faultAnswer } from './faults.ts';
import { addHealth } from './health.ts';
import type { Identify } from './identity.ts';
import { checkCharset, checkMediaType, readJsonBody } from './json-body.ts';
import { addMetrics } from './metrics.ts';
import { addOpenApi, openApiDocument } from './openapi.ts';
import { addQuotas } from './quotas.ts';
import { addResource } from './resource-routes.ts';
import { addPortForwardings } from './port-forwardings.ts';
import { addQosRules } from './qos-rules.ts';
import { addQosRuleTypes } from './qos-rule-types.ts';
import { addRoles } from './router-roles.ts';
import { addRouters } from './routers.ts';
import { mustBeLetIn } from './policy.ts';
import type { Policy } from './policy-rules.ts';
import type { Route } from './route.ts';
import { addTags } from './tags.ts';
import { addAutoAllocatedTopology } from './auto-allocated-topology.ts';
import { addFlavors } from './flavors.ts';
import { addSubportsRoute } from './trunks.ts';
import { addVersions } from './versions.ts';

export interface ApiLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ApiOptions {
  readonly store: Pick<Store, 'transact' | 'view'>;
  readonly identify: Identify;
  /** What the policy file says, if there is one. */
  readonly policy?: Policy;
  /** What `WWW-Authenticate` tells those who get 401; by default HTTP basic. */
  readonly challenge?: string;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly isAlive: Call['isAlive'];
  readonly isEligible: Call['isEligible'];
  readonly log: ApiLog;
  /** Where request metrics are registered and `/metrics` reads. */
  readonly metrics: Registry;
  /** Why this server cannot serve now, or null. */
  readonly ready: () => Promise<string | null>;
  /** 256 strongly random bits as text, for hosts' credentials. */
  readonly secret: () => string;
  /** The largest request body; 413 beyond. */
  readonly maxBodyBytes?: number;
}

export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** What the route files add themselves to. */
export interface Api {
  readonly store: ApiOptions['store'];
  /** Adds a route, and what it says of itself to the document. */
  route(at: Route, handler: Handler): void;
  /** Who asks, and what operations need beside. */
  callOf(request: FastifyRequest): Call;
  /** The request's URL as the client sees it, without query string. */
  urlOf(request: FastifyRequest): string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The name by which it is known, if it is more than reading. */
    writes?: string;
    /** The rule of policy files that it asks. */
    rule?: string;
  }
  interface FastifyRequest {
    caller: Caller | undefined;
  }
}

const METHODS: readonly HTTPMethods[] = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** Collections by their names with underscores where theirs has hyphens, and the other way: Neutron knows both, clients use either. */
const SPELLINGS = new Map(
  collections.flatMap(({ map: { path } }) =>
    [path.replaceAll('-', '_'), path.replaceAll('_', '-')]
      .filter((other) => other !== path)
      .map((other): [string, string] => [other, path]),
  ),
);
const ROOT = '/v2.0/';

function asNamed(path: string): string {
  if (!path.startsWith(ROOT)) return path;
  const words = path.slice(ROOT.length).split('/');
  for (const count of [1, 2]) {
    const name = SPELLINGS.get(words.slice(0, count).join('/'));
    if (name !== undefined) return ROOT + [name, ...words.slice(count)].join('/');
  }
  return path;
}

/** `/v2.0/ports.json?...` and `/v2.0/ports/` are `/v2.0/ports`, as with Neutron. */
function plainUrl(url: string): string {
  const question = url.indexOf('?');
  const path = question < 0 ? url : url.slice(0, question);
  const plain = path.replace(/\.json$/, '').replace(/(?<=.)\/+$/, '');
  // the document has a name with that ending
  return plain === '/openapi' ? url : asNamed(plain) + (question < 0 ? '' : url.slice(question));
}

function makeServer(options: ApiOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: options.maxBodyBytes ?? MAX_BODY_BYTES,
    genReqId: () => `req-${options.random.uuid()}`,
    rewriteUrl: (request) => plainUrl(request.url ?? '/'),
    routerOptions: { maxParamLength: 8192, querystringParser: (text) => new URLSearchParams(text) as never },
    frameworkErrors: (error, request, reply) => sendFault(options, { error, request, reply: reply as never }),
    clientErrorHandler: answerClientError,
  });
  app.removeAllContentTypeParsers();
  const read = (
    request: FastifyRequest,
    body: unknown,
    done: (error: Error | null, body?: unknown) => void,
  ) => {
    try {
      checkMediaType(request.method, request.headers['content-type']);
      checkCharset(request.headers['content-type']);
      done(null, readJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  };
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, read);
  app.addContentTypeParser('*', { parseAs: 'buffer' }, read);
  app.decorateRequest('caller', undefined);
  return app;
}

function sendFault(
  options: ApiOptions,
  { error, request, reply }: { error: unknown; request: FastifyRequest; reply: FastifyReply },
): FastifyReply {
  const answer = faultAnswer(error, request.id);
  if (answer.bug)
    options.log.error({ err: error, request: request.id, method: request.method, url: request.url }, 'bug');
  const challenge =
    answer.status === 401 && options.challenge ? { 'www-authenticate': options.challenge } : {};
  return reply
    .code(answer.status)
    .headers({
      ...answer.headers,
      ...challenge,
      'content-type': 'application/json',
      'x-openstack-request-id': request.id,
    })
    .send(JSON.stringify(answer.body));
}

/** Answers what is not even HTTP (for an http.Server's 'clientError'). */
export function answerClientError(
  error: Error & { code?: string },
  socket: { writable: boolean; end(text: string): void; destroy(): void },
): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const tooLong = error.code === 'HPE_HEADER_OVERFLOW';
  const message = tooLong
    ? 'The request line or its headers are too long.'
    : 'The request is not valid HTTP.';
  const body = JSON.stringify({ NeutronError: { type: 'HTTPBadRequest', message, detail: '' } });
  const status = tooLong ? '431 Request Header Fields Too Large' : '400 Bad Request';
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

function addHooks(app: FastifyInstance, options: ApiOptions, open: ReadonlySet<string>): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-openstack-request-id': request.id, 'content-type': 'application/json' });
    const { url: route, config } = request.routeOptions;
    if (route === undefined ? !request.url.startsWith('/v2.0') : open.has(route) || isDocsRoute(route))
      return;
    const { 'x-auth-token': token, 'x-service-token': serviceToken } = request.headers;
    const caller = await options.identify({
      authorization: request.headers.authorization,
      token: typeof token === 'string' ? token : undefined,
      serviceToken: typeof serviceToken === 'string' ? serviceToken : undefined,
    });
    request.caller = options.policy?.admit(caller) ?? caller;
    mustBeLetIn(request.caller, config);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const fields = {
      request: request.id,
      method: request.method,
      url: request.url,
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 10) / 10,
      user: request.caller?.userId,
    };
    if (request.method === 'GET' && reply.statusCode < 400) options.log.debug(fields, 'request');
    else options.log.info(fields, 'request');
    done();
  });
  app.setErrorHandler((error, request, reply) => sendFault(options, { error, request, reply }));
  app.setNotFoundHandler(() => {
    throw new Fault('HTTPNotFound', 'The resource could not be found.');
  });
}

/** What a known path answers to the methods that it has not. */
function refuseOtherMethods(app: FastifyInstance, methods: ReadonlyMap<string, Set<HTTPMethods>>): void {
  for (const [url, known] of methods) {
    const others: HTTPMethods[] = METHODS.filter((method) => !known.has(method));
    if (!known.has('GET')) others.push('HEAD');
    const allow = [...known, ...(known.has('GET') ? ['HEAD'] : [])].join(', ');
    app.route({
      method: others.filter((method) => method !== 'GET' || !known.has('GET')),
      url,
      exposeHeadRoute: false,
      handler: (_request, reply) => {
        reply.header('allow', allow);
        throw new Fault('MethodNotAllowed', 'The method is not allowed for this resource.');
      },
    });
  }
}

function addRoutes(api: Api, options: ApiOptions, routes: readonly Route[]): void {
  addVersions(api, collections);
  addExtensions(api);
  for (const it of collections) {
    addResource(api, it);
    addTags(api, it);
  }
  addDhcpScheduling(api);
  addRouters(api);
  addPortForwardings(api);
  addSubportsRoute(api);
  addQosRules(api);
  addQosRuleTypes(api);
  addFlavors(api);
  addAutoAllocatedTopology(api);
  addDeuteron(api, options.secret);
  addRoles(api);
  addConvergence(api);
  addEvents(api);
  addExplain(api);
  addQuotas(api);
  addHealth(api, options.ready);
  addOpenApi(api, { routes, collections });
}

/** Makes the app; `listen` it, or hand requests to its `routing`. */
export function createApi(options: ApiOptions): FastifyInstance {
  const app = makeServer(options);
  const open = new Set<string>();
  const routes: Route[] = [];
  const methods = new Map<string, Set<HTTPMethods>>();
  const api: Api = {
    store: options.store,
    route(at, handler) {
      const { method, url } = at;
      routes.push(at);
      if (at.open) open.add(url);
      methods.set(url, (methods.get(url) ?? new Set()).add(method));
      const config = {
        ...(method === 'GET' ? {} : { writes: at.says?.id ?? `${method.toLowerCase()} ${url}` }),
        ...(at.rule === undefined ? {} : { rule: at.rule }),
      };
      app.route({ method, url, handler, config });
    },
    callOf(request) {
      const { caller } = request;
      if (!caller)
        throw new Fault('HTTPUnauthorized', 'This server could not verify that you are authorized.');
      const { clock, random, settings, isAlive, isEligible } = options;
      return { caller, clock, random, settings, isAlive, isEligible };
    },
    urlOf(request) {
      const forwarded = request.headers['x-forwarded-proto'];
      const protocol =
        typeof forwarded === 'string' && /^https?$/.test(forwarded) ? forwarded : request.protocol;
      return `${protocol}://${request.host}${request.url.split('?')[0]}`;
    },
  };
  addHooks(app, options, open);
  addMetrics(app, api, options.metrics);
  addRoutes(api, options, routes);
  refuseOtherMethods(app, methods);
  addDocsPage(app, openApiDocument(routes, collections));
  return app;
}
