/** The agent's real HTTP client and a server name of several addresses. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { after, test } from 'node:test';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { HttpTransport } from '../../src/watch/client.ts';
import type { Report } from '../../src/watch/protocol.ts';
import { watchRequest } from '../support/watch-world.ts';

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

function listen(server: Server, host: string, port = 0): Promise<number> {
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

const localAddress = (request: IncomingMessage) => request.socket.localAddress ?? '';

const REPORT: Report = {
  ...{ version: 1, host: 'a', role: 'l2', incarnation: 1, counter: 1, realised: null },
  ...{ exceptions: [], exceptionCount: 0, configurations: {} },
};

function transportTo(servers: readonly string[], more: object = {}) {
  const transport = new HttpTransport({
    ...{ servers, credential: 'secret', clock: realClock, random: realRandom },
    ...more,
  });
  closing.push(() => transport.close());
  return transport;
}

/** Opens a watch; `ended` says how it ended, `close` ends it. */
function watch(transport: HttpTransport) {
  const { promise: ended, resolve: onEnd } = Promise.withResolvers<{ reason: string }>();
  const { promise: opened, resolve: onFrame } = Promise.withResolvers<unknown>();
  const close = transport.connect(0, watchRequest('a'), { onFrame, onEnd });
  return { close, ended, opened };
}

const HELLO = '{"type":"hello","version":1,"server":"s","mode":"groups"}\n';

test('the addresses of a name are tried in turns, and reports go to the one that is watched', async () => {
  const watched: string[] = [];
  const reported: string[] = [];
  let isOpen = false;
  const handle: RequestListener = (request, response) => {
    if (request.url?.endsWith('/report')) {
      reported.push(localAddress(request));
      response.end('{"accepted":true}');
    } else {
      watched.push(localAddress(request));
      if (isOpen) response.write(HELLO);
      else response.writeHead(503, { connection: 'close' }).end();
    }
    request.resume();
  };
  const port = await listen(createServer(handle), '127.0.0.1');
  await listen(createServer(handle), '127.0.0.2', port);
  // nobody listens on the third
  const resolve = async () => ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
  const transport = transportTo([`http://servers.example.test:${port}`], { resolve });
  for (let i = 0; i < 12; i++) await watch(transport).ended;
  assert.equal(watched.length, 12, 'an address that refuses is passed over within the attempt');
  for (const [at, address] of watched.entries()) assert.notEqual(address, watched[at - 1]);

  isOpen = true;
  for (let i = 0; i < 4; i++) {
    const { opened, close } = watch(transport);
    await opened;
    for (let again = 0; again < 3; again++) await transport.report(0, REPORT);
    assert.deepEqual(reported.splice(0), Array(3).fill(watched.at(-1)));
    close();
  }
});

test('a certificate is checked against the name, also where the address is known', async () => {
  const pem = (name: string) =>
    readFileSync(new URL(`../support/tls/localhost-${name}.pem`, import.meta.url), 'utf8');
  const [key, cert] = [pem('key'), pem('certificate')];
  const names: unknown[] = [];
  const handle: RequestListener = (request, response) => {
    names.push((request.socket as TLSSocket & { servername?: string }).servername, request.headers.host);
    if (request.url?.endsWith('/report')) response.end('{"accepted":true}');
    else response.write(HELLO);
    request.resume();
  };
  const port = await listen(createTlsServer({ key, cert }, handle), '127.0.0.1');
  const resolve = async () => ['127.0.0.1'];
  const transport = transportTo([`https://localhost:${port}`], { resolve, ca: cert });
  const { opened } = watch(transport);
  await opened;
  assert.deepEqual(await transport.report(0, REPORT), { accepted: true });
  assert.deepEqual(names, ['localhost', `localhost:${port}`, 'localhost', `localhost:${port}`]);

  const wrong = transportTo([`https://other.example.test:${port}`], { resolve, ca: cert });
  assert.match((await watch(wrong).ended).reason, /other\.example\.test/);
});
