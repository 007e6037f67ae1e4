/**
 * A plain TCP proxy for tests: passes bytes, in turns to each of its backends, and tries the next when one refuses. It
 * knows nothing of HTTP, asks no health, and never sends anything twice.
 */
import { connect, createServer, type NetConnectOpts, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** Connections passed on since the start. */
  readonly passed: () => number;
  /** Connections for which no backend was found. */
  readonly refused: () => number;
  close(): Promise<void>;
}

function reach(backend: NetConnectOpts): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ ...backend, allowHalfOpen: true });
    const failed = () => resolve(undefined);
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}

/** Listens on a free port of 127.0.0.1. */
export async function startTcpProxy(backends: readonly NetConnectOpts[]): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let turn = 0;
  let passed = 0;
  let refused = 0;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  };
  const pass = async (client: Socket) => {
    keep(client);
    client.on('error', () => client.destroy());
    const first = turn++;
    for (let at = 0; at < backends.length; at++) {
      const server = await reach(backends[(first + at) % backends.length] as NetConnectOpts);
      if (!server) continue;
      passed++;
      keep(server);
      server.on('error', () => client.destroy());
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      if (client.destroyed) server.destroy();
      client.pipe(server);
      server.pipe(client);
      return;
    }
    refused++;
    client.destroy();
  };
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    pass(client).catch(() => client.destroy());
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    passed: () => passed,
    refused: () => refused,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
