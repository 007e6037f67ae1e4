/** A short run of the mix that `npm run bench -- api` measures: every resource is in it, and none refuses anything. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyVerb, prepareMix } from '../bench/api-mix.ts';
import { addAgent } from './agents.ts';
import { startApi } from './api-under-test.ts';

test('a mix of requests has every verb of every resource, and all succeed', async () => {
  const api = await startApi();
  try {
    await addAgent(api, { host: 'h1', role: 'l2' });
    const ask = (as: string, method: string, path: string, body?: unknown) =>
      api.ask(method, path, { as, ...(body === undefined ? {} : { body }) });
    const mix = await prepareMix({ callers: 2, requests: 160, ask });
    const measured = await mix.run();
    assert.deepEqual(
      measured.flatMap(({ refused }) => refused),
      [],
      api.bugs.join('\n'),
    );
    const shown = measured.map(({ verb, resource }) => `${verb} ${resource}`).sort();
    assert.deepEqual(shown, everyVerb().sort());
  } finally {
    await api.close();
  }
});
