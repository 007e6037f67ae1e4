/** The list of metrics in the documentation is the list that a server shows. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startServer } from '../support/server-process.ts';

const DOCUMENT = new URL('../../docs/operate/metrics.md', import.meta.url);

/** Names of our metrics, with type and labels: `deuteron_agents gauge role,state`. */
function documented(): string[] {
  const rows = readFileSync(DOCUMENT, 'utf8').matchAll(/^\| `(deuteron_\w+)` \| (\w+) \|([^|]*)\|/gm);
  return [...rows].map(([, name, type, labels]) => `${name} ${type} ${labels?.replaceAll(' ', '')}`).sort();
}

async function shown(url: string): Promise<string[]> {
  // a request that has been answered is counted
  await fetch(`${url}/v2.0/networks`);
  const text = await (await fetch(`${url}/metrics`)).text();
  const labels = new Map<string, string>();
  for (const [, name, inner] of text.matchAll(
    /^(deuteron_\w+?)(?:_bucket|_sum|_count)?(?:\{([^}]*)\})? /gm,
  )) {
    const names = [...(inner ?? '').matchAll(/(\w+)="/g)]
      .map((match) => match[1])
      .filter((one) => one !== 'le');
    labels.set(name as string, names.join(','));
  }
  const types = [...text.matchAll(/^# TYPE (deuteron_\w+) (\w+)$/gm)];
  return types.map(([, name, type]) => `${name} ${type} ${labels.get(name as string) ?? '?'}`).sort();
}

test('every metric that a server shows is in the list, and nothing else is', async () => {
  const server = await startServer({ args: ['--identity', 'none'] });
  try {
    const listed = documented();
    const found = await shown(`http://127.0.0.1:${server.apiPort}`);
    // of those that no agent has given a value, the labels do not show
    const plain = (line: string) => line.split(' ').slice(0, 2).join(' ');
    assert.deepEqual(found.map(plain), listed.map(plain));
    const known = found.filter((line) => !line.endsWith(' ?'));
    assert.deepEqual(
      known.filter((line) => !listed.includes(line)),
      [],
    );
    assert.ok(known.length > 25);
  } finally {
    await server.stop();
  }
});
