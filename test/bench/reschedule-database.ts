/** The database's part of a move: deciding, beginning and finishing that of many networks, with ports in each, on a PostgreSQL. */
import { finishMoves } from '../../src/operations/dhcp-handover.ts';
import { beginMoves } from '../../src/operations/dhcp-moves.ts';
import { planReschedule } from '../../src/operations/dhcp-reschedule.ts';
import { createNetwork } from '../../src/operations/network.ts';
import type { Call } from '../../src/operations/operation.ts';
import { createPort } from '../../src/operations/port.ts';
import { createSubnet } from '../../src/operations/subnet.ts';
import { SETTINGS } from '../../src/operations/testing.ts';
import type { Store } from '../../src/store/store.ts';
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { agent, agentId, host } from '../store/rows.ts';
import { withDatabase } from '../support/postgres.ts';
import { type Figures, round } from './measure.ts';

const HOSTS = 5;
const PORTS = 5;
const BATCH = 100;
const DEAD = agentId(1);

async function populate(store: Store, call: Call, networks: number): Promise<void> {
  await store.transact(async (tx) => {
    for (let n = 1; n <= HOSTS; n++) await tx.hosts.insert([host(`host${n}`)]);
    for (let n = 1; n <= HOSTS; n++) {
      const common = { server_id: 's', realised_position: 0 };
      await tx.agents.insert([
        agent(n, `host${n}`, { ...common, role: 'dhcp' }),
        agent(100 + n, `host${n}`, { ...common, role: 'l2' }),
      ]);
    }
  });
  const only: Call = { ...call, isEligible: ({ id }) => id === DEAD };
  for (let at = 0; at < networks; at += 50) {
    await store.transact(async (tx) => {
      const asked = Array.from({ length: Math.min(50, networks - at) }, () => ({}));
      const made = await createNetwork(tx, call, asked);
      const cidr = '10.0.0.0/24';
      await createSubnet(
        tx,
        only,
        made.map(({ id }) => ({ network_id: id, cidr })),
      );
      const ports = made.flatMap(({ id }) =>
        Array.from({ length: PORTS }, () => ({ network_id: id, host: 'host2' })),
      );
      await createPort(tx, call, ports);
    });
  }
}

function batches<Item>(items: readonly Item[]): Item[][] {
  return Array.from({ length: Math.ceil(items.length / BATCH) }, (_, at) =>
    items.slice(at * BATCH, (at + 1) * BATCH),
  );
}

async function timed<Result>(work: () => Promise<Result>): Promise<{ seconds: number; result: Result }> {
  const began = performance.now();
  const result = await work();
  return { seconds: (performance.now() - began) / 1000, result };
}

/** Seconds of each part, for so many networks of one dead agent among five. */
export function measureDatabase(networks: number): Promise<Figures> {
  return withDatabase(async ({ store }) => {
    let dead = false;
    const call: Call = {
      caller: { projectId: 'p', userId: 'u', isAdmin: true },
      clock: realClock,
      random: realRandom,
      settings: { ...SETTINGS, vniRange: [1, 100_000], dhcpAgentsPerNetwork: 1 },
      isAlive: ({ id }) => !(dead && id === DEAD),
      isEligible: ({ id }) => !(dead && id === DEAD),
    };
    await populate(store, call, networks);
    dead = true;
    await store.transact((tx) => tx.agents.update({ id: DEAD }, { liveness: 'dead' }));
    const order = { all: false, ports: false, most: networks, budget: networks, even: 0 };
    const plan = await timed(() => store.view((view) => planReschedule(view, call, order)));
    const begun = await timed(async () => {
      for (const batch of batches(plan.result.moves))
        await store.transact((tx) => beginMoves(tx, call, batch));
    });
    const { position, tag } = await store.view((view) => view.head());
    await store.transact((tx) => tx.agents.update({}, { realised_position: position, realised_tag: tag }));
    const ids = plan.result.moves.map((move) => move.networkId);
    const finished = await timed(async () => {
      let gone = 0;
      for (const batch of batches(ids))
        gone += (await store.transact((tx) => finishMoves(tx, call, batch))).result.gone;
      return gone;
    });
    if (finished.result !== networks)
      throw new Error(`${finished.result} of ${networks} moves were finished`);
    return {
      database_plan_s: round(plan.seconds, 3),
      database_begin_s: round(begun.seconds, 3),
      database_finish_s: round(finished.seconds, 3),
    };
  });
}
