/** The servers on one database, each moving a beat of its own. Beside the contract: operations never ask. */
import type { TransactionContext } from './transaction.ts';
import { housekeeping } from './transaction.ts';

export interface Presence {
  /** This server lives. */
  beat(serverId: string): Promise<void>;
  /** Servers that moved their beat in the last `withinMs`, by the database's clock. */
  liveServers(withinMs: number): Promise<string[]>;
}

export function createPresence(context: TransactionContext): Presence {
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
      }),
    liveServers: (withinMs) =>
      housekeeping(context, async (session) => {
        const rows = await session.read<{ id: string }>({
          text: `select id from servers
            where beat_at >= clock_timestamp() - $1::double precision * interval '1 millisecond' order by id`,
          values: [withinMs],
        });
        return rows.map((row) => row.id);
      }),
  };
}
