/**
 * A run of the model done again on the code: two real feeds over the memory store, the real follower, mirror and journal
 * of one agent. Every step of the model is one of the code; nothing moves in between, for each has a clock of its own
 * that stands still.
 *
 * The model's group A is what is always in the agent's scope (its host's own group, network 1 with its DHCP), its group B
 * is network 2 with its DHCP, which the host serves or not. A frame of the model is all that the code sends for it.
 */
import assert from 'node:assert/strict';
import { seededRandom } from '../../src/lib/random.ts';
import type { Body, Group } from '../../src/resources/agent-view.ts';
import { formatPlace, type Place, samePlace } from '../../src/resources/place.ts';
import { agentObjectsSource } from '../../src/store/agent-objects.ts';
import { type MemoryStore, openMemoryStore } from '../../src/store/memory/memory-store.ts';
import type { WatchHandle } from '../../src/watch/feed.ts';
import { Follower } from '../../src/watch/follow.ts';
import { Journal } from '../../src/watch/journal.ts';
import type { Frame, WatchRequest } from '../../src/watch/protocol.ts';
import type { WatchListener } from '../../src/watch/transport.ts';
import { agent, agentId, dhcpBinding, host, network, networkId, subnet, subnetId } from '../store/rows.ts';
import { settle, VirtualClock } from '../support/virtual-clock.ts';
import { expectedGroups, TestSink, watchRequest } from '../support/watch-world.ts';
import { ANSWER_MS, BOOKMARK_MS, Disk, POLL_MS, Server, TAIL } from './actors.ts';
import type { ModelFrame, ModelState, Moment, Step } from './trace.ts';

const HOST = 'h';
const GROUP_A = `network/${networkId(1)}`;
const GROUP_B = `network/${networkId(2)}`;
const ONES_OF_B: readonly Group[] = [GROUP_B, `dhcp/${networkId(2)}`];

type Groups = Map<Group, Map<string, Body>>;

/** What the code sends for one frame of the model. */
interface Unit {
  readonly kind: ModelFrame['kind'];
  readonly frames: readonly Frame[];
  readonly connection: number;
}

interface Running {
  readonly one: Follower;
  stop: () => Promise<void>;
}

interface Connection {
  readonly number: number;
  readonly request: WatchRequest;
  readonly listener: WatchListener;
  server: number | undefined;
  handle: WatchHandle | undefined;
  sink: TestSink;
  read: number;
}

export class Replay {
  readonly store: MemoryStore;
  readonly #storeClock = new VirtualClock();
  readonly #agentClock = new VirtualClock();
  readonly #random = seededRandom(2);
  readonly #disk = new Disk();
  /** By the model's number of the commit. */
  readonly #places: Place[] = [];
  /** What the host should hold, by place. */
  readonly #expected = new Map<string, Groups>();
  readonly #servers: Server[] = [];
  #journal: Journal | undefined;
  #follower: Running | undefined;
  #connections = 0;
  #connection: Connection | undefined;
  #wire: Unit[] = [];
  #first = 0;
  #incarnation = 0;
  /** Frames that the code refused, or that came when it did not listen. */
  refused = 0;

