/** Pings along every 5 ms from beyond the external segment: which were answered, which were not, and from when to when. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { clip, lengthOf, type Span } from './spans.ts';

/** While nothing is answered ping(8) sends every 10 ms. */
export const PING_MS = 5;

interface Ping {
  sentAt: number;
  /** null: no answer. */
  answeredAt: number | null;
}

/** What `ping -n -D -O` printed, made into pings. Pure. */
export class PingLog {
  /** By sequence number, which does not wrap within any trial. */
  readonly #pings = new Map<number, Ping>();
  duplicates = 0;

  add(line: string): void {
    const [, stamp, rest = ''] = /^\[([\d.]+)\] (.*)$/.exec(line) ?? [];
    const [, sequence] = /icmp_seq=(\d+)/.exec(rest) ?? [];
    if (stamp === undefined || sequence === undefined) return;
    const at = Math.round(Number(stamp) * 1e6) / 1e3;
    const known = this.#pings.get(Number(sequence));
    const roundTrip = / time=([\d.]+) ms/.exec(rest)?.[1];
    if (roundTrip === undefined) {
      // Said when the next is sent; what is said of an error comes beside it.
      if (!known) this.#pings.set(Number(sequence), { sentAt: at - PING_MS, answeredAt: null });
    } else if (known?.answeredAt != null) this.duplicates += 1;
    else this.#pings.set(Number(sequence), { sentAt: at - Number(roundTrip), answeredAt: at });
  }

  get #inOrder(): Ping[] {
    return [...this.#pings].sort(([a], [b]) => a - b).map(([, ping]) => ping);
  }

  get answered(): number {
    return this.#inOrder.filter((ping) => ping.answeredAt !== null).length;
  }

  /** Infinity for never. */
  get firstAnswerAt(): number {
    return Math.min(...this.#inOrder.map((ping) => ping.answeredAt ?? Number.POSITIVE_INFINITY));
  }

  /** When the last answer came; 0 for never. */
  get lastAnswerAt(): number {
    return Math.max(0, ...this.#inOrder.slice(-400).map((ping) => ping.answeredAt ?? 0));
  }

  /** How many were sent in that time, and how many of them were lost. */
  count(from: number, to: number): { readonly sent: number; readonly lost: number } {
    const sent = this.#inOrder.filter((ping) => ping.sentAt >= from && ping.sentAt < to);
    return { sent: sent.length, lost: sent.filter((ping) => ping.answeredAt === null).length };
  }

  /** From the first lost ping until the next that was answered was sent; Infinity: none was any more. */
  silences(from: number, to: number): Span[] {
    const found: Span[] = [];
    let began: number | null = null;
    for (const ping of this.#inOrder) {
      if (ping.sentAt < from || (ping.sentAt >= to && began === null)) continue;
      if (ping.answeredAt === null) began ??= ping.sentAt;
      else if (began !== null) {
        found.push({ from: began, to: ping.sentAt });
        began = null;
      }
    }
    return began === null ? found : [...found, { from: began, to: Number.POSITIVE_INFINITY }];
  }

  /** For how long pings that were sent in that time were lost. */
  lostMs(from: number, to: number): number {
    return clip(this.silences(from, to), from, to).reduce((sum, span) => sum + lengthOf(span), 0);
  }
}

export class Pinger {
  readonly log = new PingLog();
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** `enter`: what gets a program to where the pings come from. */
  constructor(enter: readonly string[], address: string) {
    const ping = [
      'stdbuf',
      '-oL',
      'ping',
      '-n',
      '-D',
      '-O',
      '-i',
      String(PING_MS / 1000),
      '-W',
      '1',
      address,
    ];
    const argv = [...enter, ...ping];
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve).once('error', resolve));
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.log.add(line));
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGINT');
    await this.#ended;
  }
}
