/**
 * Did it commit? The connection broke after COMMIT was sent, before its answer came.
 *
 * First the old transaction must be over: its message may still lie in a buffer, or it waits for a lock, and could commit
 * after we looked. So while it lives, its server process is ended; it is found by the lock that every writing transaction
 * holds on its own id, and by the process id (after a crash the server gives transaction ids again). Then its tag is
 * looked for: every transaction that wrote leaves one, in the log or aside.
 * A standby says nothing: it may be behind. A database that lost the commit (a promoted standby, a restored backup) says
 * rightly that it is not there.
 */
import type { Clock } from '../lib/clock.ts';
import { sleep } from '../lib/clock.ts';
import { hasCommitted } from './change-log.ts';
import type { Session, Writer } from './session.ts';
import { StoreUnavailable } from './store.ts';

export type Fate =
  | { readonly committed: true; readonly position: number | null }
  | { readonly committed: false };

export interface LostCommit {
  readonly clock: Clock;
  readonly tag: number;
  readonly writer: Writer;
  /** How long to try to reach the database. */
  readonly patienceMs: number;
  /** Runs `statements` in a transaction of its own on a new session. */
  readonly ask: <Result>(statements: (session: Session) => Promise<Result>) => Promise<Result>;
}

/** @throws StoreUnavailable when the database cannot be asked in time: the outcome stays unknown. */
export async function learnFate(lost: LostCommit): Promise<Fate> {
  const deadline = lost.clock.now() + lost.patienceMs;
  let cause: unknown;
  for (let waitMs = 10; lost.clock.now() < deadline; waitMs = Math.min(2 * waitMs, 500)) {
    try {
      const fate = await lost.ask((session) => look(session, lost));
      if (fate !== undefined) return fate;
    } catch (error) {
      cause = error;
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

/** Undefined: not to be known yet. */
async function look(session: Session, { tag, writer }: LostCommit): Promise<Fate | undefined> {
  const [standing] = await session.read<{ standby: boolean; ended: number }>({
    text: `select pg_is_in_recovery() as standby, count(pg_terminate_backend(pid))::integer as ended from pg_locks
      where locktype = 'transactionid' and transactionid = $1::xid and pid = $2
        and mode = 'ExclusiveLock' and granted`,
    values: [writer.xid, writer.pid],
  });
  if (standing === undefined || standing.standby || standing.ended > 0) return undefined;
  // A statement later: what it committed is visible, for its lock was still held until then.
  const found = await hasCommitted(session, tag);
  return found ? { committed: true, position: found.position } : { committed: false };
}
