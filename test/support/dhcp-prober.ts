/**
 * Asks for a lease every 2 ms until it is acknowledged: measures how long it takes until a port is really served.
 *
 * As a program, inside the namespace of the machine that asks:
 *   node dhcp-prober.ts --link eth0 --mac fa:16:3e:00:00:01 [--interval-ms 2] [--limit-ms 10000] [--until offer|ack]
 * It prints `ready` once it asks, then one line of JSON (ProbeResult). From a test: `startProber`.
 *
 * Node has no raw sockets. It need not: with the broadcast flag (RFC 2131 4.1) the answers go to 255.255.255.255:68, where
 * an ordinary UDP socket hears them even on a link without an address, and such a link's packets leave with source
 * 0.0.0.0 as a client's must. Only the MAC inside the packet counts for dnsmasq, so any port's MAC can be asked for;
 * where a tap refuses foreign source MACs give the link the port's own.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export interface ProbeOptions {
  readonly link: string;
  readonly mac: string;
  /** Between two DISCOVERs; default 2. */
  readonly intervalMs?: number;
  /** Default 10,000. */
  readonly limitMs?: number;
  /** Default 'ack'. */
  readonly until?: 'offer' | 'ack';
}

export interface ProbeResult {
  /** 'none': no answer within the limit. */
  readonly outcome: 'ack' | 'offer' | 'none';
  readonly ip: string;
  readonly server: string;
  /** Milliseconds since the epoch, with fractions: comparable between processes of one machine. */
  readonly startedAt: number;
  readonly offeredAt: number | null;
  readonly ackedAt: number | null;
  /** From the first DISCOVER. */
  readonly offerMs: number | null;
  readonly ackMs: number | null;
  readonly discovers: number;
  readonly naks: number;
  /** Options of the last answer, by number, in hexadecimal. */
  readonly options: Readonly<Record<string, string>>;
}

export const DISCOVER = 1;
export const OFFER = 2;
const REQUEST = 3;
const ACK = 5;
const NAK = 6;
const COOKIE = 0x63825363;
/** After this a REQUEST counts as lost. */
const REQUEST_LIMIT_MS = 200;

/** Milliseconds since the epoch, with fractions: comparable between processes of one machine. */
export const epochMs = () => performance.timeOrigin + performance.now();
const bytesOfIp = (ip: string) => ip.split('.').map(Number);

/** A client's packet (RFC 2131) that asks for its answer by broadcast. */
export function packet(type: number, xid: number, mac: string, extra: readonly number[]): Buffer {
  const bytes = Buffer.alloc(300);
  bytes.set([1, 1, 6, 0]);
  bytes.writeUInt32BE(xid, 4);
  bytes.writeUInt16BE(0x8000, 10);
  const address = mac.split(':').map((part) => Number.parseInt(part, 16));
  bytes.set(address, 28);
  bytes.writeUInt32BE(COOKIE, 236);
  bytes.set([53, 1, type, ...extra, 55, 8, 1, 3, 6, 15, 26, 67, 121, 249, 255], 240);
  return bytes;
}

export interface Answer {
  readonly type: number;
  readonly ip: string;
  readonly server: string;
  readonly options: Record<string, string>;
}

/** null: not an answer to that transaction. */
export function parseAnswer(bytes: Buffer, xid: number): Answer | null {
  if (bytes.length < 244 || bytes[0] !== 2 || bytes.readUInt32BE(4) !== xid) return null;
  const options: Record<string, string> = {};
  for (let at = 240; at < bytes.length && bytes[at] !== 255; ) {
    const code = bytes[at] ?? 0;
    const length = code === 0 ? -1 : (bytes[at + 1] ?? 0);
    if (code !== 0)
      options[code] = (options[code] ?? '') + bytes.subarray(at + 2, at + 2 + length).toString('hex');
    at += 2 + length;
  }
  const server = Buffer.from(options['54'] ?? '', 'hex').join('.');
  return {
    type: Number.parseInt(options['53'] ?? '0', 16),
    ip: bytes.subarray(16, 20).join('.'),
    server,
    options,
  };
}

/** The link up, its broadcasts routed to it, and answers from a server that no route leads to let in. */
export function prepare(link: string): void {
  for (const argv of [
    ['link', 'set', link, 'up'],
    ['route', 'replace', '255.255.255.255/32', 'dev', link],
  ]) {
    const run = spawnSync('ip', argv, { encoding: 'utf8' });
    if (run.status !== 0) throw new Error(`ip ${argv.join(' ')}: ${run.stderr}`);
  }
  for (const name of ['all', link]) {
    const path = `/proc/sys/net/ipv4/conf/${name}/rp_filter`;
    if (existsSync(path)) writeFileSync(path, '0');
  }
}

