/** A Unix socket before PostgreSQL's, to take the database away from a server: gone, or there and silent. */
import { mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const SOCKET = '.s.PGSQL.5432';

export class DatabaseProxy {
  /** For `host` of a connection. */
  readonly directory: string;
  readonly #behind: string;
  readonly #pairs = new Set<[Socket, Socket]>();
  #listener: Server | undefined;
  #isSilent = false;

  private constructor(directory: string, behind: string) {
    this.directory = directory;
    this.#behind = behind;
  }

  /** `postgresDirectory` has PostgreSQL's socket; the proxy's is below it. */
  static async start(postgresDirectory: string): Promise<DatabaseProxy> {
    const directory = join(postgresDirectory, 'proxy');
    mkdirSync(directory);
    const proxy = new DatabaseProxy(directory, join(postgresDirectory, SOCKET));
    await proxy.comeBack();
    return proxy;
  }

  get url(): string {
    return `postgresql://deuteron@/postgres?host=${encodeURIComponent(this.directory)}&port=5432`;
  }

  /** Refuses, and breaks what is open. */
  async goAway(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
    if (listener) await new Promise((resolve) => listener.close(resolve));
  }

  /** Takes connections and requests, and passes nothing on in either direction. */
  fallSilent(): void {
    this.#isSilent = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** As if nothing had been: what was on its way arrives. */
  async comeBack(): Promise<void> {
    this.#isSilent = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
    if (this.#listener) return;
    rmSync(join(this.directory, SOCKET), { force: true });
    const listener = createServer((client) => this.#serve(client));
    this.#listener = listener;
    await new Promise<void>((resolve) => listener.listen(join(this.directory, SOCKET), resolve));
  }

  #serve(client: Socket): void {
    const server = connect(this.#behind);
    const pair: [Socket, Socket] = [client, server];
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.pipe(server);
    server.pipe(client);
    if (this.#isSilent) for (const socket of pair) socket.pause();
  }
}
