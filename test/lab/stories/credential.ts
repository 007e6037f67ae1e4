import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { agentUrl, serversOf } from '../../../src/lab/layout.ts';
import { credentialFile } from '../../../src/lab/services.ts';
import type { Frame } from '../../../src/watch/protocol.ts';
import type { Stage } from '../stage.ts';
import type { Story } from '../story.ts';

const CALLER = fileURLToPath(new URL('../agent-door.ts', import.meta.url));

interface Answer {
  readonly status: number;
  readonly frames: readonly Frame[];
  readonly text: string;
}

/** Calls the agents' door from a host, as another agent there would. */
async function call(
  stage: Stage,
  host: string,
  what: { path: string; credential: string | null; body: object },
) {
  const url = `${agentUrl(serversOf(stage.lab.layout)[0]!)}${what.path}`;
  const input = JSON.stringify({ url, credential: what.credential, body: what.body });
  const result = await stage.lab.run(host, [process.execPath, CALLER], input);
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as Answer;
}

const watchRequest = (host: string) => ({
  version: 1,
  host,
  // A life of its own that the real agent's next one comes after.
  incarnation: Date.now(),
  roles: ['l2', 'dhcp'],
  tunnel_ip: '10.250.0.3',
  physical_networks: [],
  configurations: {},
  place: null,
  groups: {},
});

const report = (host: string) => ({
  version: 1,
  host,
  role: 'l2',
  incarnation: Number.MAX_SAFE_INTEGER,
  counter: 1,
  realised: { position: 1_000_000, tag: 1 },
  exceptions: [],
  exceptionCount: 0,
  configurations: {},
});

/** An agent is who its credential says, sees and reports its own scope, and nothing without one. */
export const credentialRefused: Story = {
  name: 'credential-refused',
  summary: 'without a valid credential an agent is refused; with one it sees and reports its own host only',
  hosts: 3,
  servers: 1,
  async tell({ stage, note }) {
    const { lab } = stage;
    const network = await stage.network();
    const { port, machine } = await stage.machineThatAsks(network, 'h1');
    await stage.lease(machine);
    await stage.settle();
    const served = stage.servingHosts(port);
    const stranger = ['h2', 'h3'].find((host) => !served.includes(host));
    assert.ok(stranger);
    const credential = readFileSync(credentialFile(lab.node(stranger)), 'utf8').trim();
    const before = (await lab.api('GET', '/v2.0/agents')).agents;

    for (const [path, body] of [
      ['/deuteron/v1/watch', watchRequest('h1')],
      ['/deuteron/v1/report', report('h1')],
    ] as const) {
      for (const [bad, status] of [
        [null, 401],
        ['', 401],
        [`${credential}x`, 401],
        ['0'.repeat(64), 401],
        [credential, 403],
      ] as const) {
        const answer = await call(stage, stranger, { path, credential: bad, body });
        assert.equal(
          answer.status,
          status,
          `${path} as h1 with ${bad === credential ? 'the credential of another host' : 'no valid credential'}: ${answer.text}`,
        );
        assert.equal(answer.text.includes(port.mac_address), false);
      }
    }
    note('no credential, a wrong one, and that of another host are refused');

    await lab.kill(stranger, 'agent');
    const own = await call(stage, stranger, {
      path: '/deuteron/v1/watch',
      credential,
      body: watchRequest(stranger),
    });
    assert.equal(own.status, 200);
    const synced = own.frames.find((frame) => frame.type === 'synced');
    assert.ok(synced, 'the watch gives the whole scope');
    assert.deepEqual(
      synced.scope.filter((group) => group.startsWith('host/')),
      [`host/${stranger}`],
    );
    assert.equal(own.text.includes(port.id), false, 'it does not learn of ports that are not its business');
    note(`${stranger} sees its own scope: ${synced.scope.join(', ')}`);
    const after = (await lab.api('GET', '/v2.0/agents')).agents;
    assert.deepEqual(
      after.map((agent: { id: string }) => agent.id).sort(),
      before.map((agent: { id: string }) => agent.id).sort(),
      'no agent came into being',
    );
    const { status } = await stage.showPort(port.id);
    assert.equal(status, 'ACTIVE', 'a foreign report changed nothing');
  },
};
