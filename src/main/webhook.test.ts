import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { realClock } from '../lib/clock.ts';
import { ManualClock } from '../lib/manual-clock.ts';
import type { EventRow } from '../resources/event.ts';
import { checkWebhookUrl, postJson, Webhook } from './webhook.ts';

const alert = (message: string, kind: EventRow['kind'] = 'alert'): EventRow => ({
  ...{ id: message, at: '', kind, severity: 'error', host: 'h1', role: 'l3', object: '', message, data: {} },
});

const turn = async () => {
  for (let at = 0; at < 10; at++) await new Promise((resolve) => setImmediate(resolve));
};

/** A webhook whose other end answers as it is told to. */
function stage(answers: (number | Error)[]) {
  const clock = new ManualClock();
  const posted: string[] = [];
  const failures: string[] = [];
  const end = new AbortController();
  const hook = new Webhook({
    ...{ url: 'http://example.test/', server: 's1', clock },
    post: async (_, body) => {
      posted.push(JSON.parse(body).message);
      const answer = answers.shift() ?? 200;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    onFailure: (what) => void failures.push(what),
  });
  const running = hook.run(end.signal);
  const close = () => {
    end.abort();
    return running;
  };
  return { hook, clock, posted, failures, close };
}

test('alerts and their ends, in order, and nothing else', async () => {
  const { hook, posted, close } = stage([]);
  hook.tell(alert('one'));
  hook.tell(alert('a role', 'router-role'));
  hook.tell(alert('over', 'alert-ended'));
  await turn();
  assert.deepEqual(posted, ['one', 'over']);
  await close();
});

test('what is not taken is tried three times more, and then the next', async () => {
  const { hook, clock, posted, failures, close } = stage([500, new Error('refused'), 503, 500]);
  hook.tell(alert('one'));
  hook.tell(alert('two'));
  await turn();
  assert.deepEqual(posted, ['one']);
  for (const ms of [1_000, 5_000, 25_000]) {
    clock.advance(ms);
    await turn();
  }
  assert.deepEqual(posted, ['one', 'one', 'one', 'one', 'two']);
  assert.deepEqual(failures, ['alert webhook: one']);
  await close();
});

test('a refusal is not repeated, and what piles up is bounded', async () => {
  const { hook, clock, posted, failures, close } = stage([404, new Error('away')]);
  hook.tell(alert('one'));
  await turn();
  assert.deepEqual(failures, ['alert webhook: one']);
  for (let at = 0; at < 1_010; at++) hook.tell(alert(`n${at}`));
  await turn();
  clock.advance(1_000);
  for (let at = 0; at < 200; at++) await turn();
  assert.deepEqual([posted.length, posted.at(-1)], [2 + 1_000, 'n1009']);
  await close();
});

test('it ends while it waits to try again', async () => {
  const { hook, close } = stage([500]);
  hook.tell(alert('one'));
  await turn();
  await close();
});

test('over HTTP: what arrives is the event, with who says so', async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    request.on('data', (chunk) => void bodies.push(String(chunk)));
    request.on('end', () => response.writeHead(204).end());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const end = new AbortController();
  try {
    const url = checkWebhookUrl(`http://127.0.0.1:${port}/alerts`);
    const taken = new Promise<void>((resolve) => {
      const hook = new Webhook({
        ...{ url, server: 's1', clock: realClock, onFailure: (_, error) => assert.fail(String(error)) },
        post: (...of) => postJson(...of).finally(resolve),
      });
      hook.run(end.signal).catch((error) => assert.fail(String(error)));
      hook.tell(alert('one'));
    });
    await taken;
    assert.deepEqual(JSON.parse(bodies.join('')), { server: 's1', ...alert('one') });
  } finally {
    end.abort();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  assert.throws(() => checkWebhookUrl('alerts'), { name: 'ConfigurationError' });
});
