/** An agent with nothing behind it: it holds a watch, notes what arrives when, reconnects. Small enough to have 10,000. */
import { Agent, type ClientRequest, request } from 'node:http';
import type { Role } from '../../src/resources/agent.ts';
import type { Place } from '../../src/resources/place.ts';
import { type Frame, PROTOCOL_VERSION, type Report, type WatchRequest } from '../../src/watch/protocol.ts';

export interface HollowOptions {
  readonly host: string;
  readonly credential: string;
  readonly agentPort: number;
  /** Called with each frame, as it arrives, and the length of its line. */
  readonly onFrame: (agent: HollowAgent, frame: Frame, bytes: number) => void;
  /** Default: l2. */
  readonly role?: Role;
  /** It says that it is there, as often as the server asks. */
  readonly beats?: boolean;
}

const RETRY_MS = 500;
/** Reports of all agents share some connections: it is their number that is to be measured. */
const REPORTS = new Agent({ keepAlive: true, maxSockets: 8 });

export class HollowAgent {
  readonly host: string;
  place: Place | null = null;
  readonly groups: Record<string, string> = {};
  /** In step with the server since the last connect. */
  live = false;
  refused = 0;
  /** Heartbeats that it has sent. */
  beats = 0;
  #cancelBeat: () => void = () => undefined;
  #options: HollowOptions;
  #request: ClientRequest | undefined;
  #ended = false;
  #counter = 0;

  constructor(options: HollowOptions) {
    this.host = options.host;
    this.#options = options;
  }

  get #role(): Role {
    return this.#options.role ?? 'l2';
  }

  connect(): void {
    if (this.#ended) return;
    const ask: WatchRequest = {
      version: PROTOCOL_VERSION,
      host: this.host,
      incarnation: 1,
      roles: [this.#role],
      tunnel_ip: '',
      physical_networks: [],
      configurations: {},
      place: this.place,
      groups: this.groups,
      mismatched: [],
    };
    const { beats } = this.#options;
    const body = JSON.stringify(ask);
    const sent = request({
      ...{
        host: '127.0.0.1',
        port: this.#options.agentPort,
        method: 'POST',
        path: '/deuteron/v1/watch',
        agent: false,
      },
      headers: {
        authorization: `Bearer ${this.#options.credential}`,
        ...(beats
          ? { 'content-type': 'application/x-ndjson' }
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    });
    this.#request = sent;
    let over = false;
    const again = () => {
      if (over) return;
      over = true;
      this.live = false;
      this.#cancelBeat();
      setTimeout(() => this.connect(), RETRY_MS * (0.5 + Math.random()));
    };
    sent.on('error', again);
    sent.on('response', (response) => {
      if (response.statusCode !== 200) this.refused += 1;
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (response.statusCode !== 200) return;
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') this.#take(JSON.parse(line) as Frame, line.length + 1);
      });
      response.on('error', again);
      response.on('close', again);
    });
    if (beats) sent.write(`${body}\n`);
    else sent.end(body);
  }

  /** Says that all that came is realised, until it is taken: its registration may still be on its way. */
  async reported(nextMs: number): Promise<void> {
    while (!this.#ended && !(await this.report(nextMs)).accepted)
      await new Promise((go) => setTimeout(go, 500));
  }

  /** Says so once. `bytes`: of the body. */
  report(nextMs: number, roles?: Report['roles']): Promise<{ bytes: number; accepted: boolean }> {
    const report: Report = {
      ...{ version: PROTOCOL_VERSION, host: this.host, role: this.#role, incarnation: 1 },
      ...{ counter: ++this.#counter, realised: this.place, exceptions: [], exceptionCount: 0 },
      ...{ nextMs, configurations: {}, ...(roles === undefined ? {} : { roles }) },
    };
    const body = JSON.stringify(report);
    const headers = {
      authorization: `Bearer ${this.#options.credential}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((resolve, reject) => {
      const where = { host: '127.0.0.1', port: this.#options.agentPort, path: '/deuteron/v1/report' };
      const sent = request({ ...where, method: 'POST', agent: REPORTS, headers }, (response) => {
        let text = '';
        response.on('data', (more) => {
          text += more;
        });
        response.on('end', () => resolve({ bytes: body.length, accepted: text.includes('true') }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  end(): void {
    this.#ended = true;
    this.#cancelBeat();
    this.#request?.destroy();
  }

  #beat(everyMs: number): void {
    this.#cancelBeat();
    const timer = setInterval(() => {
      this.beats++;
      this.#request?.write('\n');
    }, everyMs);
    this.#cancelBeat = () => clearInterval(timer);
  }

  #take(frame: Frame, bytes: number): void {
    if (frame.type === 'hello' && this.#options.beats) this.#beat(frame.heartbeatMs ?? 2_500);
    if (frame.type === 'group') this.groups[frame.group] = '0000000000000000';
    if (frame.type === 'synced') this.place = frame.at;
    if (frame.type === 'batch') {
      this.place = frame.to;
      for (const group of Object.keys(frame.enter)) this.groups[group] = '0000000000000000';
      for (const group of frame.leave) delete this.groups[group];
    }
    if (frame.type === 'synced' || frame.type === 'batch') this.live = true;
    this.#options.onFrame(this, frame, bytes);
  }
}
