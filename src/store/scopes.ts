/** Which groups a host sees besides its own, from the rows (`resources/agent-view.ts` says what the groups are). */
import type { Session } from './session.ts';

/** For the hosts named (each has an entry), or for every host that has a bound port or serves DHCP. */
export async function scopes(session: Session, hosts?: readonly string[]): Promise<Map<string, string[]>> {
  const named = hosts === undefined ? '' : 'and host = any($1::text[])';
  const rows = await session.read<{ host: string; groups: string[] }>({
    text: `select host, array_agg(grp order by grp collate "C") as groups from (
        select host, 'network/' || network_id as grp from ports where host <> '' ${named}
        union select host, 'network/' || network_id from dhcp_bindings where host <> '' ${named}
        union select host, 'dhcp/' || network_id from dhcp_bindings where host <> '' ${named}
      ) as seen group by host order by host`,
    values: hosts === undefined ? [] : [hosts],
    prepare: true,
  });
  const found = new Map<string, string[]>((hosts ?? []).map((host) => [host, []]));
  for (const row of rows) found.set(row.host, row.groups);
  return found;
}
