/**
 * Alerts as HTTP requests: each that this server writes, and its end, is posted as JSON to one URL. Nothing waits for it: what the other end
 * does not take is tried a few times more, what piles up meanwhile is bounded, and what is given up is logged.
 */
import type { Clock } from '../lib/clock.ts';
import { sleep } from '../lib/clock.ts';
import type { EventRow } from '../resources/event.ts';
import { ConfigurationError } from './options.ts';

export interface WebhookOptions {
  readonly url: string;
  readonly clock: Clock;
  /** Who says so: the server's name. */
  readonly server: string;
  /** Posts JSON; resolves to the status, rejects if there is no answer in time. */
  readonly post: (url: string, body: string) => Promise<number>;
  readonly onFailure: (what: string, error: unknown) => void;
}

/** Before each further try. */
const RETRY_MS = [1_000, 5_000, 25_000];
const MAX_WAITING = 1_000;
const ANSWER_MS = 5_000;

/** @throws ConfigurationError where it is no URL that can be posted to. */
export function checkWebhookUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'http:' || parsed?.protocol === 'https:') return url;
  throw new ConfigurationError(`--alert-webhook: "${url}" is no URL of http or https`);
}

/** The way out of a real server. */
export async function postJson(url: string, body: string): Promise<number> {
  const response = await fetch(url, {
    ...{ method: 'POST', body, redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS) },
    headers: { 'content-type': 'application/json' },
  });
  await response.body?.cancel();
  return response.status;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #waiting: EventRow[] = [];
  #wake: () => void = () => undefined;
  #dropped = 0;

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Takes alerts and their ends; what else happened is not for it. */
  tell(event: EventRow): void {
    if (event.kind !== 'alert' && event.kind !== 'alert-ended') return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.shift();
      this.#dropped++;
    }
    this.#waiting.push(event);
    this.#wake();
  }

  /** Posts one after another, in the order in which they were told. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.#wake();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      const event = this.#waiting.shift();
      if (event) await this.#post(event, signal);
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    signal.removeEventListener('abort', onAbort);
  }

  async #post(event: EventRow, signal: AbortSignal): Promise<void> {
    const { url, server, clock, onFailure } = this.#options;
    const dropped = this.#dropped;
    const body = JSON.stringify({ server, ...event, ...(dropped > 0 ? { dropped } : {}) });
    let failure: unknown;
    for (const waitMs of [0, ...RETRY_MS]) {
      if (waitMs > 0) await sleep(clock, waitMs, signal);
      if (signal.aborted) return;
      try {
        const status = await this.#options.post(url, body);
        if (status < 300) {
          this.#dropped -= dropped;
          return;
        }
        failure = new Error(`it answered ${status}`);
        // it has understood, and wants none of it
        if (status >= 400 && status < 500 && status !== 408 && status !== 429) break;
      } catch (error) {
        failure = error;
      }
    }
    this.#dropped++;
    onFailure(`alert webhook: ${event.message}`, failure);
  }
}
