/** PostgreSQL's errors in the contract's words (codes: PostgreSQL manual, appendix A). */
import { DatabaseError } from 'pg';
import { Bug } from '../lib/assert.ts';
import { ForeignKeyViolation, StoreUnavailable, UniqueViolation } from './store.ts';

/** A serialization failure or a deadlock: the whole transaction is run again. */
export class Collision extends Error {
  override readonly name = 'Collision';
}

/** The connection is gone, so what it was asked last may have happened. Seen by callers as StoreUnavailable. */
export class ConnectionLost extends StoreUnavailable {}

const COLLISIONS: ReadonlySet<string> = new Set(['40001', '40P01']);

/**
 * Not in time (statement, lock and idle timeouts) or not able (too many connections, disk full, shutting down,
 * I/O error, read-only because it is a standby).
 */
const UNAVAILABLE = /^(08|53|57|58)|^(55P03|25P03|25P04|25006)$/;

/** The error to throw instead of `error`; itself if it is neither PostgreSQL's nor the connection's. */
export function translate(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (isTranslated(error)) return error;
  if (!(error instanceof DatabaseError)) {
    const ours = error instanceof TypeError || error instanceof RangeError || error instanceof Bug;
    return ours
      ? error
      : new ConnectionLost(`the connection to the database failed: ${error.message}`, { cause: error });
  }
  const code = error.code ?? '';
  const text = `PostgreSQL: ${error.message} (${code})`;
  if (error.severity === 'FATAL' || error.severity === 'PANIC')
    return new ConnectionLost(text, { cause: error });
  if (code === '23505') return new UniqueViolation(error.constraint ?? '');
  if (code === '23503') return new ForeignKeyViolation(error.constraint ?? '');
  if (COLLISIONS.has(code)) return new Collision(text, { cause: error });
  if (UNAVAILABLE.test(code)) return new StoreUnavailable(text, { cause: error });
  return error;
}

function isTranslated(error: Error): boolean {
  return (
    error instanceof StoreUnavailable ||
    error instanceof Collision ||
    error instanceof UniqueViolation ||
    error instanceof ForeignKeyViolation
  );
}
