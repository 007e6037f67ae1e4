/**
 * An agent with nothing behind it that says of everything it is told that it is done, at once. It sends heartbeats, and
 * can fall silent as a host does whose power is cut: its connections stay, and nothing comes from it any more.
 */
import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Role } from '../../src/resources/agent.ts';
import type { Place } from '../../src/resources/place.ts';
import {
  type Frame,
  HEARTBEAT_MS,
  PROTOCOL_VERSION,
  type Report,
  type WatchRequest,
} from '../../src/watch/protocol.ts';

export interface ServingAgentOptions {
  readonly host: string;
  readonly credential: string;
  readonly agentPort: number;
  readonly roles: readonly Role[];
}

const DHCP = 'dhcp/';
const RETRY_MS = 200;

export class ServingAgent {
  readonly host: string;
  /** Networks whose DHCP it has said that it serves; the server has answered. */
  readonly served = new Set<string>();
  /** When it last said that it is there. */
  heardAt = 0;
  live = false;
  readonly #options: ServingAgentOptions;
  readonly #pool = new Agent({ keepAlive: true, maxSockets: 2 });
  readonly #dhcp = new Set<string>();
  readonly #groups: Record<string, string> = {};
  #place: Place | null = null;
  #counter = 0;
  #reporting = false;
  #due = false;
  #isSilent = false;
  #hasEnded = false;
  #request: ClientRequest | undefined;

  constructor(options: ServingAgentOptions) {
    this.host = options.host;
    this.#options = options;
  }

  connect(): void {
    if (this.#hasEnded || this.#isSilent) return;
    const sent = this.#post('/deuteron/v1/watch', 'application/x-ndjson');
    this.#request = sent;
    let beat: NodeJS.Timeout | undefined;
    const pace = (everyMs: number) => {
      clearInterval(beat);
      beat = setInterval(() => this.#heartbeat(sent), everyMs);
    };
    let over = false;
    const again = () => {
      clearInterval(beat);
      if (over) return;
      over = true;
      this.live = false;
      setTimeout(() => this.connect(), RETRY_MS * (0.5 + Math.random()));
    };
    sent.on('error', again);
    sent.on('response', (response) => {
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (response.statusCode !== 200 || this.#isSilent) return;
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line === '') continue;
          const frame = JSON.parse(line) as Frame;
          if (frame.type === 'hello') pace(frame.heartbeatMs ?? HEARTBEAT_MS);
          this.#take(frame);
        }
      });
      response.on('error', again);
      response.on('close', again);
    });
    const ask: WatchRequest = {
      ...{ version: PROTOCOL_VERSION, host: this.host, incarnation: 1, roles: this.#options.roles },
      ...{ tunnel_ip: '', physical_networks: [], configurations: {} },
      ...{ place: this.#place, groups: this.#groups, mismatched: [] },
    };
    sent.write(`${JSON.stringify(ask)}\n`);
    this.heardAt = performance.now();
  }

  /** From now on nothing comes from it, and nothing is read; its connections stay open. */
  fallSilent(): void {
    this.#isSilent = true;
  }

  end(): void {
    this.#hasEnded = true;
    this.#request?.destroy();
    this.#pool.destroy();
  }

  #post(path: string, type: string): ClientRequest {
    return request({
      ...{ host: '127.0.0.1', port: this.#options.agentPort, method: 'POST', path },
      agent: path.endsWith('/watch') ? false : this.#pool,
      headers: { authorization: `Bearer ${this.#options.credential}`, 'content-type': type },
    });
  }

  #heartbeat(sent: ClientRequest): void {
    if (this.#isSilent || sent.destroyed) return;
    sent.write('\n');
    this.heardAt = performance.now();
  }

  #take(frame: Frame): void {
    if (frame.type === 'group') this.#enter(frame.group);
    if (frame.type === 'synced') this.#place = frame.at;
    if (frame.type === 'batch') {
      this.#place = frame.to;
      for (const group of Object.keys(frame.enter)) this.#enter(group);
      for (const group of frame.leave) {
        delete this.#groups[group];
        if (group.startsWith(DHCP)) this.#dhcp.delete(group.slice(DHCP.length));
      }
    }
    if (frame.type !== 'synced' && frame.type !== 'batch') return;
    this.live = true;
    this.#due = true;
    if (!this.#reporting) this.#report();
  }

  #enter(group: string): void {
    this.#groups[group] = '0000000000000000';
    if (group.startsWith(DHCP)) this.#dhcp.add(group.slice(DHCP.length));
  }

  /** One at a time; what comes meanwhile is in the next. */
  #report(): void {
    this.#reporting = true;
    this.#due = false;
    const serves = new Set(this.#dhcp);
    const say = async () => {
      for (const role of this.#options.roles) await this.#sayRealised(role);
      this.served.clear();
      for (const id of serves) this.served.add(id);
    };
    say()
      .catch(() => {
        this.#due = true;
      })
      .finally(() => {
        this.#reporting = false;
        if (this.#due && !this.#isSilent && !this.#hasEnded) setImmediate(() => this.#report());
      })
      .catch(() => undefined);
  }

  #sayRealised(role: Role): Promise<void> {
    const report: Report = {
      ...{ version: PROTOCOL_VERSION, host: this.host, role, incarnation: 1, counter: ++this.#counter },
      ...{ realised: this.#place, exceptions: [], exceptionCount: 0, configurations: {} },
    };
    return new Promise((resolve, reject) => {
      if (this.#isSilent || this.#hasEnded) return reject(new Error('silent'));
      const sent = this.#post('/deuteron/v1/report', 'application/json');
      const answered = (response: IncomingMessage) => {
        response.resume();
        response.on('error', reject);
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`status ${response.statusCode}`)),
        );
      };
      sent.on('error', reject);
      sent.on('response', answered);
      sent.end(JSON.stringify(report));
    });
  }
}