  private constructor() {
    this.store = openMemoryStore({ clock: this.#storeClock, random: this.#random });
  }

  static async begin(): Promise<Replay> {
    const replay = new Replay();
    await replay.store.transact(async (tx) => {
      await tx.networks.insert([network(1), network(2)]);
      await tx.subnets.insert([subnet(1, 1), subnet(2, 2)]);
      await tx.hosts.insert([host(HOST)]);
      await tx.agents.insert([agent(1, HOST)]);
      await tx.dhcpBindings.insert([dhcpBinding(1, 1, HOST), dhcpBinding(2, 1, HOST)]);
    });
    // what lies before the model's first place is no larger than the rest
    for (let i = 0; i < TAIL; i++) await replay.#commit('change');
    replay.#places.splice(0, TAIL - 1);
    replay.#servers.push(await replay.#startServer(0), await replay.#startServer(1));
    await replay.#startAgent();
    return replay;
  }

  async end(): Promise<void> {
    await this.#follower?.stop();
    for (const server of this.#servers) await server.stop();
  }

  /** Does one step; false: the code has nothing that it could be done with. */
  async perform(step: Step): Promise<boolean> {
    switch (step.type) {
      case 'commit':
        await this.#commit(step.what);
        return true;
      case 'promote':
        this.store.loseTail(step.lost);
        // a standby has forgotten what the primary had
        return this.#trim(this.#first);
      case 'trim':
        return this.#trim(step.first);
      case 'cycle':
        return this.#cycle(step.server);
      case 'patience':
        await (this.#servers[step.server] as Server).clock.advance(ANSWER_MS + 2 * POLL_MS);
        this.#collect();
        return this.#connection?.sink.state === 'open';
      case 'bookmark':
        return this.#bookmark(step.server);
      case 'attach':
        return this.#attach(step.server);
      case 'restart':
        return this.#restart(step.server);
      case 'ended':
      case 'cut':
        return this.#cut();
      case 'flush':
        this.#disk.flush();
        return true;
      case 'crash':
        return this.#crash();
      default:
        return this.#onWire(step);
    }
  }

  async #commit(what: 'change' | 'toggle'): Promise<void> {
    const name = `${this.#places.length}-${this.#random.tag()}`;
    const { place } = await this.store.transact(async (tx) => {
      if (what === 'change') {
        await tx.networks.update({ id: networkId(2) }, { name });
        await tx.subnets.update({ id: subnetId(2) }, { gateway_ip: name });
        return;
      }
      await tx.networks.update({ id: networkId(1) }, { name });
      const where = { network_id: networkId(2), agent_id: agentId(1) };
      const removed = await tx.dhcpBindings.remove(where);
      if (removed.length === 0) await tx.dhcpBindings.insert([dhcpBinding(2, 1, HOST)]);
    });
    assert.ok(place);
    this.#places.push(place);
    this.#expected.set(formatPlace(place), expectedGroups(this.store, HOST));
  }

  async #trim(first: number): Promise<boolean> {
    this.#first = first;
    const base = (this.#places[0] as Place).position;
    await this.#storeClock.advance(1);
    await this.store.trim({ ageMs: 0, keep: this.store.head().position - (base + first) + 1 });
    return true;
  }

  async #startServer(number: number): Promise<Server> {
    const server = new Server(agentObjectsSource(this.store.connect({})), `server-${number}`);
    await server.begin();
    return server;
  }

  async #cycle(number: number): Promise<boolean> {
    await (this.#servers[number] as Server).cycle();
    this.#collect();
    return true;
  }

  /** What the agent's connection was sent since the last look, as frames of the model. */
  #collect(): void {
    const { sink, number } = this.#connection ?? {};
    if (!this.#connection || !sink) return;
    const frames = sink.frames().slice(this.#connection.read);
    this.#connection.read += frames.length;
    const put = (kind: ModelFrame['kind'], found: readonly Frame[]) => {
      if (found.length > 0) this.#wire.push({ kind, frames: found, connection: number as number });
    };
    for (const frame of frames) if (frame.type === 'hello') put(frame.mode, [frame]);
    const groups = frames.filter((frame) => frame.type === 'group');
    put(
      'groupA',
      groups.filter((frame) => !ONES_OF_B.includes(frame.group)),
    );
    put(
      'groupB',
      groups.filter((frame) => ONES_OF_B.includes(frame.group)),
    );
    for (const frame of frames) if (frame.type === 'synced') put('synced', [frame]);
    // a bookmark says nothing new (but right after a hello it is the answer), and is not in the model but where it is asked for
    let isAnswer = frames.some((frame) => frame.type === 'hello');
    for (const frame of frames) {
      if (frame.type !== 'batch') continue;
      if (isAnswer || !samePlace(frame.from, frame.to)) put('batch', [frame]);
      isAnswer = false;
    }
  }

  async #bookmark(number: number): Promise<boolean> {
    const connection = this.#connection;
    if (connection?.server !== number || connection.sink.state !== 'open') return false;
    await (this.#servers[number] as Server).clock.advance(2 * BOOKMARK_MS + 1_000);
    const last = connection.sink.frames().findLast((frame) => frame.type === 'batch');
    connection.read = connection.sink.lines.length;
    if (!last) return false;
    this.#wire.push({ kind: 'batch', frames: [last], connection: connection.number });
    return true;
  }

  async #startAgent(): Promise<void> {
    const journal = await Journal.open(this.#disk.storage, HOST);
    const incarnation = ++this.#incarnation;
    const connect = (_server: number, request: WatchRequest, listener: WatchListener) => {
      const number = ++this.#connections;
      const sink = new TestSink();
      this.#connection = { number, request, listener, sink, server: undefined, handle: undefined, read: 0 };
      return () => this.#leave(number);
    };
    this.#journal = journal;
    this.#follower = undefined;
    const one = new Follower({
      transport: { servers: 1, connect, report: () => Promise.reject(new Error('not here')) },
      ...{ journal, clock: this.#agentClock, random: this.#random },
      describe: () => watchRequest(HOST, { incarnation }),
      onChanges: () => undefined,
      onJournalError: (error) => assert.fail(String(error)),
    });
    this.#follower = { one, stop: async () => undefined };
  }

  #leave(number: number): void {
    if (this.#connection?.number !== number) return;
    this.#connection.handle?.closed();
    this.#connection = undefined;
  }

  /** The agent, whose time to connect has come, finds this server. */
  async #attach(number: number): Promise<boolean> {
    const follower = this.#follower as Running;
    if (follower.one.state.name !== 'waiting') return false;
    if (follower.one.state.connection === 0) {
      const abort = new AbortController();
      const running = follower.one.run(abort.signal);
      follower.stop = () => {
        abort.abort();
        return running;
      };
    }
    for (let ms = 0; !this.#connection; ms += 50) {
      assert.ok(ms < 2_000, 'the agent does not connect');
      await this.#agentClock.advance(50);
    }
    const connection = this.#connection;
    connection.server = number;
    connection.handle = (this.#servers[number] as Server).feed.attach(connection.request, connection.sink);
    await settle();
    return true;
  }

  async #restart(number: number): Promise<boolean> {
    await (this.#servers[number] as Server).stop();
    this.#servers[number] = await this.#startServer(number);
    return true;
  }

  async #cut(): Promise<boolean> {
    const connection = this.#connection;
    if (!connection) return false;
    connection.listener.onEnd({ reason: 'cut' });
    this.#leave(connection.number);
    await settle();
    return true;
  }

  async #crash(): Promise<boolean> {
    await this.#follower?.stop();
    if (this.#connection) this.#leave(this.#connection.number);
    this.#disk.lose();
    await this.#startAgent();
    return true;
  }

  /** The first of that kind on the wire: of this connection, or of one that has ended. */
  #find(frame: ModelFrame): number {
    return this.#wire.findIndex(
      (unit) => unit.kind === frame.kind && this.#isOld(unit) === frame.isOld && this.#isAt(unit, frame),
    );
  }

  #isOld(unit: Unit): boolean {
    return unit.connection !== this.#connection?.number;
  }