/** Listens where a client does. */
export function bound(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(68, '0.0.0.0', () => {
      socket.setBroadcast(true);
      resolve();
    });
  });
}

/** Asks from the namespace in which this process runs. */
export async function probe(options: ProbeOptions, onReady: () => void): Promise<ProbeResult> {
  prepare(options.link);
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  await bound(socket);
  const xid = Math.floor(Math.random() * 2 ** 32);
  const startedAt = epochMs();
  let discovers = 0;
  let naks = 0;
  let requestedAt: number | null = null;
  let offeredAt: number | null = null;
  let last: Answer | null = null;
  const send = (type: number, extra: readonly number[]) =>
    socket.send(packet(type, xid, options.mac, extra), 67, '255.255.255.255');

  return await new Promise<ProbeResult>((resolve, reject) => {
    const finish = (outcome: ProbeResult['outcome']) => {
      clearInterval(asking);
      clearTimeout(limit);
      socket.close();
      const ackedAt = outcome === 'ack' ? epochMs() : null;
      const since = (at: number | null) => (at === null ? null : at - startedAt);
      resolve({
        ...{ outcome, ip: last?.ip ?? '', server: last?.server ?? '', startedAt, offeredAt, ackedAt },
        ...{
          offerMs: since(offeredAt),
          ackMs: since(ackedAt),
          discovers,
          naks,
          options: last?.options ?? {},
        },
      });
    };
    const ask = () => {
      if (requestedAt !== null && epochMs() - requestedAt < REQUEST_LIMIT_MS) return;
      requestedAt = null;
      discovers++;
      send(DISCOVER, []);
    };
    socket.on('error', reject);
    socket.on('message', (bytes) => {
      const answer = parseAnswer(bytes, xid);
      if (answer === null) return;
      if (answer.type === OFFER && requestedAt === null) {
        last = answer;
        offeredAt ??= epochMs();
        if (options.until === 'offer') return finish('offer');
        requestedAt = epochMs();
        send(REQUEST, [50, 4, ...bytesOfIp(answer.ip), 54, 4, ...bytesOfIp(answer.server)]);
      } else if (answer.type === NAK) {
        naks++;
        requestedAt = null;
      } else if (answer.type === ACK) {
        last = answer;
        finish('ack');
      }
    });
    const asking = setInterval(ask, options.intervalMs ?? 2);
    const limit = setTimeout(() => finish('none'), options.limitMs ?? 10_000);
    ask();
    onReady();
  });
}

export interface Prober {
  /** Resolves once it asks. */
  readonly ready: Promise<void>;
  readonly result: Promise<ProbeResult>;
  stop(): void;
}

/** Runs the prober in a namespace; `enter` is what gets a program in there, e.g. `['ip', 'netns', 'exec', 'x']`. */
export function startProber(enter: readonly string[], options: ProbeOptions): Prober {
  const words = Object.entries(options).flatMap(([name, value]) => [
    `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);
  const argv = [...enter, process.execPath, fileURLToPath(import.meta.url), ...words];
  const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = Promise.withResolvers<void>();
  const result = Promise.withResolvers<ProbeResult>();
  // Whoever waits for one of them only need not look after the other.
  ready.promise.catch(() => undefined);
  result.promise.catch(() => undefined);
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line === 'ready') ready.resolve();
    else result.resolve(JSON.parse(line) as ProbeResult);
  });
  child.on('error', (error) => result.reject(error));
  child.on('close', (code) => {
    const error = new Error(`the prober ended with ${code}`);
    ready.reject(error);
    result.reject(error);
  });
  return { ready: ready.promise, result: result.promise, stop: () => void child.kill() };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      link: { type: 'string' },
      mac: { type: 'string' },
      'interval-ms': { type: 'string' },
      'limit-ms': { type: 'string' },
      until: { type: 'string' },
    },
  });
  const result = await probe(
    {
      link: values.link ?? 'eth0',
      mac: values.mac ?? '',
      intervalMs: Number(values['interval-ms'] ?? 2),
      limitMs: Number(values['limit-ms'] ?? 10_000),
      until: values.until === 'offer' ? 'offer' : 'ack',
    },
    () => process.stdout.write('ready\n'),
  );
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
