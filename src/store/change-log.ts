/**
 * The log of changes: dense positions, visible in commit order. Only this file (and `append_changes` of the first
 * migration) knows how.
 *
 * The last act of a transaction that wrote takes the position lock, reads the highest position in a statement of its
 * own, inserts the next, and commits. Lock and commit travel as ONE message of the simple protocol: a client that
 * freezes or dies holds the lock never, and the others wait for the server's own work only. READ COMMITTED is needed:
 * `max(position)` must see what the lock's previous holder committed while we waited.
 */
import type { Place } from '../resources/place.ts';
import type { Session } from './session.ts';
import type { Change } from './store.ts';

/** The key of the position lock, as in `append_changes`; (4951, 0) is the migrations'. */
export const POSITION_LOCK = [4951, 1] as const;

/**
 * The message that appends what was staged under `tag` and commits; the first result's row has the position. Null: no
 * hint was staged, and the tag is kept aside, for `hasCommitted`.
 */
export function appendAndCommit(tag: number): string {
  return `select append_changes(${tag}) as position; commit`;
}

/** The last place. */
export async function head(session: Session): Promise<Place> {
  const rows = await session.read<Place>({
    text: 'select position, tag from changes order by position desc limit 1',
    prepare: true,
  });
  return rows[0] as Place;
}

/** Whether the transaction of that tag committed, lately; its position, or null for one without hints. */
export async function hasCommitted(
  session: Session,
  tag: number,
): Promise<{ readonly position: number | null } | undefined> {
  const rows = await session.read<{ position: number | null }>({
    text: `select position from changes where tag = $1
      union all select null from hintless_commits where tag = $1`,
    values: [tag],
  });
  return rows[0];
}

/** From `position` on, in order. */
export function changesFrom(session: Session, position: number, limit: number): Promise<Change[]> {
  return session.read<Change>({
    text: `select position, tag, refs, hosts,
        greatest(0, extract(epoch from clock_timestamp() - committed_at) * 1000)::double precision as "ageMs"
      from changes where position >= $1 order by position limit $2`,
    values: [position, limit],
    prepare: true,
  });
}

/**
 * Forgets a prefix of the log: what is older than `ageMs` by the database's clock, but for the last `keep` changes.
 * A clock that was set back cannot make a hole: everything from the first young row on stays.
 */
export async function trim(session: Session, limits: { ageMs: number; keep: number }): Promise<number> {
  await session.write({
    text: `delete from hintless_commits where committed_at < clock_timestamp() - interval '15 minutes'`,
  });
  const rows = await session.write<{ position: number }>({
    text: `delete from changes
      where position <= (select max(position) from changes) - $1::bigint
        and position < coalesce(
          (select min(position) from changes
            where committed_at >= clock_timestamp() - $2::double precision * interval '1 millisecond'),
          9223372036854775807)
      returning position`,
    values: [Math.max(1, limits.keep), limits.ageMs],
  });
  return rows.length;
}

/**
 * Puts one new place in the stead of the whole log. Tags of late stay to be found, for whoever asks what became of a
 * commit. The lock is held over more than one message here: a client that freezes in between is ended by its timeout.
 */
export async function beginEpoch(session: Session, tag: number): Promise<Place> {
  await session.write({ text: 'update agents set realised_position = null, realised_tag = null' });
  await session.write({ text: 'select pg_advisory_xact_lock($1, $2)', values: POSITION_LOCK });
  const [head] = await session.write<{ position: number }>({
    text: `with old as (delete from changes returning position, tag, committed_at),
      kept as (insert into hintless_commits (tag, committed_at)
        select tag, committed_at from old where committed_at > clock_timestamp() - interval '15 minutes')
      insert into changes (position, tag, refs, hosts)
        select max(position) + 1, $1::bigint, '{}', '{}' from old returning position`,
    values: [tag],
  });
  return { position: (head as { position: number }).position, tag };
}

/**
 * Forgets events from before `before`, and of the others the oldest beyond `keep`; but no alert that no end names, and no
 * end before its alert, which would be open again.
 */
export async function trimEvents(session: Session, limits: { before: string; keep: number }): Promise<void> {
  await session.write({
    text: `with cut as (select greatest($1::text collate "C",
        (select at from events order by at desc offset $2 - 1 limit 1)) as at)
      delete from events where id in (
        select event.id from events event
          left join events ending on event.kind = 'alert'
            and ending.kind = 'alert-ended' and ending.data->>'ends' = event.id::text
          left join events young on event.kind = 'alert-ended'
            and young.kind = 'alert' and young.id::text = event.data->>'ends' and young.at >= (select at from cut)
        where event.at < (select at from cut)
          and (event.kind <> 'alert' or ending.id is not null) and young.id is null)`,
    values: [limits.before, limits.keep],
  });
}
