/** Feeds over one memory store and agents that follow them, in one process, at virtual time. */
import assert from 'node:assert/strict';
import { integerBetween, type Random, seededRandom } from '../../src/lib/random.ts';
import {
  type Body,
  dhcpGroup,
  endpointBody,
  type Group,
  hostBody,
  hostGroup,
  leaseBody,
  networkBody,
  networkGroup,
  subnetBody,
} from '../../src/resources/agent-view.ts';
import type { HostRow } from '../../src/resources/agent.ts';
import type { NetworkRow } from '../../src/resources/network.ts';
import { formatPlace, type Place } from '../../src/resources/place.ts';
import type { PortRow } from '../../src/resources/port.ts';
import { extrasOf } from '../../src/resources/port-extras.ts';
import type { SubnetRow } from '../../src/resources/subnet.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import { type MemoryStore, openMemoryStore, type RowOf } from '../../src/store/memory/memory-store.ts';
import type { TableName } from '../../src/store/memory/schema.ts';
import type { Transaction } from '../../src/store/store.ts';
import { Feed, type FeedLimits, type Sent, type WatchHandle } from '../../src/watch/feed.ts';
import { Follower } from '../../src/watch/follow.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Mirror } from '../../src/watch/mirror.ts';
import type { Frame, WatchRequest } from '../../src/watch/protocol.ts';
import type { FeedSource } from '../../src/watch/source.ts';
import type { Sink } from '../../src/watch/stream.ts';
import type { Transport, WatchListener } from '../../src/watch/transport.ts';
import { parseFrame } from '../../src/watch/wire.ts';
import { VirtualClock } from './virtual-clock.ts';
import { putSecurity } from './watch-security.ts';

type Groups = Map<Group, Map<string, Body>>;

/** What a host should hold, from rows alone: given at a place of the log, or now. */
export function expectedGroups(store: MemoryStore, host: string, place?: Place): Groups {
  const rows = <Name extends TableName>(table: Name): readonly RowOf<Name>[] => {
    const found = place ? store.rowsAt(table, place) : store.rows(table);
    assert.ok(found, `the log does not hold ${place && formatPlace(place)}`);
    return found;
  };
  const hosts = new Map(rows('hosts').map((row) => [row.name, row]));
  const groups: Groups = new Map([[hostGroup(host), new Map()]]);
  const put = (group: Group, key: string, body: Body) => groups.get(group)?.set(key, body);
  const ports = rows('ports');
  const bindings = rows('dhcpBindings');
  for (const it of [...ports, ...bindings]) {
    if (it.host === host) groups.set(networkGroup(it.network_id), new Map());
  }
  for (const it of bindings) if (it.host === host) groups.set(dhcpGroup(it.network_id), new Map());
  const own = hosts.get(host);
  if (own) put(hostGroup(host), `host/${host}`, hostBody(own));
  for (const row of rows('networks')) put(networkGroup(row.id), `network/${row.id}`, networkBody(row));
  for (const row of rows('subnets')) put(dhcpGroup(row.network_id), `subnet/${row.id}`, subnetBody(row));
  for (const it of [...ports, ...bindings]) {
    const there = hosts.get(it.host);
    if (there) put(networkGroup(it.network_id), `endpoint/${it.host}`, endpointBody(there));
  }
  for (const row of ports) {
    put(dhcpGroup(row.network_id), `lease/${row.id}`, leaseBody(row));
  }
  putSecurity(groups, host, rows);
  return groups;
}

export function assertMirror(mirror: Mirror, expected: Groups, what: string): void {
  const held = new Map([...mirror.groups()].map((name) => [name, new Map(mirror.group(name))]));
  assert.deepEqual(held, expected, what);
}

/** A connection to a feed. What a blocked one is given waits, as in a socket's buffer. */
export class TestSink implements Sink {
  readonly lines: string[] = [];
  state: 'asked' | 'open' | 'refused' | 'ended' = 'asked';
  refusal = { reason: '', retryAfterMs: 0 };
  blocked = false;
  onLine: (line: string) => void = () => undefined;
  onEnd: () => void = () => undefined;

  open(): void {
    this.state = 'open';
  }
  refuse(refusal: { reason: string; retryAfterMs: number }): void {
    this.state = 'refused';
    this.refusal = refusal;
    this.onEnd();
  }
  write(line: string): boolean {
    this.lines.push(line);
    this.onLine(line);
    return !this.blocked;
  }
  end(): void {
    this.state = 'ended';
    this.onEnd();
  }
  abort(): void {
    this.end();
  }
  frames(): Frame[] {
    return this.lines.map((line) => parseFrame(line.trimEnd()) as Frame);
  }
}

