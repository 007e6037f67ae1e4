/** A lab of its own for a bench, gone afterwards, also when the bench fails or is interrupted. */
import { callApi } from '../../src/cli/api-client.ts';
import { Lab } from '../../src/lab/lab.ts';
import { realClock } from '../../src/lib/clock.ts';
import { Stage } from '../lab/stage.ts';

export async function withLab<Result>(
  options: {
    id: string;
    hosts: number;
    say: (text: string) => void;
    serverOptions?: Readonly<Record<string, string>>;
  },
  work: (stage: Stage) => Promise<Result>,
): Promise<Result> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  const lab = await Lab.up({
    clock: realClock,
    callApi: (url, method, path, body) => callApi({ url }, method, path, body),
    servers: 1,
    apiPort: null,
    serverOptions: {
      ...{ 'quota-network': '-1', 'quota-subnet': '-1', 'quota-port': '-1', 'log-level': 'warn' },
      ...options.serverOptions,
    },
    agentOptions: { 'log-level': 'warn' },
    report: options.say,
    signal: interrupted.signal,
    id: options.id,
    hosts: options.hosts,
  });
  const ended = new Promise<never>((_, reject) => {
    interrupted.signal.addEventListener('abort', () => reject(new Error('interrupted')), { once: true });
  });
  try {
    return await Promise.race([work(new Stage(lab)), ended]);
  } finally {
    await lab.down();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
