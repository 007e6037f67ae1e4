/**
 * Whether addresses answer: one `ping -O` each, which says itself when nothing had come by the time of the next. A process of
 * its own that is starved of CPU says nothing at all, so a busy host does not look like a cut one.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { type Clock, sleep } from '../../lib/clock.ts';
import { ipAddress, wholeNumber } from '../grammar.ts';
import type { Host, Probe } from '../host.ts';
import { PROGRAM_ENVIRONMENT } from './spawner.ts';

/** It ends where nothing can be sent at all, e.g. while the link is away. */
const AGAIN_MS = 500;
/** Of an IP packet with an ICMP echo request in it, what is not payload. */
const HEADERS = { 4: 28, 6: 48 } as const;

/** null: a line that says nothing of this. */
export function parseAnswer(line: string): boolean | null {
  if (/^no answer yet for icmp_seq=/.test(line)) return false;
  if (/^\d+ bytes from .*icmp_seq=\d+/.test(line)) return true;
  return null;
}

export function pingArgv({ address, intervalMs, bytes }: Probe): string[] {
  const headers = address.includes(':') ? HEADERS[6] : HEADERS[4];
  const size =
    bytes === null ? [] : ['-M', 'do', '-s', String(wholeNumber(bytes, headers, 65_535) - headers)];
  const seconds = wholeNumber(intervalMs, 10, 60_000) / 1000;
  return ['ping', '-n', '-O', '-i', String(seconds), ...size, '--', ipAddress(address)];
}

export function createProbes({
  clock,
  enter,
}: {
  clock: Clock;
  enter: readonly string[];
}): Pick<Host, 'probe'> {
  return {
    async probe(probe, onAnswer, signal) {
      const [program = '', ...argv] = [...enter, ...pingArgv(probe)];
      while (!signal.aborted) {
        const child = spawn(program, argv, { env: PROGRAM_ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] });
        const end = () => void child.kill('SIGKILL');
        signal.addEventListener('abort', end, { once: true });
        createInterface({ input: child.stdout }).on('line', (line) => {
          const answered = parseAnswer(line);
          if (answered !== null && !signal.aborted) onAnswer(answered);
        });
        const hasEnded = await new Promise<boolean>((resolve) => {
          child.once('error', () => resolve(false));
          child.once('close', () => resolve(true));
        });
        // Nothing can be sent: there is no way there.
        if (hasEnded && !signal.aborted) onAnswer(false);
        signal.removeEventListener('abort', end);
        await sleep(clock, AGAIN_MS, signal);
      }
    },
  };
}
