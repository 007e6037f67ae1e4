/** Whether security groups are in force where they should be, as the API tells it. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addAgent, report } from './agents.ts';
import { type ApiUnderTest, type Json, startApi } from './api-under-test.ts';

let api: ApiUnderTest;
let port: Json;
let group: string;

before(async () => {
  api = await startApi();
  for (const host of ['h1', 'h2']) await addAgent(api, { host, role: 'l2' });
  const { network } = await api.expect(201, 'POST', '/v2.0/networks', { as: 'red', body: { network: {} } });
  const asked = { network_id: network.id, project_id: 'red', 'binding:host_id': 'h1' };
  port = (await api.expect(201, 'POST', '/v2.0/ports', { body: { port: asked } })).port;
  group = port.security_groups[0];
});
after(() => api?.close());

const status = async (): Promise<string> =>
  (await api.expect(200, 'GET', `/v2.0/ports/${port.id}`)).port.status;
const explain = async (as = 'admin'): Promise<Json> =>
  (await api.expect(200, 'GET', `/v2.0/deuteron/explain/port/${port.id}`, { as })).explanation;
const owed = async (query = ''): Promise<string[]> => {
  const { convergence } = await api.expect(200, 'GET', `/v2.0/deuteron/convergence?role=l2${query}`);
  return convergence.agents.flatMap((agent: Json) =>
    agent.owed.map((one: Json) => `${agent.host} ${one.key} ${one.state}`),
  );
};

test('a port waits for its firewall; a rule that is added is owed by the hosts that have the group', async () => {
  const key = `security-group/${group}`;
  const failing = { key, object: '', state: 'failed' as const, since: 1, reason: 'nft: no room' };
  await report(api, { host: 'h2', role: 'l2', counter: 1 });
  await report(api, { host: 'h1', role: 'l2', counter: 1, exceptions: [failing] });
  assert.equal(await status(), 'DOWN');
  assert.match(
    (await explain()).summary,
    new RegExp(`^Security group ${group} is not in force on h1 since .*no room`),
  );
  assert.doesNotMatch(JSON.stringify(await explain('red')), /h1|no room/);
  await report(api, { host: 'h1', role: 'l2', counter: 2 });
  assert.equal(await status(), 'ACTIVE');
  assert.deepEqual(await owed(), []);

  const rule = {
    security_group_id: group,
    direction: 'ingress',
    protocol: 'tcp',
    port_range_min: 22,
    port_range_max: 22,
  };
  await api.expect(201, 'POST', '/v2.0/security-group-rules', {
    as: 'red',
    body: { security_group_rule: rule },
  });
  assert.deepEqual(await owed(), [`h1 ${key} pending`]);
  assert.deepEqual(await owed(`&resource=port/${port.id}`), [`h1 ${key} pending`]);
  assert.equal(await status(), 'ACTIVE');
  await report(api, { host: 'h1', role: 'l2', counter: 3 });
  assert.deepEqual(await owed(), []);
});
