/**
 * The way into a lab from outside: listens on loopback and passes bytes to the first server whose Unix socket answers.
 * So the user's client speaks to 127.0.0.1 and nothing has to be routed. A process of its own:
 * `node relay.ts --port N --port-file FILE --to SOCKET [--to SOCKET...]`.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { parseArgs } from 'node:util';

const LOOPBACK = '127.0.0.1';
/** How many ports after the wanted one are tried before any free one is taken. */
const NEIGHBOURS = 20;

/** Connects to the first of the sockets that takes the connection; undefined when none does. */
async function reach(paths: readonly string[]): Promise<Socket | undefined> {
  for (const path of paths) {
    const socket = connect({ path, allowHalfOpen: true });
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (connected) return socket;
  }
  return undefined;
}

/** Without a server the caller is told so in HTTP, as a proxy would. */
const NOBODY =
  'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\r\n' +
  '{"NeutronError":{"type":"ServiceUnavailable","message":"No server of the lab is running.","detail":""}}\n';

async function pass(client: Socket, paths: readonly string[]): Promise<void> {
  client.on('error', () => client.destroy());
  const server = await reach(paths);
  if (!server) {
    client.resume();
    client.end(NOBODY);
    return;
  }
  server.on('error', () => client.destroy());
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
  client.pipe(server);
  server.pipe(client);
}

export interface Relay {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts to listen on the wanted port, else on one of the next, else on any free one. */
export async function startRelay(wantedPort: number, paths: readonly string[]): Promise<Relay> {
  const clients = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    clients.add(client);
    client.on('close', () => clients.delete(client));
    pass(client, paths).catch(() => client.destroy());
  });
  const candidates = [
    ...Array.from({ length: wantedPort === 0 ? 0 : NEIGHBOURS }, (_, at) => wantedPort + at),
    0,
  ];
  for (const candidate of candidates) {
    const port = await listen(server, candidate);
    if (port === undefined) continue;
    const close = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const client of clients) client.destroy();
      });
    return { port, close };
  }
  throw new Error('no free port on 127.0.0.1');
}

/** undefined: taken. */
function listen(server: Server, port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error);
    server.once('error', refused);
    server.listen(port, LOOPBACK, () => {
      server.off('error', refused);
      resolve((server.address() as { port: number }).port);
    });
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      'port-file': { type: 'string' },
      to: { type: 'string', multiple: true, default: [] },
    },
  });
  const relay = await startRelay(Number(values.port), values.to);
  const file = values['port-file'];
  if (file !== undefined) {
    writeFileSync(`${file}.new`, String(relay.port));
    renameSync(`${file}.new`, file);
  }
}
