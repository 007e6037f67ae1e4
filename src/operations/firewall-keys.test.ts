/** What hosts report of firewalls: what it holds up, and to whom it is told. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleRow, securityGroupRow } from '../../test/support/watch-security.ts';
import { applyReport } from './agent-report.ts';
import { convergence, ownConvergence } from './convergence.ts';
import { firewallKeysOf } from './firewall-keys.ts';
import { createPort } from './port.ts';
import { bench } from './testing.ts';

const [GROUP, REMOTE, OTHER] = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`) as [
  string,
  string,
  string,
];

/** A port on `vm` in a group that lets another group in, and one on `far` in neither. */
async function world() {
  const b = bench();
  for (const name of ['vm', 'far']) b.kill((await b.host(name)).dhcp);
  const network = await b.network();
  const made = await b.run(async (tx) => {
    await tx.securityGroups.insert([GROUP, REMOTE, OTHER].map(securityGroupRow));
    await tx.securityGroupRules.insert([ruleRow(b.call.random.uuid(), GROUP, { remote_group_id: REMOTE })]);
    const ports = await createPort(
      tx,
      b.call,
      ['vm', 'far'].map((host) => ({ network_id: network.id, host })),
    );
    await tx.portSecurityGroups.remove({});
    await tx.portSecurityGroups.insert([
      { port_id: ports[0]?.id as string, security_group_id: GROUP },
      { port_id: ports[1]?.id as string, security_group_id: OTHER },
    ]);
    return ports;
  });
  const [port, elsewhere] = made.map((one) => one.id) as [string, string];
  let counter = 0;
  const report = (host: string, failing: readonly string[] = []) => {
    const head = b.store.head();
    counter += 1;
    const exceptions = failing.map((key) => ({
      ...{ key, object: '', since: head.position, reason: 'nft' },
      state: 'failed' as const,
    }));
    const told = { role: 'l2' as const, incarnation: 1, counter, configurations: {} };
    return b.run((tx) =>
      applyReport(tx, b.call, {
        host,
        report: { ...told, exceptions, exceptionCount: exceptions.length },
        place: head,
      }),
    );
  };
  const status = (id: string) => b.store.rows('ports').find((one) => one.id === id)?.status;
  return { ...b, port, elsewhere, report, status };
}

test('a port is made of its groups and of the remotes of their rules; without port security of nothing', async () => {
  const w = await world();
  const keys = () =>
    w.run(async (tx) => {
      const of = await firewallKeysOf(tx, await tx.ports.find({}));
      return [w.port, w.elsewhere].map((id) => [...of(id)].sort());
    });
  assert.deepEqual(await keys(), [
    [`members/${REMOTE}`, `security-group/${GROUP}`],
    [`security-group/${OTHER}`],
  ]);
  await w.run((tx) => tx.ports.update({ id: w.port }, { port_security_enabled: false }));
  assert.deepEqual((await keys())[0], []);
});

test('a port is ACTIVE only once its firewall stands', async () => {
  const w = await world();
  await w.report('far');
  assert.equal(w.status(w.elsewhere), 'ACTIVE');
  for (const key of [`security-group/${GROUP}`, `members/${REMOTE}`]) {
    await w.report('vm', [key]);
    assert.equal(w.status(w.port), 'DOWN', key);
  }
  await w.report('vm');
  assert.equal(w.status(w.port), 'ACTIVE');
});

test('what a host reports of a group that is no longer its own to enforce is dropped', async () => {
  const w = await world();
  const kept = () => {
    const agent = w.store.rows('agents').find((one) => one.host === 'vm' && one.role === 'l2');
    return agent?.exceptions.map((one) => one.key);
  };
  await w.report('vm', [`security-group/${GROUP}`, `members/${REMOTE}`, `security-group/${OTHER}`]);
  assert.deepEqual(kept(), [`security-group/${GROUP}`, `members/${REMOTE}`]);
  await w.run((tx) => tx.securityGroupRules.remove({}));
  await w.report('vm', [`members/${REMOTE}`]);
  assert.deepEqual(kept(), []);
});

test('a rule that a host has not realised is owed by that host, and bears on the ports that it has in the group', async () => {
  const w = await world();
  for (const host of ['vm', 'far']) await w.report(host);
  const { place } = await w.store.transact((tx) =>
    tx.securityGroupRules.insert([ruleRow(w.call.random.uuid(), GROUP, { remote_ip_prefix: '10.0.0.0/8' })]),
  );
  const owed = async (portId?: string) => {
    const resource = portId === undefined ? undefined : ({ kind: 'port', id: portId } as const);
    const found = await w.store.view((view) => convergence(view, w.call, { roles: ['l2'], resource }));
    return found.agents.flatMap((one) =>
      one.owed.map((it) => `${one.host} ${it.key} ${it.state} ${it.since}`),
    );
  };
  const at = place?.position;
  assert.deepEqual(await owed(), [`vm security-group/${GROUP} pending ${at}`]);
  assert.deepEqual(await owed(w.port), [`vm security-group/${GROUP} pending ${at}`]);
  assert.deepEqual(await owed(w.elsewhere), []);
  const own = await w.store.view((view) => ownConvergence(view, w.as('demo'), { roles: ['l2'] }));
  assert.deepEqual(
    own.resources.map((one) => `${one.resource} ${one.state}`),
    [`port/${w.port} pending`],
  );
  await w.report('vm', [`security-group/${GROUP}`]);
  assert.deepEqual(await owed(w.port), [`vm security-group/${GROUP} failed ${at}`]);
  await w.report('vm');
  assert.deepEqual(await owed(), []);
});
