/** What keeps keepalived from taking part: leases of the server's and of the replica's own, on a host that the test plays. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplicaBench } from '../../../test/support/replica-bench.ts';
import { keepalivedName, leaseName } from './guard.ts';

const stands = async (b: ReplicaBench) => [await b.file('lease'), b.role()?.state];
/** For how many seconds the program that holds the lease was begun. */
const seconds = (b: ReplicaBench) => Number(b.host.process(leaseName(b.router.id))?.spec.argv.at(-1));

async function pass(b: ReplicaBench, ms: number): Promise<void> {
  b.clock.advance(ms);
  await b.converge();
}

test('who is away for two reasons comes back when both are over', async () => {
  const b = await ReplicaBench.active();
  b.order({ do: 'fault' });
  await b.converge();
  b.turn('delete-address');
  b.isAway = true;
  await pass(b, 2_000);
  await pass(b, 5_000);
  await pass(b, 3_000);
  assert.deepEqual(await stands(b), ['1\n', 'fault'], 'what the server told is over');
  assert.equal(seconds(b), 10);
  b.isAway = false;
  await pass(b, 1_500);
  assert.deepEqual(await stands(b), ['0\n', 'standby']);
});

test('a keepalived that is started while its replica is away takes no part, in a new life of the agent either', async () => {
  const b = await ReplicaBench.active();
  b.isAway = true;
  await b.converge();
  b.turn('delete-address');
  b.host.endProcess(keepalivedName(b.router.id));
  await b.converge();
  assert.deepEqual(await stands(b), ['1\n', 'fault']);
  b.isAway = false;
  b.agent = b.live();
  b.host.endProcess(keepalivedName(b.router.id));
  await b.converge();
  assert.equal(await b.file('lease'), '1\n', 'until it ends by itself');
});

test('a lease ends when it would have, whatever becomes of the agent, and with it what the agent takes to be in force', async () => {
  const b = await ReplicaBench.active();
  b.order({ do: 'fault' });
  await b.converge();
  b.turn('delete-address');
  await pass(b, 7_000);
  b.agent = b.live();
  await b.converge();
  assert.deepEqual([await b.file('lease'), seconds(b)], ['1\n', 3]);
  await pass(b, 2_999);
  assert.equal(b.role()?.state, 'fault');
  await pass(b, 1);
  assert.deepEqual(await stands(b), ['0\n', 'standby']);
});

test('a lease that ended while there was no agent is not in force in the next life', async () => {
  const b = await ReplicaBench.active();
  b.order({ do: 'fault' });
  await b.converge();
  b.turn('delete-address');
  b.clock.advance(11_000);
  b.agent = b.live();
  await b.settle();
  assert.deepEqual([await stands(b), b.kills], [['0\n', 'standby'], 0]);
});

test('a stand-by is kept from rising for a moment, without a program, and stays a stand-by', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.isHeldBack = true;
  await b.converge();
  assert.deepEqual(
    [await stands(b), b.host.process(leaseName(b.router.id))],
    [['1\n', 'standby'], undefined],
  );
  b.isHeldBack = false;
  await b.converge();
  assert.deepEqual(await stands(b), ['0\n', 'standby']);
});

test('one that rose in the moment in which it was kept from it goes again; one that was active before goes on', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.isHeldBack = true;
  await b.converge();
  b.turn('add-address');
  await b.converge();
  assert.deepEqual(await stands(b), ['1\n', 'active']);
  const other = await ReplicaBench.active();
  other.isHeldBack = true;
  await other.converge();
  assert.deepEqual(await stands(other), ['0\n', 'active']);
});

test('what keeps it from rising for a moment turns into a lease, and ends none', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.isHeldBack = true;
  await b.converge();
  Object.assign(b, { isHeldBack: false, isAway: true });
  await b.converge();
  assert.deepEqual([await stands(b), seconds(b)], [['1\n', 'fault'], 10]);
  b.isAway = false;
  b.order({ do: 'fault' });
  b.isHeldBack = true;
  await b.converge();
  b.isHeldBack = false;
  await b.converge();
  assert.deepEqual(await stands(b), ['1\n', 'fault'], 'a server told it');
});

test('a life that ends while it keeps a replica from rising leaves nothing that does', async () => {
  const b = new ReplicaBench();
  await b.begin();
  b.isHeldBack = true;
  await b.converge();
  b.isHeldBack = false;
  b.agent = b.live();
  await b.converge();
  assert.equal(await b.file('lease'), '0\n');
});
