/** The agents that servers must look at again and again: few, so that looking is cheap however many there are. */
import type { Session } from './session.ts';
import type { Fleet, Sighting } from './store.ts';

/** The contract's `sightings`. */
export async function sightings(
  session: Session,
  servers: readonly string[],
  died?: 'died',
): Promise<Sighting[]> {
  return session.read<Sighting>({
    text: `select id, host, role, server_id, liveness, deaths, availability_zone, heartbeat_at from agents
      where host in (select host from agents
        where server_id = any($1::text[]) or liveness <> 'alive' ${died ? 'or deaths > 0' : ''})
      order by host, role`,
    values: [servers],
    prepare: true,
  });
}

/** The contract's `fleet`. */
export async function fleet(session: Session): Promise<Fleet> {
  const rows = await session.read<{ zone: string; hosts: number }>({
    text: `select zone, count(*)::integer as hosts from
        (select host, min(availability_zone) as zone from agents group by host) as seen
      group by zone order by zone`,
  });
  return new Map(rows.map((row) => [row.zone, row.hosts]));
}
