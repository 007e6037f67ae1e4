/**
 * Did it commit? The connection broke after COMMIT was sent, before its answer came.
 *
 * First the old transaction must be over: while it is in progress (its message may still lie in a buffer, or it waits for
 * a lock) its backend is terminated, found by the transaction id's own lock, so never a stranger's. Then:
 * - its tag is in the log: committed, there;
 * - else the server's commit status of the id decides: this is how a transaction that staged no hint is found. It counts
 *   only on the timeline on which the id was given: a promoted standby gives the same ids to others.
 * What this cannot tell: a database restored from a copy of its files keeps the timeline. There, within the seconds
 * that we wait, an id given again may pass for a hintless transaction that is lost: those are level (status, reports,
 * beats) and come again.
 */
import type { Pool } from 'pg';
import { type Clock, sleep } from '../lib/clock.ts';
import { translate } from './faults.ts';
import type { TransactionId } from './session.ts';
import { StoreUnavailable } from './store.ts';

export type Fate =
  | { readonly committed: true; readonly position: number | null }
  | { readonly committed: false };

export interface LostCommit {
  readonly pool: Pool;
  readonly clock: Clock;
  readonly tag: number;
  readonly writer: TransactionId;
  /** How long to try to reach the database. */
  readonly patienceMs: number;
}

/** @throws StoreUnavailable when the database cannot be asked in time: the outcome stays unknown. */
export async function learnFate(lost: LostCommit): Promise<Fate> {
  const deadline = lost.clock.now() + lost.patienceMs;
  let cause: unknown;
  for (let waitMs = 10; lost.clock.now() < deadline; waitMs = Math.min(2 * waitMs, 500)) {
    try {
      const fate = await ask(lost);
      if (fate !== 'in progress') return fate;
    } catch (error) {
      cause = translate(error);
    }
    await sleep(lost.clock, waitMs);
  }
  throw new StoreUnavailable(
    'the connection broke at the commit, and its outcome could not be learned in time',
    {
      cause,
    },
  );
}

async function ask({ pool, tag, writer }: LostCommit): Promise<Fate | 'in progress'> {
  const timelines = await pool.query<{ timeline: string }>(
    'select left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as timeline',
  );
  const sameTimeline = timelines.rows[0]?.timeline === writer.timeline;
  const status = sameTimeline ? await statusOf(pool, writer.xid) : null;
  if (status === 'in progress') {
    await pool.query(
      `select pg_terminate_backend(pid) from pg_locks
        where locktype = 'transactionid' and transactionid = $1::text::xid8::xid and mode = 'ExclusiveLock' and granted`,
      [writer.xid],
    );
    return 'in progress';
  }
  // In a statement after the status: what is committed is visible here.
  const logged = await pool.query<{ position: number }>('select position from changes where tag = $1', [tag]);
  const position = logged.rows[0]?.position;
  if (position !== undefined) return { committed: true, position };
  return status === 'committed' ? { committed: true, position: null } : { committed: false };
}

/** Null where the server knows no such transaction (a lost tail: the id lies in its future, or too far in the past). */
async function statusOf(pool: Pool, xid: string): Promise<string | null> {
  try {
    const found = await pool.query<{ status: string | null }>(
      'select pg_xact_status($1::text::xid8) as status',
      [xid],
    );
    return found.rows[0]?.status ?? null;
  } catch (error) {
    if ((error as { code?: string }).code === '22023') return null;
    throw error;
  }
}
