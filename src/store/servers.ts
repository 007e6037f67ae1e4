/** The servers on one database, each moving a beat of its own. Operations never ask. */
import type { ServerBeat, Store } from './store.ts';
import type { TransactionContext } from './transaction.ts';
import { housekeeping } from './transaction.ts';

export function createPresence(context: TransactionContext): Pick<Store, 'beat'> {
  return {
    beat: (serverId) =>
      housekeeping(context, async (session) => {
        await session.write({
          text: `insert into servers as known (id, beat, beat_at) values ($1, 1, clock_timestamp())
            on conflict (id) do update set beat = known.beat + 1, beat_at = clock_timestamp()`,
          values: [serverId],
        });
        await session.write({
          text: `delete from servers where beat_at < clock_timestamp() - interval '1 day'`,
        });
        return session.read<ServerBeat>({ text: 'select id, beat from servers order by id' });
      }),
  };
}
