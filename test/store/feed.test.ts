/** The feed on real PostgreSQL: writers at the same time, two servers, agents whose connections break. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { integerBetween, type Random, seededRandom } from '../../src/lib/random.ts';
import type { Body, Group } from '../../src/resources/agent-view.ts';
import { type AgentObjects, agentObjects, agentObjectsSource } from '../../src/store/agent-objects.ts';
import { ForeignKeyViolation, type Store, type Transaction, UniqueViolation } from '../../src/store/store.ts';
import { Feed } from '../../src/watch/feed.ts';
import { Follower } from '../../src/watch/follow.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Frame } from '../../src/watch/protocol.ts';
import type { Transport } from '../../src/watch/transport.ts';
import { parseFrame } from '../../src/watch/wire.ts';
import { withDatabase } from '../support/postgres.ts';
import { addressGroupRow, ruleRow, securityGroupRow } from '../support/watch-security.ts';
import {
  assertMirror,
  hostRow,
  networkRow,
  portRow,
  subnetRow,
  TestSink,
  watchRequest,
} from '../support/watch-world.ts';
import { agentRow } from '../support/watch-workload.ts';

const HOSTS = ['a', 'b', 'c', 'd', 'e'];
const WRITERS = 4;

interface Ids {
  readonly networks: readonly string[];
  readonly agents: ReadonlyMap<string, string>;
  readonly groups: readonly string[];
  readonly addresses: string;
}

async function populate(store: Store, random: Random): Promise<Ids> {
  const networks = Array.from({ length: 3 }, () => random.uuid());
  const agents = new Map(HOSTS.map((host) => [host, random.uuid()]));
  const groups = Array.from({ length: 4 }, () => random.uuid());
  const addresses = random.uuid();
  await store.transact(async (tx) => {
    await tx.hosts.insert(HOSTS.map((host) => hostRow(host)));
    await tx.agents.insert([...agents].map(([host, id]) => agentRow(id, host, 'dhcp')));
    await tx.networks.insert(networks.map((id, at) => networkRow(id, 100 + at)));
    await tx.subnets.insert(networks.map((id) => subnetRow(random.uuid(), id)));
    await tx.securityGroups.insert(groups.map((id) => securityGroupRow(id)));
    await tx.addressGroups.insert([addressGroupRow(addresses)]);
  });
  return { networks, agents, groups, addresses };
}

/** Rules, memberships and addresses, of whichever port: others may have it in hand at the same time. */
async function secure(
  tx: Transaction,
  random: Random,
  { ids, ports }: { ids: Ids; ports: readonly string[] },
) {
  const pick = <Item>(items: readonly Item[]) => items[integerBetween(random, 0, items.length - 1)] as Item;
  const [group, remote_group_id] = [pick(ids.groups), pick(ids.groups)];
  const address = `10.0.0.${integerBetween(random, 1, 250)}`;
  const chance = random.next();
  if (chance < 0.2) {
    const remote = random.next() < 0.8 ? { remote_group_id } : { remote_address_group_id: ids.addresses };
    await tx.securityGroupRules.insert([ruleRow(random.uuid(), group, remote)]);
  } else if (chance < 0.4) await tx.securityGroupRules.remove({ security_group_id: group, remote_group_id });
  else if (chance < 0.45) await tx.securityGroups.update({ id: group }, { stateful: random.next() < 0.5 });
  else if (chance < 0.5) await tx.addressGroups.update({}, { addresses: [`${address}/32`] });
  else {
    const id = pick(ports);
    if (chance < 0.6) {
      const pair = { ip_address: address, mac_address: 'fa:16:3e:00:00:01' };
      await tx.ports.update({ id }, { allowed_address_pairs: [pair] });
      return;
    }
    const row = { port_id: id, security_group_id: group };
    const [there] = await tx.portSecurityGroups.remove(row);
    if (!there && (await tx.ports.count({ id })) > 0) await tx.portSecurityGroups.insert([row]);
  }
}

/** One writer: whatever it does, it does beside the others. */
async function write(store: Store, random: Random, ids: Ids, all: string[] = []): Promise<void> {
  const pick = <Item>(items: readonly Item[]) => items[integerBetween(random, 0, items.length - 1)] as Item;
  const own: string[] = [];
  for (let i = 0; i < 60; i++) {
    const network = pick(ids.networks);
    const host = pick([...HOSTS, '']);
    const id = pick([...own, '']);
    const kind = integerBetween(random, 0, 12);
    const work = async (tx: Transaction) => {
      if (kind > 6 && all.length > 0) await secure(tx, random, { ids, ports: all });
      else if (kind === 0) await tx.networks.update({ id: network }, { name: random.uuid() });
      else if (kind === 1 && host !== '') {
        await tx.hosts.update({ name: host }, { tunnel_ip: `192.0.2.${integerBetween(random, 1, 250)}` });
        await tx.networks.find({ id: network });
      } else if (kind === 2 && id !== '') await tx.ports.update({ id }, { host, generation: i });
      else if (kind === 3 && id !== '') {
        own.splice(own.indexOf(id), 1);
        await tx.ports.remove({ id });
      } else if (kind === 4 && host !== '') {
        await tx.networks.lock({ id: network });
        const row = {
          network_id: network,
          agent_id: ids.agents.get(host) as string,
          host,
          leaving: false,
          tag: tx.tag,
          position: null,
        };
        const removed = await tx.dhcpBindings.remove({ network_id: network, host });
        if (removed.length === 0) await tx.dhcpBindings.insert([row]);
      } else {
        const port = random.uuid();
        own.push(port);
        all.push(port);
        await tx.ports.insert([portRow(port, network, { host })]);
      }
    };
    try {
      await store.transact(work);
    } catch (error) {
      // the port went, or came into the group, by another's hand
      if (!(error instanceof ForeignKeyViolation || error instanceof UniqueViolation)) throw error;
    }
  }
}

