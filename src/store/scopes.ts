/** Which groups a host sees besides its own, from the rows (`resources/agent-view.ts` says what the groups are). */
import type { Session } from './session.ts';

/** For the hosts named (each has an entry), or for every host that has a bound port, serves DHCP or has a replica of a router. */
export async function scopes(session: Session, hosts?: readonly string[]): Promise<Map<string, string[]>> {
  const named = hosts === undefined ? '' : 'and host = any($1::text[])';
  const rows = await session.read<{ host: string; groups: string[] }>({
    text: `with secured as (
        select distinct host, security_group_id from ports join port_security_groups on port_id = ports.id
          where host <> '' ${named}
      ), remotes as (
        select host, remote_group_id, remote_address_group_id from secured join security_group_rules using (security_group_id)
          where remote_group_id is not null or remote_address_group_id is not null
      )
      select host, array_agg(grp order by grp collate "C") as groups from (
        select host, 'network/' || network_id as grp from ports where host <> '' ${named}
        union select host, 'network/' || network_id from dhcp_bindings where host <> '' ${named}
        union select host, 'dhcp/' || network_id from dhcp_bindings where host <> '' ${named}
        union select host, 'router/' || router_id from router_bindings where host <> '' ${named}
        union select router_bindings.host, 'network/' || network_id from router_bindings join ports
          on device_id = router_id::text and device_owner in ('network:router_interface', 'network:router_gateway',
            'network:router_ha_interface', 'network:ha_router_replicated_interface')
          where router_bindings.host <> '' ${named.replace('host', 'router_bindings.host')}
        union select host, 'security-group/' || security_group_id from secured
        union select host, 'members/' || remote_group_id from remotes where remote_group_id is not null
        union select host, 'address-group/' || remote_address_group_id from remotes where remote_address_group_id is not null
      ) as seen group by host order by host`,
    values: hosts === undefined ? [] : [hosts],
    prepare: true,
  });
  const found = new Map<string, string[]>((hosts ?? []).map((host) => [host, []]));
  for (const row of rows) found.set(row.host, row.groups);
  return found;
}
