/** One watch on its way between an agent and a server: frames in order but for the weather, until either end is gone. */
import type { Frame, Report, ReportAnswer, WatchRequest } from '../../src/watch/protocol.ts';
import type { Sink } from '../../src/watch/stream.ts';
import type { WatchEnd, WatchListener } from '../../src/watch/transport.ts';
import { parseFrame } from '../../src/watch/wire.ts';
import type { Incarnation } from './incarnation.ts';
import type { Network } from './network.ts';
import { happens } from './weather.ts';

/** What the server's program does with an accepted connection. */
export interface ServerEnd {
  /** The connection takes again after a `write` that said false. */
  drained(): void;
  /** A heartbeat came. */
  heard(): void;
  /** The agent, or the way to it, is gone. */
  closed(): void;
}

/** A server, as the network reaches it. */
export interface Listening {
  readonly name: string;
  readonly life: Incarnation | undefined;
  watch(request: WatchRequest, sink: Sink): ServerEnd;
  report(report: Report): Promise<ReportAnswer>;
}

/** How often the agent says that it is there: what a server said last holds for the next one too. */
export interface Pace {
  heartbeatMs: number;
}

/** Sees a frame on its way; may change it (a planted bug), or swallow it. */
export type Tap = (agent: string, frame: Frame) => Frame | undefined;

/** What a socket holds before it says "wait", in characters. */
const SEND_BUFFER = 2_000;
const TINY_MS = 0.001;
/** A doubled message comes at most so much later. */
const LATE_MS = 3_000;

export class Connection {
  readonly agent: string;
  readonly server: string;
  readonly #network: Network;
  readonly #life: Incarnation;
  readonly #pace: Pace;
  readonly #listening: Listening;
  readonly #listener: WatchListener;
  readonly #label: string;
  /** Each end, as itself sees it. */
  #agentOpen = true;
  #serverOpen = false;
  /** The server has taken the watch: before, it may not come to tell of a knock. */
  #isAnswered = false;
  /** Whether what the server writes gets anywhere. */
  #carries = true;
  /** The life of the server that took it. */
  #their: Incarnation | undefined;
  #end: ServerEnd | undefined;
  #inFlight = 0;
  #isBlocked = false;
  #lastArrival = 0;
  #cancelBeat: () => void = () => undefined;

  constructor(
    network: Network,
    ends: { life: Incarnation; pace: Pace; server: Listening; listener: WatchListener },
  ) {
    this.#network = network;
    this.#life = ends.life;
    this.#pace = ends.pace;
    this.#listening = ends.server;
    this.#listener = ends.listener;
    this.agent = ends.life.name;
    this.server = ends.server.name;
    this.#label = `${this.server}>${this.agent}`;
  }

  /** Sends the request on its way; the returned function closes the agent's end. */
  open(request: string): () => void {
    const label = `${this.agent}>${this.server} watch`;
    this.#network.scheduler.after(this.#network.delay(), label, () => this.#arrive(request));
    const close = () => {
      this.#agentOpen = false;
      this.#tellServer();
    };
    this.#life.atDeath(close);
    this.#nextBeat();
    return close;
  }

