/**
 * Asks for an address again and again, each DISCOVER a transaction of its own, and tells each OFFER as it comes: shows when
 * DHCP answered a client and when it did not. Nothing is requested, so no lease is taken.
 *
 * As a program, inside the namespace of the machine that asks:
 *   node dhcp-pulse.ts --link eth0 --mac fa:16:3e:00:00:01 [--interval-ms 50]
 * It prints `ready`, then a line of JSON (PulseAnswer) for each answer, until it is killed. From a test: `DhcpPulse`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bound, DISCOVER, epochMs, OFFER, packet, parseAnswer, prepare } from './dhcp-prober.ts';

export interface PulseAnswer {
  /** When the DISCOVER was sent and when its OFFER came (`epochMs`). */
  readonly sentAt: number;
  readonly at: number;
  readonly ip: string;
  readonly server: string;
}

/** A time in which no answer came. */
export interface Silence {
  readonly beganAt: number;
  readonly endedAt: number;
}

/** An answer later than this is none. */
const FORGET_MS = 5_000;

async function beat(options: { link: string; mac: string; intervalMs: number }): Promise<void> {
  prepare(options.link);
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  await bound(socket);
  const sent = new Map<number, number>();
  socket.on('message', (bytes) => {
    const xid = bytes.length < 8 ? 0 : bytes.readUInt32BE(4);
    const sentAt = sent.get(xid);
    const answer = parseAnswer(bytes, xid);
    if (sentAt === undefined || answer?.type !== OFFER) return;
    sent.delete(xid);
    const told: PulseAnswer = { sentAt, at: epochMs(), ip: answer.ip, server: answer.server };
    process.stdout.write(`${JSON.stringify(told)}\n`);
  });
  // A link that is down for a while is a part of what is measured.
  socket.on('error', () => undefined);
  setInterval(() => {
    const now = epochMs();
    for (const [xid, at] of sent) {
      if (now - at < FORGET_MS) break;
      sent.delete(xid);
    }
    const xid = Math.floor(Math.random() * 2 ** 32);
    sent.set(xid, now);
    socket.send(packet(DISCOVER, xid, options.mac, []), 67, '255.255.255.255', () => undefined);
  }, options.intervalMs);
  process.stdout.write('ready\n');
}

/** The pulse as a test sees it. */
export class DhcpPulse {
  readonly answers: PulseAnswer[] = [];
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<void>();

  /** `enter`: what gets a program into the machine's namespace. */
  constructor(enter: readonly string[], options: { link: string; mac: string; intervalMs: number }) {
    const words = ['--link', options.link, '--mac', options.mac, '--interval-ms', String(options.intervalMs)];
    const argv = [...enter, process.execPath, fileURLToPath(import.meta.url), ...words];
    this.#child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ready.promise.catch(() => undefined);
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (line === 'ready') this.#ready.resolve();
      else this.answers.push(JSON.parse(line) as PulseAnswer);
    });
    this.#child.on('error', (error) => this.#ready.reject(error));
    this.#child.on('close', (code) => this.#ready.reject(new Error(`the pulse ended with ${code}`)));
  }

  /** Resolves once it asks. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Whether a DISCOVER that was sent after `since` has been answered. */
  answeredSince(since: number): boolean {
    return (this.answers.at(-1)?.sentAt ?? 0) > since;
  }

  /** The longest time without an answer that ended after `since`; undefined while there has been no answer since. */
  longestSilence(since: number): Silence | undefined {
    let longest: Silence | undefined;
    for (let at = 1; at < this.answers.length; at++) {
      const [before, after] = [this.answers[at - 1]!, this.answers[at]!];
      if (after.at <= since) continue;
      const silence = { beganAt: before.at, endedAt: after.at };
      if (!longest || silence.endedAt - silence.beganAt > longest.endedAt - longest.beganAt)
        longest = silence;
    }
    return longest;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill();
    await closed;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { link: { type: 'string' }, mac: { type: 'string' }, 'interval-ms': { type: 'string' } },
  });
  await beat({
    link: values.link ?? 'eth0',
    mac: values.mac ?? '',
    intervalMs: Number(values['interval-ms'] ?? 50),
  });
}
