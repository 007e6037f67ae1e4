/** Listeners for an app that handles plain node requests: TCP, with TLS where a certificate is given, and Unix sockets. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as NetServer } from 'node:net';
import { type ListenAddress, parseListenAddress } from './config.ts';
import { ConfigurationError } from './options.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface ListenOptions {
  readonly addresses: readonly ListenAddress[];
  readonly certificate: Certificate | null;
  readonly handle: RequestListener;
  /** What to do with what is not HTTP. */
  readonly onClientError?: (error: Error, socket: import('node:stream').Duplex) => void;
}

export interface Listening {
  /** From now on every answer that is not on its way yet says `connection: close`. Connections are still accepted. */
  sendAway(): void;
  /** Stops accepting; whoever connected before this is served. */
  stopAccepting(): Promise<void>;
  /** Ends the connections on which no request is under way. */
  closeIdle(): void;
  /** How many connections are open, and how many requests are under way. */
  count(): Promise<{ readonly connections: number; readonly requests: number }>;
  /** Stops accepting, ends every connection. */
  close(): Promise<void>;
}

/** The option's addresses; throws ConfigurationError for one that is none. */
export function listenAddresses(option: string, texts: readonly string[]): ListenAddress[] {
  return texts.map((text) => {
    const address = parseListenAddress(text);
    if (address === undefined)
      throw new ConfigurationError(`${option}: "${text}" is not HOST:PORT or unix:PATH`);
    return address;
  });
}

function openServer(address: ListenAddress, options: ListenOptions): Promise<Server> {
  const { certificate, handle } = options;
  const secure = certificate !== null && address.kind === 'tcp';
  const server = secure ? createTlsServer(certificate, handle) : createServer(handle);
  server.keepAliveTimeout = 65_000;
  // A watch is a request that goes on for as long as the agent lives.
  server.requestTimeout = 0;
  server.headersTimeout = 20_000;
  if (options.onClientError) server.on('clientError', options.onClientError);
  if (address.kind === 'unix') rmSync(address.path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new Error(`cannot listen on ${describeAddress(address)}: ${cause.message}`)),
    );
    const ready = () => resolve(server);
    if (address.kind === 'tcp')
      server.listen({ host: address.host, port: address.port, backlog: 4096 }, ready);
    else {
      server.listen(address.path, () => {
        chmodSync(address.path, 0o600);
        ready();
      });
    }
  });
}

export function describeAddress(address: ListenAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** A turn of the event loop that is shorter than this has accepted everybody who was waiting. */
const QUIET_TURN_MS = 0.3;
const MOST_TURNS = 200;

/**
 * Resolves right after a short turn of the event loop. Whoever the kernel connected and we did not accept is cut off
 * when the listener closes: so nobody should have had the time to come in between.
 */
async function quietTurn(): Promise<void> {
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const began = performance.now();
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - began < QUIET_TURN_MS) return;
  }
}

/** Closes the listener only: `close` of an http.Server ends idle connections with it, and their next request is lost. */
const closeListener = (server: Server) =>
  new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));

const connectionsOf = (server: Server) =>
  new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count ?? 0)));

/** The requests under way, and whether their answers end the connection. */
class Answers {
  readonly #open = new Set<ServerResponse>();
  #isLast = false;

  get size(): number {
    return this.#open.size;
  }

  around(handle: RequestListener): RequestListener {
    return (request, response) => {
      this.#open.add(response);
      response.once('close', () => this.#open.delete(response));
      if (this.#isLast) response.setHeader('connection', 'close');
      handle(request, response);
    };
  }

  makeLast(): void {
    this.#isLast = true;
    for (const response of this.#open) {
      if (!response.headersSent) response.setHeader('connection', 'close');
    }
  }
}

/** Opens all of them, or none. */
export async function listenOn(options: ListenOptions): Promise<Listening> {
  const answers = new Answers();
  const handle = answers.around(options.handle);
  const servers: Server[] = [];
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= Promise.all(servers.map(closeListener)).then(() => undefined);
    return stopped;
  };
  const close = async () => {
    const ended = stop();
    for (const server of servers) server.closeAllConnections();
    await ended;
  };
  try {
    for (const address of options.addresses) servers.push(await openServer(address, { ...options, handle }));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    close,
    sendAway: () => answers.makeLast(),
    async stopAccepting() {
      await quietTurn();
      stop().catch(() => undefined);
    },
    closeIdle() {
      for (const server of servers) server.closeIdleConnections();
    },
    async count() {
      const each = await Promise.all(servers.map(connectionsOf));
      return { connections: each.reduce((sum, one) => sum + one, 0), requests: answers.size };
    },
  };
}