/** To either feed at will; a connection may break at any time. */
function transportTo(feeds: readonly Feed[], cuts: Set<() => void>): Transport {
  return {
    servers: feeds.length,
    report: () => Promise.reject(new Error('not here')),
    connect(server, request, listener) {
      const sink = new TestSink();
      const handle = (feeds[server] as Feed).attach(request, sink);
      let isOpen = true;
      const close = () => {
        isOpen = false;
        cuts.delete(cut);
        handle.closed();
      };
      const cut = () => {
        if (!isOpen) return;
        close();
        listener.onEnd({ reason: 'cut' });
      };
      cuts.add(cut);
      sink.onLine = (line) => {
        realClock.after(0, () => isOpen && listener.onFrame(parseFrame(line.trimEnd()) as Frame));
      };
      sink.onEnd = () => void realClock.after(0, cut);
      return close;
    },
  };
}

/** What a host should hold now, read whole. */
async function wholeScope(view: AgentObjects, host: string): Promise<Map<Group, Map<string, Body>>> {
  const scope = (await view.scopes([host])).get(host) ?? [];
  return view.groups([`host/${host}`, ...scope]);
}

test('with writers at the same time every mirror comes to be what the rows are', {
  timeout: 300_000,
}, async () => {
  await withDatabase(async ({ store }) => {
    const random = seededRandom(11);
    const ids = await populate(store, random);
    const abort = new AbortController();
    const source = agentObjectsSource(store);
    const errors: unknown[] = [];
    const feeds = ['s1', 's2'].map(
      (serverId) =>
        new Feed({ source, clock: realClock, random, serverId, onError: (error) => errors.push(error) }),
    );
    const cuts = new Set<() => void>();
    const running = feeds.map((feed) => feed.run(abort.signal));
    const mirrors = await Promise.all(
      HOSTS.map(async (host) => {
        const nowhere = {
          read: async () => null,
          append: async () => undefined,
          replace: async () => undefined,
        };
        const journal = await Journal.open(nowhere, host);
        const follower = new Follower({
          ...{ transport: transportTo(feeds, cuts), journal, clock: realClock, random },
          ...{ describe: () => watchRequest(host), onChanges: () => undefined },
          onJournalError: (error) => errors.push(error),
        });
        running.push(follower.run(abort.signal));
        return journal.mirror;
      }),
    );
    try {
      const ports: string[] = [];
      const writing = Promise.all(
        Array.from({ length: WRITERS }, (_, at) => write(store, seededRandom(100 + at), ids, ports)),
      );
      let isWriting = true;
      const done = writing.finally(() => {
        isWriting = false;
      });
      while (isWriting) {
        await sleep(realClock, 40);
        for (const cut of [...cuts]) if (random.next() < 0.2) cut();
      }
      await done;
      const head = await store.view((view) => view.head());
      const deadline = realClock.now() + 60_000;
      // an agent that the last change does not concern is brought there by a bookmark
      while (mirrors.some((mirror) => (mirror.place?.position ?? 0) < head.position)) {
        assert.ok(realClock.now() < deadline, 'not in time');
        await sleep(realClock, 20);
      }
      const expected = await store.view((view) =>
        Promise.all(HOSTS.map((host) => wholeScope(agentObjects(view), host))),
      );
      for (const [at, mirror] of mirrors.entries()) {
        assertMirror(mirror, expected[at] as Map<Group, Map<string, Body>>, mirror.host);
      }
      assert.deepEqual(errors, []);
    } finally {
      abort.abort();
      await Promise.all(running);
    }
  });
});

test('objects by ref and whole groups are the same objects', { timeout: 300_000 }, async () => {
  await withDatabase(async ({ store }) => {
    const random = seededRandom(12);
    const ids = await populate(store, random);
    await write(store, random, ids);
    await write(store, random, ids);
    await store.view(async (view) => {
      const objects = agentObjects(view);
      for (const host of HOSTS) {
        const groups = await wholeScope(objects, host);
        const refs = [...groups].flatMap(([name, them]) => [...them.keys()].map((key) => `${name}|${key}`));
        const byRef = await objects.objects(refs);
        for (const [name, them] of groups) {
          for (const [key, body] of them) assert.deepEqual(byRef.get(`${name}|${key}`), body);
        }
        const foreign = ids.networks.flatMap((id) => [
          `network/${id}|endpoint/nobody`,
          `dhcp/${id}|lease/${random.uuid()}`,
          `host/nobody|port/${random.uuid()}`,
        ]);
        assert.ok([...(await objects.objects(foreign)).values()].every((body) => body === null));
      }
    });
  });
});