  #isAt(unit: Unit, frame: ModelFrame): boolean {
    const [one] = unit.frames;
    if (one?.type === 'batch')
      return samePlace(one.from, this.#placeOf(frame.from)) && samePlace(one.to, this.#placeOf(frame.to));
    if (one?.type === 'group' || one?.type === 'synced') return samePlace(one.at, this.#placeOf(frame.to));
    return true;
  }

  #placeOf(commit: number): Place {
    return this.#places[commit] as Place;
  }

  async #onWire(step: Extract<Step, { frame: ModelFrame }>): Promise<boolean> {
    const at = this.#find(step.frame);
    const unit = this.#wire[at];
    if (!unit) return false;
    if (step.type !== 'duplicate') this.#wire.splice(at, 1);
    if (step.type === 'duplicate' || step.type === 'delay') this.#wire.push(unit);
    if (step.type === 'deliver') await this.#deliver(unit);
    return true;
  }

  async #deliver(unit: Unit): Promise<void> {
    const connection = this.#connection;
    // what an ended connection left never comes to the follower: its transport is closed
    if (!connection || connection.number !== unit.connection) return;
    for (const frame of unit.frames) {
      if (this.#connection !== connection) break;
      connection.listener.onFrame(frame);
    }
    if (this.#connection !== connection) this.refused++;
    await settle();
  }

  /** A mirror with a place is exactly the state of that place. */
  assertExact(): void {
    const { mirror } = this.#journal as Journal;
    if (!mirror.place) return;
    const held = new Map([...mirror.groups()].map((name) => [name, new Map(mirror.group(name))]));
    const expected = this.#expected.get(formatPlace(mirror.place));
    assert.deepEqual(held, expected, `the mirror at ${formatPlace(mirror.place)}`);
  }

  /** The code is where the model is. */
  assertState(state: ModelState): void {
    const { mirror } = this.#journal as Journal;
    const session =
      this.#follower?.one.state.name === 'catching-up' ? 'catchingUp' : this.#follower?.one.state.name;
    const place = state.place === null ? null : this.#placeOf(state.place);
    const found = {
      session,
      place: mirror.place,
      head: this.store.head(),
      frames: this.#wire.filter((unit) => !this.#isOld(unit)).length,
    };
    const { frames } = state;
    assert.deepEqual(found, { session: state.session, place, head: this.#placeOf(state.head), frames });
    for (const [name, commit] of [
      [GROUP_A, state.a],
      [GROUP_B, state.b],
    ] as const) {
      const held = mirror.group(name);
      const wanted =
        commit === null ? undefined : this.#expected.get(formatPlace(this.#placeOf(commit)))?.get(name);
      assert.deepEqual(held && new Map(held), wanted, `${name} in the mirror`);
    }
  }

  /** Connects and lets everything come, until the mirror stands at the head. */
  async settleDown(): Promise<void> {
    await this.#cut();
    await this.#attach(0);
    for (let turn = 0; turn < 20; turn++) {
      const { mirror } = this.#journal as Journal;
      if (mirror.place && samePlace(mirror.place, this.store.head())) return this.assertExact();
      await (this.#servers[0] as Server).clock.advance(ANSWER_MS);
      this.#collect();
      for (const unit of this.#wire.splice(0)) await this.#deliver(unit);
      if (!this.#connection) await this.#attach(0);
    }
    assert.fail('the mirror does not come to the head');
  }
}

/** Does a whole run again, comparing after every step. */
export async function replayRun(moments: readonly Moment[]): Promise<void> {
  const replay = await Replay.begin();
  try {
    for (const [at, { step, state }] of moments.entries()) {
      const where = `step ${at + 1}, ${JSON.stringify(step)}`;
      try {
        assert.ok(await replay.perform(step), 'the code cannot do it');
        replay.assertExact();
        if (state) replay.assertState(state);
      } catch (error) {
        throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
      }
    }
  } finally {
    await replay.end();
  }
}

/**
 * Does the way to an error of a broken model on the code, as far as it goes: where the code refuses, it goes another
 * way. The code holds what the model broke, and converges afterwards.
 */
export async function replayError(moments: readonly Moment[]): Promise<{ refused: number; skipped: number }> {
  const replay = await Replay.begin();
  let skipped = 0;
  try {
    for (const { step } of moments) {
      if (!(await replay.perform(step))) skipped++;
      replay.assertExact();
    }
    await replay.settleDown();
    return { refused: replay.refused, skipped };
  } finally {
    await replay.end();
  }
}
