/**
 * A Unix socket before PostgreSQL's that can break a session exactly at its COMMIT. It reads the client's messages
 * (PostgreSQL manual, "Message Formats": after the startup message each has a type byte and a length).
 */
import { mkdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

/**
 * What happens to the next commit's message. `lose`: both sides are cut, the server never gets it. `deliver`: the
 * server gets it and answers, the client is cut before it hears. `hold`: the client is cut while the server's side stays
 * open, the message still on the way; it is delivered when `deliverHeld` is called. `freeze`: the server gets it, and from
 * then on nothing passes in either direction until `thaw`: a client that stands still.
 */
export type CommitFate = 'lose' | 'deliver' | 'hold' | 'freeze';

export interface CommitProxy {
  /** For `host` of a connection. */
  readonly directory: string;
  breakNextCommit(fate: CommitFate): void;
  deliverHeld(): void;
  thaw(): void;
  close(): Promise<void>;
}

const SOCKET = '.s.PGSQL.5432';

export async function startProxy(postgresDirectory: string, name: string): Promise<CommitProxy> {
  const directory = join(postgresDirectory, name);
  mkdirSync(directory);
  let fate: CommitFate | undefined;
  let held: (() => void) | undefined;
  let thaw: (() => void) | undefined;
  const sockets = new Set<Socket>();

  const serve = (client: Socket) => {
    const server = connect(join(postgresDirectory, SOCKET));
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => socket.destroy());
    }
    let broken = false;
    const messages = new MessageReader();
    client.on('data', (data) => {
      for (const message of messages.push(data)) {
        const now = isCommit(message) ? fate : undefined;
        if (now === undefined) {
          server.write(message);
          continue;
        }
        fate = undefined;
        if (now === 'freeze') {
          server.write(message);
          client.pause();
          server.pause();
          thaw = () => [client, server].map((socket) => socket.resume());
          continue;
        }
        broken = true;
        if (now === 'hold') held = () => server.write(message);
        if (now === 'deliver') {
          server.once('data', () => server.destroy());
          server.write(message);
          server.once('close', () => client.destroy());
          return;
        }
        if (now === 'lose') server.destroy();
        client.destroy();
        return;
      }
    });
    server.on('data', (data) => {
      if (!broken) client.write(data);
    });
    server.on('close', () => client.destroy());
    client.on('close', () => {
      if (!broken) server.destroy();
    });
  };

  const listener: Server = createServer(serve);
  await new Promise<void>((resolve) => listener.listen(join(directory, SOCKET), resolve));
  return {
    directory,
    breakNextCommit(next) {
      fate = next;
    },
    deliverHeld: () => held?.(),
    thaw: () => thaw?.(),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

function isCommit(message: Buffer): boolean {
  return message[0] === 'Q'.charCodeAt(0) && message.includes('append_changes');
}

/** Cuts a client's bytes into messages. */
class MessageReader {
  #rest = Buffer.alloc(0);
  #started = false;

  push(data: Buffer): Buffer[] {
    this.#rest = Buffer.concat([this.#rest, data]);
    const messages: Buffer[] = [];
    for (;;) {
      const head = this.#started ? 1 : 0; // the startup message has no type byte
      if (this.#rest.length < head + 4) return messages;
      const size = head + this.#rest.readUInt32BE(head);
      if (this.#rest.length < size) return messages;
      messages.push(this.#rest.subarray(0, size));
      this.#rest = this.#rest.subarray(size);
      this.#started = true;
    }
  }
}