  #nextBeat(): void {
    this.#cancelBeat();
    this.#cancelBeat = this.#life.clock.after(this.#pace.heartbeatMs, () => this.#beat());
  }

  #beat(): void {
    if (!this.#agentOpen) return;
    this.#nextBeat();
    const { scheduler } = this.#network;
    if (!this.#carries || this.#network.isParted(this.agent, this.server, 'up')) return;
    scheduler.after(this.#network.delay(), '', () => {
      this.#their?.enter(() => {
        if (!this.#serverOpen) return;
        this.#heard();
        this.#end?.heard();
      });
    });
  }

  #heard(): void {
    if (this.#isAnswered) this.#network.heard(this.agent, this.server);
  }

  /** Breaks it. An end that does not hear of it finds out by the other's silence. */
  cut(hears: { agent: boolean; server: boolean }): void {
    if (hears.agent) this.#endAgent({ reason: 'connection reset' });
    if (hears.server) this.#tellServer();
    this.#network.connections.delete(this);
    this.#carries = false;
  }

  /** The agent reads nothing for so long. */
  stall(forMs: number): void {
    this.#lastArrival = Math.max(this.#lastArrival, this.#network.scheduler.now + forMs);
  }

  /** A frame from somewhere reaches the agent on this connection. */
  inject(frame: Frame): void {
    this.#life.enter(() => this.#deliver(frame));
  }

  #arrive(request: string): void {
    if (!this.#agentOpen || this.#network.isParted(this.agent, this.server, 'up')) return;
    const their = this.#listening.life;
    if (!their?.alive) {
      this.#endAgent({ reason: 'connection refused' });
      return;
    }
    this.#serverOpen = true;
    this.#network.deliveries += 1;
    this.#network.connections.add(this);
    their.atDeath(() => {
      this.#serverOpen = false;
      this.cut({ agent: true, server: true });
    });
    this.#their = their;
    their.enter(() => {
      if (!this.#serverOpen) return;
      this.#end = this.#listening.watch(JSON.parse(request) as WatchRequest, this.#sink());
    });
  }

  #sink(): Sink {
    return {
      open: () => {
        this.#isAnswered = true;
        this.#heard();
      },
      refuse: (refusal) => this.#endByServer(refusal),
      write: (line) => {
        if (this.#serverOpen && this.#carries) this.#send(line);
        this.#isBlocked = this.#inFlight > SEND_BUFFER;
        return !this.#isBlocked;
      },
      end: () => this.#endByServer({ reason: 'ended by the server' }),
      abort: () => this.#endByServer({ reason: 'aborted by the server' }),
    };
  }

  #send(line: string): void {
    const { random, weather } = this.#network;
    const overtakes = happens(random, weather.reordering);
    this.#sendOnce(line, overtakes ? 'overtaking' : 'in order');
    if (happens(random, weather.duplication)) this.#sendOnce(line, 'late');
  }

  #sendOnce(line: string, how: 'in order' | 'overtaking' | 'late'): void {
    const { scheduler, random } = this.#network;
    if (this.#network.isLost() || this.#network.isParted(this.agent, this.server, 'down')) return;
    const frame = parseFrame(line);
    if (!frame || frame === 'unknown') return;
    const at = scheduler.now + this.#network.delay() + (how === 'late' ? random.next() ** 3 * LATE_MS : 0);
    const arrival = how === 'overtaking' ? at : Math.max(at, this.#lastArrival + TINY_MS);
    if (how === 'in order') this.#lastArrival = arrival;
    this.#inFlight += line.length;
    scheduler.after(arrival - scheduler.now, `${this.#label} ${describe(frame)}`, () => {
      if (!this.#agentOpen || !this.#life.alive) {
        this.#inFlight -= line.length;
        this.#drain();
        return;
      }
      // an agent that stands still does not read
      this.#life.enter(() => {
        this.#inFlight -= line.length;
        this.#deliver(frame);
        this.#drain();
      });
    });
  }

  #deliver(frame: Frame): void {
    if (!this.#agentOpen || !this.#life.alive) return;
    const seen = this.#network.tap(this.agent, frame);
    if (!seen) return;
    this.#network.deliveries += 1;
    if (seen.type === 'hello' && seen.heartbeatMs !== undefined) {
      this.#pace.heartbeatMs = seen.heartbeatMs;
      this.#beat();
    }
    this.#listener.onFrame(seen);
    this.#network.delivered(this.agent);
  }

  #drain(): void {
    if (!this.#isBlocked || this.#inFlight > SEND_BUFFER / 2 || !this.#serverOpen) return;
    this.#isBlocked = false;
    this.#their?.enter(() => this.#end?.drained());
  }

  #endByServer(end: WatchEnd): void {
    if (!this.#serverOpen) return;
    this.#serverOpen = false;
    this.#network.connections.delete(this);
    if (!this.#network.isParted(this.agent, this.server, 'down')) this.#endAgent(end);
    this.#closed(this.#network.delay());
  }

  #endAgent(end: WatchEnd): void {
    const { scheduler } = this.#network;
    const delayMs = Math.max(this.#network.delay(), this.#lastArrival - scheduler.now + TINY_MS);
    scheduler.after(delayMs, `${this.#label} end: ${end.reason}`, () => {
      this.#life.enter(() => {
        if (!this.#agentOpen) return;
        this.#agentOpen = false;
        this.#listener.onEnd(end);
      });
    });
  }

  /** The agent's end is closed. A server that does not hear of it misses its heartbeats. */
  #tellServer(): void {
    this.#network.connections.delete(this);
    if (!this.#carries || this.#network.isParted(this.agent, this.server, 'up')) return;
    this.#closed(this.#network.delay());
  }

  #closed(afterMs: number): void {
    this.#network.scheduler.after(afterMs, `${this.#label} closed`, () => {
      this.#serverOpen = false;
      this.#their?.enter(() => {
        const end = this.#end;
        this.#end = undefined;
        end?.closed();
      });
    });
  }
}

/** A frame in a word or two, for the trace. */
function describe(frame: Frame): string {
  switch (frame.type) {
    case 'hello':
      return `hello ${frame.mode}`;
    case 'group':
      return `group ${frame.group} at ${frame.at.position}`;
    case 'synced':
      return `synced at ${frame.at.position}`;
    case 'batch':
      return `batch ${frame.from.position}-${frame.to.position}`;
    case 'digest':
      return `digest at ${frame.at.position}`;
    case 'goodbye':
      return `goodbye ${frame.reason}`;
    case 'remedy':
      return `remedy ${frame.how} ${frame.role} ${frame.keys.join(' ')}`;
  }
}
