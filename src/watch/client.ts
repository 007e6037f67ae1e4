/**
 * The agent's HTTP: watches and reports, to any of several servers. The only file of this room that opens sockets.
 * A watch costs one connection and a few kilobytes; reports share kept-alive ones. A server may be a name of several
 * addresses: a watch tries them in turns (addresses.ts), and reports go to the very address that is watched.
 */
import { lookup } from 'node:dns/promises';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { Addresses, type Resolve } from './addresses.ts';
import {
  HEARTBEAT_BOUNDS_MS,
  HEARTBEAT_MS,
  type Frame,
  type Report,
  type ReportAnswer,
  type WatchRequest,
} from './protocol.ts';
import type { Transport, WatchEnd, WatchListener } from './transport.ts';
import { LineSplitter, parseFrame } from './wire.ts';

export const WATCH_PATH = '/deuteron/v1/watch';
export const REPORT_PATH = '/deuteron/v1/report';

export interface ClientOptions {
  /** `http://host:port` or `https://host:port`, in the order to try them. */
  readonly servers: readonly string[];
  readonly credential: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Finds the addresses of a server's name; by default the system's resolver does. */
  readonly resolve?: Resolve;
  /** PEM of the authorities to trust for https, instead of the system's. */
  readonly ca?: string;
  readonly heartbeatMs?: number;
  /** How long a server may take to accept a connection, or to answer a report. */
  readonly timeoutMs?: number;
}

const systemResolve: Resolve = async (name) => (await lookup(name, { all: true })).map((one) => one.address);

const DEFAULT_TIMEOUT_MS = 4_000;
/** As much of an error's body as is worth reading. */
const MAX_REASON_CHARACTERS = 2_000;
const MAX_ANSWER_CHARACTERS = 100_000;

