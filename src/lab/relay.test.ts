import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startRelay } from './relay.ts';

async function serve(
  t: TestContext,
  at: { path: string } | { port: number },
  answer: string,
): Promise<Server> {
  const server = createServer((request, response) => {
    request.on('end', () => response.end(answer)).resume();
  });
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', ...at }, resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'dtn-relay-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('a request goes to the first server that answers', async (t) => {
  const where = directory(t);
  await serve(t, { path: join(where, 'second') }, 'second');
  const relay = await startRelay(0, [join(where, 'first'), join(where, 'second')]);
  t.after(() => relay.close());
  const get = async () =>
    (await fetch(`http://127.0.0.1:${relay.port}/`, { headers: { connection: 'close' } })).text();
  assert.equal(await get(), 'second');
  await serve(t, { path: join(where, 'first') }, 'first');
  assert.equal(await get(), 'first');
});

test('with no server the caller gets 503 in words', async (t) => {
  const relay = await startRelay(0, [join(directory(t), 'nobody')]);
  t.after(() => relay.close());
  const response = await fetch(`http://127.0.0.1:${relay.port}/v2.0/networks`);
  assert.equal(response.status, 503);
  const body = (await response.json()) as { NeutronError: { message: string } };
  assert.equal(body.NeutronError.message, 'No server of the lab is running.');
});

test('a taken port is left alone and the next free one used', async (t) => {
  const taken = ((await serve(t, { port: 0 }, 'other')).address() as AddressInfo).port;
  const relay = await startRelay(taken, []);
  t.after(() => relay.close());
  assert.notEqual(relay.port, taken);
});
