import assert from 'node:assert/strict';
import { test } from 'node:test';
import { updateAgent } from './agent.ts';
import { applyReport } from './agent-report.ts';
import { finishMoves } from './dhcp-handover.ts';
import { allReport, bindings, finish, look, reports, world } from './dhcp-stage.ts';
import { createPort, updatePort } from './port.ts';
import { updateSubnet } from './subnet.ts';

/** A network that h1 is to give to h2, which has done all that there is. */
async function begun() {
  const w = await world();
  await allReport(w, w.h1, w.h2, w.h3);
  await w.run((tx) => updateAgent(tx, w.call, { id: w.h1.dhcp.id, changes: { admin_state_up: false } }));
  await look(w);
  assert.deepEqual(bindings(w), ['h1 leaves', 'h2']);
  await allReport(w, w.h1, w.h2);
  const port = async () =>
    (await w.run((tx) => createPort(tx, w.call, [{ network_id: w.net.id, host: 'h1' }])))[0]!.id;
  const statusOf = (id: string) => w.store.rows('ports').find((one) => one.id === id)?.status;
  return { ...w, port, statusOf };
}

test('what an old one reported before it fell silent is served on, for it may live and serve', async () => {
  const w = await begun();
  const port = await w.port();
  await allReport(w, w.h1);
  await reports(w, w.h2.l2);
  assert.equal(w.statusOf(port), 'ACTIVE');
  w.kill(w.h1.dhcp);
  w.kill(w.h1.l2);
  assert.equal(await finish(w), 0, 'the new one has not heard of the port');
  await reports(w, w.h2.dhcp);
  assert.equal(await finish(w), 1);
});

test('what changes of an ACTIVE port, or of all ports, holds the end before the old one says that it has it', async () => {
  const changes: Record<string, (w: Awaited<ReturnType<typeof begun>>, port: string) => Promise<unknown>> = {
    addresses: (w, id) =>
      w.run((tx) => updatePort(tx, w.call, { id, changes: { fixed_ips: [{ ip_address: '10.0.0.77' }] } })),
    subnet: (w) =>
      w.run((tx) => updateSubnet(tx, w.call, { id: w.sub.id, changes: { dns_nameservers: ['192.0.2.1'] } })),
  };
  for (const [what, change] of Object.entries(changes)) {
    const w = await begun();
    const port = await w.port();
    await allReport(w, w.h2, w.h1);
    await change(w, port);
    assert.equal(w.statusOf(port), 'ACTIVE', what);
    assert.equal(await finish(w), 0, what);
    await reports(w, w.h2.dhcp);
    assert.equal(await finish(w), 0, `${what}: nor does it flood by what it did before`);
    await reports(w, w.h2.l2);
    assert.equal(await finish(w), 1, what);
  }
});

test('a port that is not ACTIVE yet holds nothing, nor does what the new one has still to do of it', async () => {
  const w = await begun();
  await w.port();
  const { position } = await w.store.view((view) => view.head());
  const pending = {
    ...{ key: `network/${w.net.id}`, object: '' },
    state: 'pending' as const,
    since: position,
  };
  await reports(w, w.h2.dhcp, [{ ...pending, reason: 'not done yet' }]);
  assert.equal(await finish(w), 1);
});

test('what the new one has still to do of an ACTIVE port holds the end', async () => {
  const w = await begun();
  const port = await w.port();
  const { position } = await w.store.view((view) => view.head());
  await allReport(w, w.h1);
  await reports(w, w.h2.l2);
  assert.equal(w.statusOf(port), 'ACTIVE');
  const pending = {
    ...{ key: `network/${w.net.id}`, object: '' },
    state: 'pending' as const,
    since: position,
  };
  await reports(w, w.h2.dhcp, [{ ...pending, reason: 'not done yet' }]);
  assert.equal(await finish(w), 0);
  await reports(w, w.h2.dhcp);
  assert.equal(await finish(w), 1);
});

test('a port that only the old one has does not become ACTIVE by it while the move ends', async () => {
  const w = await begun();
  const port = await w.port();
  await reports(w, w.h1.l2);
  await reports(w, w.h2.l2);
  const place = await w.store.view((view) => view.head());
  const report = {
    ...{ role: 'dhcp' as const, incarnation: 1, counter: 1_000_000, exceptions: [] },
    ...{ exceptionCount: 0, configurations: {} },
  };
  await w.beside(
    (tx) => finishMoves(tx, w.call, [w.net.id]),
    (tx) => applyReport(tx, w.call, { host: 'h1', report, place }),
  );
  assert.deepEqual(bindings(w), ['h2']);
  assert.equal(w.statusOf(port), 'DOWN');
  await reports(w, w.h2.dhcp);
  assert.equal(w.statusOf(port), 'ACTIVE');
});

test('whoever is so far behind that the log does not tell by what has not caught up', async () => {
  const w = await begun();
  for (const name of ['one', 'another']) await w.network({ name });
  w.pass(1);
  assert.ok((await w.store.trim({ ageMs: 0, keep: 1 })) > 0);
  assert.equal(await finish(w), 0);
  await allReport(w, w.h2);
  assert.equal(await finish(w), 1);
});
