/**
 * `POST /deuteron/v1/watch`: the endless answer that carries frames to one agent (watch/protocol.ts). The body is one
 * JSON document, or (`application/x-ndjson`) stays open: its first line is the request, each later one a heartbeat.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../resources/errors.ts';
import type { WatchRequest } from '../watch/protocol.ts';
import { readWatchRequest } from '../watch/requests.ts';
import type { Sink } from '../watch/stream.ts';
import { LineSplitter } from '../watch/wire.ts';
import { type AuthenticateHost, hostOf, mustBeOwn } from './agent-credential.ts';

export const WATCH_URL = '/deuteron/v1/watch';
export const NDJSON = 'application/x-ndjson';

/** What it needs of a feed. */
export interface WatchFeed {
  attach(request: WatchRequest, sink: Sink): { drained(): void; heard(): void; closed(): void };
}

export interface WatchOptions {
  readonly authenticate: AuthenticateHost;
  readonly feed: WatchFeed;
  readonly clock: Clock;
  /**
   * Told of each agent that begins to watch, beside the watch itself: many may connect at once, and none should wait
   * for the others' rows. If it fails the watch is ended, and the agent comes again.
   */
  readonly register: (request: WatchRequest) => Promise<void>;
  readonly onError?: (error: unknown) => void;
}

/** A request may name every group that an agent holds. */
export const MAX_REQUEST_CHARACTERS = 16 * 1024 * 1024;
const FIRST_LINE_MS = 10_000;
const MAX_REGISTERING = 4;

export function addWatch(app: FastifyInstance, options: WatchOptions): void {
  const register = atMost(MAX_REGISTERING, options.register);
  app.post(WATCH_URL, async (request, reply) => {
    const host = await hostOf(request.headers.authorization, options.authenticate);
    const lines = request.body instanceof LineBody ? request.body : undefined;
    const asked = readWatchRequest(lines ? await lines.first(options.clock) : request.body);
    mustBeOwn(host, asked.host);
    reply.hijack();
    const { raw } = reply;
    const sink = new ResponseSink(raw);
    const handle = options.feed.attach(asked, sink);
    raw.on('drain', () => handle.drained());
    raw.on('close', () => handle.closed());
    // a connection that breaks says so by 'close'
    raw.on('error', () => raw.destroy());
    // whose request stays open will say that it is there
    if (lines) handle.heard();
    lines?.onLine(() => handle.heard());
    if (raw.destroyed) handle.closed();
    register(asked).catch((error: unknown) => {
      options.onError?.(error);
      sink.abort();
    });
  });
}

/** Calls `work` with at most so many at once, in the order of the calls. */
function atMost<Argument>(
  limit: number,
  work: (argument: Argument) => Promise<void>,
): (argument: Argument) => Promise<void> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (argument) => {
    if (running === limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      await work(argument);
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

class ResponseSink implements Sink {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  open(): void {
    this.#response.writeHead(200, { 'content-type': NDJSON, 'cache-control': 'no-store' });
  }

  refuse({ reason, retryAfterMs }: { reason: string; retryAfterMs: number }): void {
    const retry = retryAfterMs > 0 ? { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) } : {};
    this.#response.writeHead(503, { 'content-type': 'application/json', connection: 'close', ...retry });
    const body = { NeutronError: { type: 'ServiceUnavailable', message: reason, detail: '' } };
    this.#response.end(JSON.stringify(body));
  }

  write(line: string): boolean {
    return this.#response.write(line);
  }

  end(): void {
    this.#response.end();
  }

  abort(): void {
    this.#response.destroy();
  }
}

/** An open request body: the request on its first line, heartbeats after it. */
export class LineBody {
  readonly #stream: IncomingMessage;
  #onLine: () => void = () => undefined;

  constructor(stream: IncomingMessage) {
    this.#stream = stream;
  }

  /** Whatever comes after the first line counts, blank or not. */
  onLine(told: () => void): void {
    this.#onLine = told;
  }

  /** The JSON of the first line. Throws Fault HTTPBadRequest if there is none in time. */
  async first(clock: Clock): Promise<unknown> {
    const line = await firstLine(this.#stream, clock);
    this.#stream.on('data', () => this.#onLine());
    // a stream that breaks off is told by the response's 'close'
    this.#stream.on('error', ignore);
    try {
      return JSON.parse(line);
    } catch {
      throw new Fault('HTTPBadRequest', 'Malformed request: its first line is not JSON.');
    }
  }
}

const ignore = () => undefined;

/** Leaves nothing behind on the stream: it lives as long as the agent. */
function firstLine(stream: IncomingMessage, clock: Clock): Promise<string> {
  const splitter = new LineSplitter(MAX_REQUEST_CHARACTERS);
  return new Promise((resolve, reject) => {
    const finish = () => {
      cancel();
      stream.off('data', onData).off('end', onEnd).off('error', onEnd);
    };
    const fail = (message: string) => {
      finish();
      reject(new Fault('HTTPBadRequest', message));
    };
    const onEnd = () => fail('The request ended before its first line did.');
    const onData = (text: string) => {
      const lines = splitter.push(text);
      if (!lines) return fail('The request is too large.');
      if (lines[0] === undefined) return;
      finish();
      resolve(lines[0]);
    };
    const cancel = clock.after(FIRST_LINE_MS, () => fail('The request did not come in time.'));
    stream.setEncoding('utf8');
    stream.on('data', onData).on('end', onEnd).on('error', onEnd);
  });
}