export function watchRequest(host: string, fields: Partial<WatchRequest> = {}): WatchRequest {
  return {
    ...{ version: 1, host, incarnation: 1, roles: ['l2'], tunnel_ip: '', physical_networks: [] },
    ...{ configurations: {}, place: null, groups: {} },
    ...fields,
  };
}

/** A server of the world: its feed, and whether it runs. */
interface Server {
  feed: Feed;
  stop: () => Promise<void>;
}

interface AgentRun {
  readonly journal: Journal;
  readonly follower: Follower;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly seed?: number;
  readonly servers?: number;
  readonly limits?: Partial<FeedLimits>;
  /** Mirrors may be wrong for a while: only `assertConverged` looks. */
  readonly unchecked?: boolean;
  /** Stands between feeds and store. */
  readonly source?: (source: FeedSource) => FeedSource;
  readonly onSent?: (sent: Sent) => void;
}

export class WatchWorld {
  readonly clock = new VirtualClock();
  readonly random: Random;
  readonly store: MemoryStore;
  readonly agents = new Map<string, AgentRun>();
  readonly presence: string[] = [];
  readonly heard: string[] = [];
  readonly errors: unknown[] = [];
  readonly #options: WorldOptions;
  readonly #servers: Server[] = [];
  readonly #sinks = new Set<TestSink>();
  readonly #disks = new Map<string, string>();
  #incarnation = 0;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.random = seededRandom(options.seed ?? 1);
    this.store = openMemoryStore({ clock: this.clock, random: this.random });
    for (let i = 0; i < (options.servers ?? 1); i++) this.#servers.push(this.#startServer(i));
  }

  feed(server = 0): Feed {
    return (this.#servers[server] as Server).feed;
  }

  #startServer(number: number): Server {
    const source = agentObjectsSource(this.store.connect({}));
    const feed = new Feed({
      source: this.#options.source?.(source) ?? source,
      clock: this.clock,
      random: this.random,
      serverId: `server-${number}`,
      limits: this.#options.limits ?? {},
      onPresence: (host, connected) => this.presence.push(`${connected ? '+' : '-'}${host}`),
      onHeard: (host) => this.heard.push(host),
      onError: (error) => this.errors.push(error),
      ...(this.#options.onSent ? { onSent: this.#options.onSent } : {}),
    });
    const abort = new AbortController();
    const running = feed.run(abort.signal);
    const stop = () => {
      abort.abort();
      return running;
    };
    return { feed, stop };
  }

  async restartServer(number: number): Promise<void> {
    const old = this.#servers[number] as Server;
    const stopped = old.stop();
    await this.clock.advance(0);
    await stopped;
    this.#servers[number] = this.#startServer(number);
  }

  /** Opens a connection by hand. */
  attach(request: WatchRequest, server = 0): { sink: TestSink; handle: WatchHandle } {
    const sink = new TestSink();
    return { sink, handle: this.feed(server).attach(request, sink) };
  }

  /** Cuts every connection, at both ends. */
  cutAll(): void {
    for (const sink of [...this.#sinks]) sink.end();
  }

  #transport(): Transport {
    return {
      servers: this.#servers.length,
      report: () => Promise.reject(new Error('not here')),
      connect: (server, request, listener) => this.#connect(server, request, listener),
    };
  }

  #connect(server: number, request: WatchRequest, listener: WatchListener): () => void {
    const sink = new TestSink();
    const handle = this.feed(server).attach(request, sink);
    this.#sinks.add(sink);
    let isOpen = true;
    const close = () => {
      isOpen = false;
      this.#sinks.delete(sink);
      handle.closed();
    };
    sink.onLine = (line) => {
      this.clock.after(1, () => isOpen && listener.onFrame(parseFrame(line.trimEnd()) as Frame));
    };
    sink.onEnd = () => {
      this.clock.after(1, () => {
        if (!isOpen) return;
        close();
        const { reason, retryAfterMs } = sink.refusal;
        listener.onEnd(retryAfterMs > 0 ? { reason, retryAfterMs } : { reason });
      });
    };
    return close;
  }

  /** Starts the agent of a host on whatever its disk has; its mirror is checked after every change. */
  async startAgent(host: string): Promise<AgentRun> {
    const storage = {
      read: async () => this.#disks.get(host) ?? null,
      append: async (text: string) => void this.#disks.set(host, (this.#disks.get(host) ?? '') + text),
      replace: async (text: string) => void this.#disks.set(host, text),
    };
    const journal = await Journal.open(storage, host);
    const incarnation = ++this.#incarnation;
    const describe = () => watchRequest(host, { incarnation });
    const follower = new Follower({
      ...{ transport: this.#transport(), journal, clock: this.clock, random: this.random, describe },
      onChanges: (_changes, place) => {
        if (this.#options.unchecked || place === null || !this.store.holds(place)) return;
        const expected = expectedGroups(this.store, host, place);
        assertMirror(journal.mirror, expected, `${host} at ${formatPlace(place)}`);
      },
      onJournalError: (error) => this.errors.push(error),
    });
    const abort = new AbortController();
    const running = follower.run(abort.signal);
    const stop = () => {
      this.agents.delete(host);
      abort.abort();
      return running;
    };
    const run = { journal, follower, stop };
    this.agents.set(host, run);
    return run;
  }

  /** Ends the agent of a host; its disk stays, and so does its mirror as it was. */
  async stopAgent(host: string): Promise<Mirror> {
    const { journal, stop } = this.agents.get(host) as AgentRun;
    const stopped = stop();
    await this.clock.advance(0);
    await stopped;
    return journal.mirror;
  }

  /** Loses the end of what is on a host's disk, as a crash may. */
  tearDisk(host: string): void {
    const text = this.#disks.get(host) ?? '';
    this.#disks.set(host, text.slice(0, integerBetween(this.random, 0, text.length)));
  }

  mirror(host: string): Mirror {
    return (this.agents.get(host) as AgentRun).journal.mirror;
  }

  /** Every agent that runs holds what the rows say now, and stands at the head of the log. */
  assertConverged(): void {
    for (const [host, { journal }] of this.agents) {
      assertMirror(journal.mirror, expectedGroups(this.store, host), host);
    }
  }

  /** Ends everything. */
  async close(): Promise<void> {
    const ends = [...this.agents.values()].map((agent) => agent.stop());
    ends.push(...this.#servers.map((server) => server.stop()));
    await this.clock.advance(0);
    await Promise.all(ends);
  }

  transact<Result>(work: (tx: Transaction) => Promise<Result>): Promise<Result> {
    return this.store.transact(work).then((done) => done.result);
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[integerBetween(this.random, 0, items.length - 1)];
  }
}

const standard = {
  ...{ project_id: 'p', description: '', revision_number: 1, created_at: '', updated_at: '' },
  tags: [],
};

export function hostRow(name: string, tunnel_ip = '192.0.2.1'): HostRow {
  return { name, credential_hash: null, tunnel_ip, management_ip: '', physical_networks: [], created_at: '' };
}

export function networkRow(id: string, segmentation_id: number): NetworkRow {
  return {
    ...{
      id,
      ...standard,
      name: 'net',
      admin_state_up: true,
      status: 'ACTIVE',
      shared: false,
      external: false,
    },
    ...{ mtu: 1450, network_type: 'vxlan', physical_network: null, segmentation_id },
    ...{ port_security_enabled: true, dns_domain: '', availability_zone_hints: [], qos_policy_id: null },
    is_default: false,
  };
}

export function subnetRow(id: string, network_id: string): SubnetRow {
  return {
    ...{ id, ...standard, name: '', network_id, ip_version: 4, cidr: '10.0.0.0/16', gateway_ip: '10.0.0.1' },
    ...{ enable_dhcp: true, ipv6_ra_mode: null, ipv6_address_mode: null, allocation_pools: [] },
    ...{
      dns_nameservers: [],
      host_routes: [],
      service_types: [],
      dns_publish_fixed_ip: false,
      subnetpool_id: null,
    },
  };
}

export function portRow(id: string, network_id: string, fields: Partial<PortRow> = {}): PortRow {
  return {
    ...{ id, ...standard, name: '', network_id, admin_state_up: true, status: 'DOWN', mac_address: id },
    ...{ fixed_ips: [], device_id: '', device_owner: '', host: '', vnic_type: 'normal', profile: {} },
    ...{
      vif_type: 'unbound',
      vif_details: {},
      generation: 1,
      port_security_enabled: true,
      allowed_address_pairs: [],
    },
    ...{ extra_dhcp_opts: [], dns_name: '', dns_domain: '', qos_policy_id: null, ip_allocation: 'immediate' },
    ...extrasOf({}),
    ...fields,
  };
}
