import { realClock, sleep } from '../lib/clock.ts';

const LOOK_MS = 100;

/** Looks again and again, once at least; false: it has not come to that in time, or whoever waited has had enough. */
export async function waitUntil(
  isReached: () => Promise<boolean>,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const deadline = realClock.now() + timeoutMs;
  while (!signal.aborted) {
    if (await isReached()) return true;
    if (realClock.now() >= deadline) return false;
    await sleep(realClock, LOOK_MS, signal);
  }
  return false;
}
