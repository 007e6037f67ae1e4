/**
 * Tells other servers on the same database that something was appended, and hears it from them. Notifications may be
 * lost (a connection that is down, a pooler in between): readers poll as well.
 *
 * One connection of its own listens and sends. It never opens a transaction: a listener inside one hears nothing, and a
 * NOTIFY inside a writing transaction would make commits queue behind a lock of the whole database.
 */
import { Client, type ClientConfig } from 'pg';
import { type Clock, sleep } from '../lib/clock.ts';
import type { StoreLog } from './open.ts';

const CHANNEL = 'deuteron_changes';
/** How the session is seen in pg_stat_activity. */
const LISTENER_NAME = 'deuteron listener';
const RECONNECT_MS = [100, 200, 500, 1000, 2000] as const;

export interface NotifierOptions {
  readonly connection: ClientConfig;
  readonly clock: Clock;
  readonly log: StoreLog;
  /** Tells our own notifications from others'. */
  readonly ownName: string;
  /** At most one notification is sent in this time. */
  readonly debounceMs: number;
  /** Another server appended, or may have while nobody listened. */
  readonly heard: () => void;
}

export interface Notifier {
  /** Something was appended here: tell the others, soon. */
  tell(): void;
  /** Listens until `signal` aborts, reconnecting for ever. */
  run(signal: AbortSignal): Promise<void>;
}

export function createNotifier(options: NotifierOptions): Notifier {
  const { clock } = options;
  let connected: Client | undefined;
  let resting = false;
  let owed = false;

  const send = () => {
    owed = false;
    resting = true;
    clock.after(options.debounceMs, () => {
      resting = false;
      if (owed) send();
    });
    connected
      ?.query('select pg_notify($1, $2)', [CHANNEL, options.ownName])
      .catch((error: Error) => options.log.debug({ error: error.message }, 'a notification was not sent'));
  };

  return {
    tell() {
      if (resting) owed = true;
      else send();
    },
    async run(signal) {
      for (let failures = 0; !signal.aborted; ) {
        const began = clock.now();
        try {
          await listen(options, signal, (client) => {
            connected = client;
          });
        } catch (error) {
          options.log.warn(
            { error: (error as Error).message },
            'not listening for changes, will connect again',
          );
        }
        connected = undefined;
        failures = clock.now() - began > 10_000 ? 0 : failures + 1;
        await sleep(clock, RECONNECT_MS[Math.min(failures, RECONNECT_MS.length - 1)] as number, signal);
      }
    },
  };
}

/** One connection's life. Ends well on abort only. */
async function listen(
  options: NotifierOptions,
  signal: AbortSignal,
  ready: (client: Client) => void,
): Promise<void> {
  const client = new Client({ ...options.connection, application_name: LISTENER_NAME });
  const { promise: over, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => resolve();
  client.on('error', reject);
  client.on('end', () => reject(new Error('the connection ended')));
  over.catch(() => undefined); // awaited below; may come earlier
  signal.addEventListener('abort', abort, { once: true });
  client.on('notification', (message) => {
    if (message.payload !== options.ownName) options.heard();
  });
  try {
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    ready(client);
    options.heard(); // whatever came while nobody listened
    if (!signal.aborted) await over;
  } finally {
    signal.removeEventListener('abort', abort);
    await client.end();
  }
}
