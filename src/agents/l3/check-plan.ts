/**
 * When each check of each router runs. All hosts run one router's check at the same instants of the wall clock, so that what
 * fails everywhere is found everywhere at once and moves nothing on its way; routers among themselves are spread. Pure.
 */
import type { CheckScript } from './check-script.ts';

/** Of all checks of a host together: with more, each comes less often. */
export const MOST_RUNS_PER_SECOND = 10;

/** Uniform in [0, 1), the same everywhere (FNV-1a). */
export function phase(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash / 2 ** 32;
}

/** How often it really runs, with so many routers. Powers of two of its interval, so that hosts with few and many still meet. */
export function intervalMs(scripts: readonly CheckScript[], script: CheckScript, routers: number): number {
  const wanted = scripts.reduce((sum, one) => sum + (routers * 1000) / one.intervalMs, 0);
  const factor = Math.max(0, Math.ceil(Math.log2(wanted / MOST_RUNS_PER_SECOND)));
  return script.intervalMs * 2 ** factor;
}

/** The next instant after `wallMs`. With any multiple of the interval the instants are among those of the interval itself. */
export function nextRun(
  wallMs: number,
  everyMs: number,
  on: { script: Pick<CheckScript, 'intervalMs'>; routerId: string },
): number {
  const offset = Math.floor(phase(on.routerId) * on.script.intervalMs);
  return Math.floor((wallMs - offset) / everyMs + 1) * everyMs + offset;
}
