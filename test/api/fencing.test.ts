/** Fencing by a real server process: agents that only speak, a fence agent of our own, and what the API tells of it. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { HollowAgent } from '../bench/hollow-agent.ts';
import { type ServerProcess, startServer } from '../support/server-process.ts';

const HOSTS = ['h1', 'h2', 'h3'];
const PATIENCE_MS = 60_000;

/** A device that is on until it is told to be off, and the file that names it for a host. */
function device(t: TestContext, host: string) {
  const at = mkdtempSync(join(tmpdir(), 'dtn-fence-'));
  t.after(() => rmSync(at, { recursive: true, force: true }));
  const [agent, file] = [join(at, 'agent'), join(at, 'devices')];
  const script = `#!/bin/sh
[ -e ${at}/broken ] && { echo "no way in with hush-hush"; exit 1; }
while IFS='=' read -r key value; do [ "$key" = action ] && action=$value; done
echo "$action" >> ${at}/told
case $action in
  status) if [ -e ${at}/off ]; then echo "Status: OFF"; exit 2; fi; echo "Status: ON" ;;
  off) : > ${at}/off; echo "Success: Powered OFF" ;;
esac
`;
  writeFileSync(agent, script);
  chmodSync(agent, 0o700);
  writeFileSync(file, `[${host}]\nagent = ${agent}\npassword = hush-hush\n`);
  chmodSync(file, 0o600);
  const told = () =>
    existsSync(join(at, 'told')) ? readFileSync(join(at, 'told'), 'utf8').trimEnd().split('\n') : [];
  const breaks = () => writeFileSync(join(at, 'broken'), '');
  return { file, told, breaks };
}

async function api(server: ServerProcess, method: string, path: string, body?: unknown) {
  const response = await fetch(`http://127.0.0.1:${server.apiPort}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
  const answer: any = await response.json();
  assert.ok(response.ok, JSON.stringify(answer));
  return answer;
}

async function until(what: string, look: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await look())) {
    assert.ok(performance.now() < deadline, `never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

// Each waits for much time of its own server: none disturbs another.
describe('fencing', { concurrency: true }, () => {
  test('a host that falls silent for servers and peers is switched off, and the API tells each step', async (t) => {
    const { file, told } = device(t, 'h3');
    const fast = ['--agent-down-seconds', '2', '--fence-after-seconds', '10'];
    const server = await startServer({ args: ['--identity', 'none', '--fence-devices', file, ...fast] });
    t.after(() => server.stop());
    const agents = new Map<string, HollowAgent>();
    t.after(() => {
      for (const agent of agents.values()) agent.end();
    });
    for (const host of HOSTS) {
      const { credential } = (await api(server, 'POST', '/v2.0/deuteron/hosts', { host: { name: host } }))
        .host;
      const agent = new HollowAgent({
        ...{ host, credential, agentPort: server.agentPort, role: 'l3', beats: true },
        onFrame: () => undefined,
      });
      agents.set(host, agent);
      agent.connect();
    }
    await until('all agents are there', () => HOSTS.every((host) => agents.get(host)?.live));
    const { router } = await api(server, 'POST', '/v2.0/routers', { router: { ha: true } });
    const say = async (host: string, silent: string) => {
      const peers = HOSTS.filter((one) => one !== host).map((one) => ({
        host: one,
        answers: one !== silent,
      }));
      const paths = { tunnel: 'up', management: 'up' } as const;
      const role = { state: 'standby', seq: 1, forMs: 0, penalty: 0, reasons: [], hears: true } as const;
      await until(`what ${host} says is taken`, async () => {
        const said = { router: router.id, ...role, paths, checks: [], peers, order: null };
        return (await agents.get(host)!.report(60_000, [said])).accepted;
      });
    };
    for (const host of HOSTS) await say(host, '');
    agents.get('h3')?.end();
    for (const host of ['h1', 'h2']) await say(host, 'h3');
    const events = async () => (await api(server, 'GET', '/v2.0/deuteron/events?host=h3&limit=100')).events;
    await until('it is off', async () =>
      (await events()).some((one: { data: { step?: string } }) => one.data.step === 'off'),
    );
    assert.deepEqual(told(), ['status', 'off', 'status']);
    const found = (await events()).toReversed();
    const shown = found.map((one: { kind: string; data: { step?: string } }) => one.data.step ?? one.kind);
    assert.deepEqual(shown, ['agent-died', 'begun', 'status', 'off-told', 'off']);
    assert.equal(JSON.stringify(found).includes('hush-hush'), false);
  });

  test('a device that does not let the server in is an alert, and is shown with its host', async (t) => {
    const { file, breaks } = device(t, 'h3');
    breaks();
    const args = ['--identity', 'none', '--fence-devices', file, '--agent-down-seconds', '2'];
    const server = await startServer({ args });
    t.after(() => server.stop());
    const { credential } = (await api(server, 'POST', '/v2.0/deuteron/hosts', { host: { name: 'h3' } })).host;
    const agent = new HollowAgent({
      ...{ host: 'h3', credential, agentPort: server.agentPort, role: 'l3', beats: true },
      onFrame: () => undefined,
    });
    t.after(() => agent.end());
    agent.connect();
    const shown = async () => (await api(server, 'GET', '/v2.0/deuteron/hosts')).hosts[0].fence_device;
    const open = async (): Promise<number> => {
      const { events } = await api(server, 'GET', '/v2.0/deuteron/events?host=h3&open=true');
      return events.filter((one: { data: { alert: string } }) => one.data.alert === 'fence-device').length;
    };
    await until('it is shown to fail', async () => (await shown())?.ok === false);
    assert.equal(await open(), 1);
    assert.match((await shown()).message, /no way in with <password>/);
  });

  test('a server does not start with a file that everybody may read', async (t) => {
    const { file } = device(t, 'h3');
    chmodSync(file, 0o644);
    await assert.rejects(
      startServer({ args: ['--identity', 'none', '--fence-devices', file] }),
      /before it was ready/,
    );
  });
});
