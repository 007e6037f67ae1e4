import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AgentRow } from '../resources/agent.ts';
import { deleteAgent } from './agent.ts';
import { addNetworkToDhcpAgent, removeNetworkFromDhcpAgent } from './dhcp-bindings.ts';
import { leavingNetworks } from './dhcp-handover.ts';
import { beginMoves } from './dhcp-moves.ts';
import { planReschedule } from './dhcp-reschedule.ts';
import { ORDER, world, look, finish, allReport, bindings, portHosts } from './dhcp-stage.ts';
import { removeHost } from './host.ts';
import { deleteNetwork } from './network.ts';
import { deleteSubnet, updateSubnet } from './subnet.ts';

test('an operator in the middle of a move: takes the source, the target, or keeps the source', async () => {
  const begun = async () => {
    const w = await world();
    await allReport(w, w.h1, w.h2, w.h3);
    w.kill(w.h1.dhcp);
    await look(w);
    return w;
  };
  const asked = (agent: AgentRow, w: Awaited<ReturnType<typeof world>>) => ({
    agentId: agent.id,
    networkId: w.net.id,
  });
  const one = await begun();
  await one.run((tx) => removeNetworkFromDhcpAgent(tx, one.call, asked(one.h1.dhcp, one)));
  assert.deepEqual([bindings(one), portHosts(one)], [['h2'], ['h2']]);
  const two = await begun();
  await two.run((tx) => removeNetworkFromDhcpAgent(tx, two.call, asked(two.h2.dhcp, two)));
  assert.deepEqual([bindings(two), portHosts(two)], [['h1 leaves'], ['h1']]);
  await look(two);
  assert.deepEqual(bindings(two), ['h1 leaves', 'h2']);
  const three = await begun();
  three.revive(three.h1.dhcp);
  await three.run((tx) => addNetworkToDhcpAgent(tx, three.call, asked(three.h1.dhcp, three)));
  assert.deepEqual(bindings(three), ['h1', 'h2']);
});

test('whatever goes in the middle of a move, nothing stray is left', async () => {
  const ends: Record<string, (w: Awaited<ReturnType<typeof world>>) => Promise<unknown>> = {
    network: (w) => w.run((tx) => deleteNetwork(tx, w.call, { id: w.net.id })),
    subnet: (w) => w.run((tx) => deleteSubnet(tx, w.call, { id: w.sub.id })),
    'no DHCP': (w) =>
      w.run((tx) => updateSubnet(tx, w.call, { id: w.sub.id, changes: { enable_dhcp: false } })),
    source: (w) => w.run((tx) => deleteAgent(tx, w.call, { id: w.h1.dhcp.id })),
    target: (w) => w.run((tx) => deleteAgent(tx, w.call, { id: w.h2.dhcp.id })),
    'source host': (w) => w.run((tx) => removeHost(tx, w.call, { name: 'h1', force: true })),
    'target host': (w) => w.run((tx) => removeHost(tx, w.call, { name: 'h2', force: true })),
  };
  for (const [what, end] of Object.entries(ends)) {
    const w = await world();
    await allReport(w, w.h1, w.h2, w.h3);
    w.kill(w.h1.dhcp);
    await look(w);
    await end(w);
    for (let pass = 0; pass < 3; pass++) {
      await look(w);
      const ids = new Set(w.store.rows('agents').map((agent) => agent.id));
      for (const host of [w.h2, w.h3]) if (ids.has(host.dhcp.id)) await allReport(w, host);
      await finish(w);
    }
    const served = what !== 'network' && what !== 'subnet' && what !== 'no DHCP';
    assert.deepEqual(await w.store.view(leavingNetworks), [], what);
    const bound = bindings(w);
    assert.equal(bound.length, what === 'network' ? 0 : 1, what);
    assert.notEqual(bound[0], 'h1', what);
    assert.deepEqual(portHosts(w), served ? bound : [], what);
    assert.equal(w.store.rows('ipAllocations').length, portHosts(w).length, what);
  }
});

test('beside a move somebody deletes the target, or the network: one of the two comes second and sees the other', async () => {
  for (const first of ['move', 'other'] as const) {
    for (const what of ['agent', 'network'] as const) {
      const w = await world();
      await allReport(w, w.h1, w.h2, w.h3);
      w.kill(w.h1.dhcp);
      const { moves } = await w.store.view((view) => planReschedule(view, w.call, ORDER));
      const move = (tx: Parameters<typeof beginMoves>[0]) => beginMoves(tx, w.call, moves);
      const other = (tx: Parameters<typeof beginMoves>[0]) =>
        what === 'agent'
          ? deleteAgent(tx, w.call, { id: w.h2.dhcp.id })
          : deleteNetwork(tx, w.call, { id: w.net.id });
      await (first === 'move' ? w.beside(move, other) : w.beside(other, move));
      await look(w);
      assert.deepEqual(bindings(w), what === 'agent' ? ['h1 leaves', 'h3'] : [], `${first} first, ${what}`);
      assert.deepEqual(portHosts(w), what === 'agent' ? ['h1', 'h3'] : []);
    }
  }
});
