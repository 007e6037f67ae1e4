/** Listeners for an app that handles plain node requests: TCP, with TLS where a certificate is given, and Unix sockets. */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
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

/** Opens all of them, or none. */
export async function listenOn(options: ListenOptions): Promise<Listening> {
  const servers: Server[] = [];
  const close = async () => {
    await Promise.all(
      servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
          }),
      ),
    );
  };
  try {
    for (const address of options.addresses) servers.push(await openServer(address, options));
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}
