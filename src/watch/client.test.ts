import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { watchRequest } from '../../test/support/watch-world.ts';
import { realClock } from '../lib/clock.ts';
import { ManualClock } from '../lib/manual-clock.ts';
import { seededRandom } from '../lib/random.ts';
import { HttpTransport } from './client.ts';
import type { Frame, Report } from './protocol.ts';
import { encodeFrame } from './wire.ts';

const REPORT: Report = {
  ...{ version: 1, host: 'a', role: 'l3', incarnation: 1, counter: 1 },
  ...{ realised: null, exceptions: [], exceptionCount: 0, configurations: {} },
};
const HELLO: Frame = { type: 'hello', version: 1, server: 's', mode: 'groups' };

/** What an agent makes of these lines of a server. */
async function hears(lines: readonly string[]): Promise<{ frames: string[]; reason: string }> {
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    for (const line of lines) response.write(line);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const servers = [`http://127.0.0.1:${port}`];
  const transport = new HttpTransport({
    servers,
    credential: 'c',
    clock: realClock,
    random: seededRandom(1),
  });
  try {
    const frames: string[] = [];
    const reason = await new Promise<string>((resolve) => {
      transport.connect(0, watchRequest('a'), {
        onFrame: (frame) => frames.push(frame.type),
        onEnd: (end) => resolve(end.reason),
      });
    });
    return { frames, reason };
  } finally {
    transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

test('frames of a later kind are left alone, what is no frame ends the watch', async () => {
  const synced = encodeFrame({ type: 'synced', at: { position: 1, tag: 1 }, scope: [], sent: [] });
  const later = '{"type":"forecast","of":"rain"}\n';
  const good = await hears([encodeFrame(HELLO), later, synced]);
  assert.deepEqual(good, { frames: ['hello', 'synced'], reason: 'the server closed the connection' });
  const bad = await hears([encodeFrame(HELLO), '{"kind":"forecast"}\n', synced]);
  assert.deepEqual(bad, { frames: ['hello'], reason: 'not a frame: {"kind":"forecast"}' });
});

test('the pace that one server asked for is kept to while the next has not answered', async () => {
  const clock = new ManualClock();
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.end(encodeFrame({ ...HELLO, heartbeatMs: 300 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const servers = [`http://127.0.0.1:${port}`];
  const transport = new HttpTransport({ servers, credential: 'c', clock, random: seededRandom(1) });
  const connect = (onEnd: () => void) =>
    transport.connect(0, watchRequest('a'), { onFrame: () => undefined, onEnd });
  try {
    await new Promise<void>((resolve) => connect(resolve));
    assert.equal(clock.next(), undefined);
    const close = connect(() => undefined);
    assert.equal(clock.next(), 300);
    close();
  } finally {
    transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a report is given up when its signal says so, and holds on to nothing when it is answered', async () => {
  const waiting: http.ServerResponse[] = [];
  let isSlow = false;
  const server = http.createServer((_request, response) => {
    if (isSlow) waiting.push(response);
    else response.end('{"accepted": true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const servers = [`http://127.0.0.1:${port}`];
  const transport = new HttpTransport({
    ...{ servers, credential: 'c', random: seededRandom(1) },
    clock: new ManualClock(),
  });
  const leaving = new AbortController();
  try {
    assert.deepEqual(await transport.report(0, REPORT, leaving.signal), { accepted: true });
    assert.equal(getEventListeners(leaving.signal, 'abort').length, 0);
    isSlow = true;
    const arrived = new Promise<void>((resolve) => server.once('request', () => resolve()));
    const given = assert.rejects(transport.report(0, REPORT, leaving.signal), { name: 'AbortError' });
    await arrived;
    leaving.abort();
    await given;
  } finally {
    transport.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