export class HttpTransport implements Transport {
  readonly servers: number;
  readonly #options: ClientOptions;
  readonly #urls: readonly URL[];
  readonly #addresses: Addresses;
  /** The address that is watched, of each server that is. */
  readonly #watched = new Map<number, string>();
  readonly #watchAgents: { http: http.Agent; https: https.Agent };
  readonly #reportAgents: { http: http.Agent; https: https.Agent };
  /** As the last server that said so wants it: it is kept to while the next one has not answered yet. */
  #heartbeatMs: number;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
    this.#urls = options.servers.map((server) => new URL(server));
    this.servers = this.#urls.length;
    const { clock, random, resolve = systemResolve } = options;
    this.#addresses = new Addresses({ clock, random, resolve });
    const tls = options.ca === undefined ? {} : { ca: options.ca };
    const reports = { keepAlive: true, maxSockets: 4, maxFreeSockets: 2 };
    this.#watchAgents = { http: new http.Agent(), https: new https.Agent(tls) };
    this.#reportAgents = { http: new http.Agent(reports), https: new https.Agent({ ...reports, ...tls }) };
  }

  /** Ends the connections that reports kept open. */
  close(): void {
    for (const agents of [this.#watchAgents, this.#reportAgents]) {
      agents.http.destroy();
      agents.https.destroy();
    }
  }

  connect(server: number, request: WatchRequest, listener: WatchListener): () => void {
    const { clock } = this.#options;
    const sent = this.#request(server, {
      path: WATCH_PATH,
      agents: this.#watchAgents,
      type: 'application/x-ndjson',
    });
    let cancelBeat: () => void;
    let open = true;
    const close = () => {
      open = false;
      this.#watched.delete(server);
      cancelBeat();
      cancelTimeout();
      sent.destroy();
    };
    const end = (reason: WatchEnd) => {
      if (!open) return;
      close();
      listener.onEnd(reason);
    };
    const beat = () => {
      sent.write('\n');
      cancelBeat = clock.after(this.#heartbeatMs, beat);
    };
    cancelBeat = clock.after(this.#heartbeatMs, beat);
    const onFrame = (frame: Frame) => {
      if (frame.type === 'hello' && frame.heartbeatMs !== undefined) {
        const [least, most] = HEARTBEAT_BOUNDS_MS;
        this.#heartbeatMs = Math.min(most, Math.max(least, frame.heartbeatMs));
        cancelBeat();
        beat();
      }
      listener.onFrame(frame);
    };
    const cancelTimeout = this.#connectTimeout(sent, () => end({ reason: 'no connection in time' }));
    this.#noteAddress(server, { sent, isOpen: () => open });
    // an 'error' may follow our own destroy: then nobody listens any more
    sent.on('error', (error) => end({ reason: reasonOf(error) }));
    sent.on('response', (response) => readWatch(response, { onFrame, end, isOpen: () => open }));
    sent.write(`${JSON.stringify(request)}\n`);
    return close;
  }

  report(server: number, report: Report, signal?: AbortSignal): Promise<ReportAnswer> {
    return new Promise((resolve, reject) => {
      const sent = this.#request(server, {
        ...{ path: REPORT_PATH, agents: this.#reportAgents, type: 'application/json' },
        ...(signal === undefined ? {} : { signal }),
      });
      const cancel = this.#options.clock.after(this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, () =>
        sent.destroy(new Error('no answer in time')),
      );
      const fail = (error: Error) => {
        cancel();
        reject(error);
      };
      sent.on('error', fail);
      sent.on('response', (response) => {
        readText(response, MAX_ANSWER_CHARACTERS)
          .then((text) => {
            cancel();
            resolve(answerOf(response.statusCode ?? 0, text));
          })
          .catch(fail);
      });
      sent.end(JSON.stringify(report));
    });
  }

  /** Calls `late` if the socket does not connect in time. */
  #connectTimeout(sent: http.ClientRequest, late: () => void): () => void {
    const cancel = this.#options.clock.after(this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS, late);
    sent.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', cancel);
      else cancel();
    });
    return cancel;
  }

  /** Remembers which address of the server's name it is, once there is a connection. */
  #noteAddress(server: number, { sent, isOpen }: { sent: http.ClientRequest; isOpen: () => boolean }): void {
    sent.on('socket', (socket) => {
      socket.once('connect', () => {
        const address = socket.remoteAddress;
        if (address === undefined || !isOpen()) return;
        this.#watched.set(server, address);
        this.#addresses.tried((this.#urls[server] as URL).hostname, address);
      });
    });
  }

  #request(
    server: number,
    what: {
      path: string;
      agents: { http: http.Agent; https: https.Agent };
      type: string;
      signal?: AbortSignal;
    },
  ): http.ClientRequest {
    const url = new URL(what.path, this.#urls[server]);
    const headers = { authorization: `Bearer ${this.#options.credential}`, 'content-type': what.type };
    // a certificate is for the name, also where the address is known
    const watched = this.#watched.get(server);
    const where =
      watched === undefined || isAddress(url.hostname)
        ? { lookup: this.#addresses.lookup }
        : { hostname: watched, servername: url.hostname, headers: { ...headers, host: url.host } };
    const { signal } = what;
    const options = { method: 'POST', headers, ...where, ...(signal === undefined ? {} : { signal }) };
    return url.protocol === 'https:'
      ? https.request(url, { ...options, agent: what.agents.https })
      : http.request(url, { ...options, agent: what.agents.http });
  }
}

const isAddress = (hostname: string): boolean => isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;

function readWatch(
  response: http.IncomingMessage,
  to: { onFrame: (frame: Frame) => void; end: (end: WatchEnd) => void; isOpen: () => boolean },
): void {
  if (response.statusCode !== 200) {
    readText(response, MAX_REASON_CHARACTERS).then(
      (text) => to.end(refusalOf(response, text)),
      (error) => to.end({ reason: reasonOf(error) }),
    );
    return;
  }
  const splitter = new LineSplitter();
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    const lines = splitter.push(text);
    if (!lines) return to.end({ reason: 'a frame is too long' });
    for (const line of lines) {
      if (!to.isOpen()) return;
      const frame = parseFrame(line);
      if (!frame) return to.end({ reason: `not a frame: ${line.slice(0, 100)}` });
      if (frame !== 'unknown') to.onFrame(frame);
    }
  });
  response.on('error', (error) => to.end({ reason: reasonOf(error) }));
  response.on('close', () => to.end({ reason: 'the server closed the connection' }));
}

/** The text of a body; rejects if it breaks off or is longer than that. */
function readText(response: http.IncomingMessage, maxCharacters: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (more: string) => {
      text += more;
      if (text.length > maxCharacters) response.destroy(new Error('the answer is too long'));
    });
    response.on('end', () => resolve(text));
    response.on('error', reject);
    response.on('close', () => reject(new Error('the answer broke off')));
  });
}

function refusalOf(response: http.IncomingMessage, text: string): WatchEnd {
  const reason = `${response.statusCode}: ${messageOf(text)}`;
  const seconds = Number(response.headers['retry-after']);
  return Number.isFinite(seconds) ? { reason, retryAfterMs: seconds * 1000 } : { reason };
}

function answerOf(status: number, text: string): ReportAnswer {
  if (status !== 200) throw new Error(`${status}: ${messageOf(text)}`);
  const answer: unknown = JSON.parse(text);
  if (typeof answer === 'object' && answer !== null && 'accepted' in answer) {
    const later =
      'incarnation' in answer && Number.isSafeInteger(answer.incarnation) ? answer.incarnation : null;
    return {
      accepted: answer.accepted === true,
      ...(later === null ? {} : { incarnation: later as number }),
    };
  }
  throw new Error('not an answer to a report');
}

/** The message of `{"NeutronError": {...}}`, or the beginning of whatever it is. */
function messageOf(text: string): string {
  try {
    const body = JSON.parse(text) as { NeutronError?: { message?: unknown } };
    return String(body.NeutronError?.message ?? text.slice(0, 200));
  } catch {
    return text.slice(0, 200);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
