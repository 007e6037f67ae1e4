/** What a host should filter, from rows alone: whose links, who may send from them, who is meant by the remotes of their rules. */
import type { TableForm } from '../../src/host/host.ts';
import type { PortRow } from '../../src/resources/port.ts';
import { tapOf } from './host-oracle.ts';
import type { Machine } from './machine.ts';
import type { Rows } from './oracle.ts';

const [BRIDGE, INET] = ['bridge deuteron_firewall', 'inet deuteron_firewall'] as const;

/** The first thing on which the host's firewall and the rows do not agree; undefined for none. */
export async function firewallDifference({ host, name }: Machine, rows: Rows): Promise<string | undefined> {
  const secured = rows.ports.filter((port) => port.host === name && port.port_security_enabled);
  const [bridge, inet] = await Promise.all([BRIDGE, INET].map((table) => host.tableForm(null, table)));
  const links = secured.map(tapOf);
  const macs = secured.flatMap((port) =>
    [port, ...port.allowed_address_pairs].map((one) => `${tapOf(port)} . ${one.mac_address}`),
  );
  return (
    setDifference(bridge, 'filtered', links) ??
    setDifference(bridge, 'macs', macs) ??
    setDifference(bridge, 'sources4', sources4(secured)) ??
    groupDifference(inet ?? null, secured, rows)
  );
}

function setDifference(table: TableForm | null | undefined, set: string, wanted: Iterable<string>) {
  const found = [...(table?.sets.get(set) ?? [])].sort().join(', ');
  const all = [...new Set(wanted)].sort().join(', ');
  return found === all ? undefined : `its firewall has ${set} "${found}", not "${all}"`;
}

const isSingle4 = (address: string) => /^[\d.]+$/.test(address);

const sources4 = (ports: readonly PortRow[]): string[] =>
  ports.flatMap((port) => [
    ...port.fixed_ips
      .filter((one) => isSingle4(one.ip_address))
      .map((one) => `${tapOf(port)} . ${port.mac_address} . ${one.ip_address}`),
    ...port.allowed_address_pairs
      .filter((one) => isSingle4(one.ip_address))
      .map((one) => `${tapOf(port)} . ${one.mac_address} . ${one.ip_address}`),
  ]);

/** Each group of the ports as a chain with as many rules, each of their remotes as a set with who is in it. */
function groupDifference(
  inet: TableForm | null,
  secured: readonly PortRow[],
  rows: Rows,
): string | undefined {
  const here = new Set(secured.map((port) => port.id));
  const own = new Set(
    rows.portSecurityGroups.filter((one) => here.has(one.port_id)).map((one) => one.security_group_id),
  );
  const chains = [...(inet?.chains.keys() ?? [])].filter((name) => /^(in|out)-[0-9a-f]{8}-/.test(name));
  const extra = chains.find((name) => !own.has(name.replace(/^(in|out)-/, '')));
  if (extra !== undefined) return `its firewall still has ${extra}`;
  const rules = rows.securityGroupRules.filter((one) => own.has(one.security_group_id));
  for (const id of own) {
    const wanted = rules.filter((one) => one.security_group_id === id && one.direction === 'ingress');
    const found = inet?.chains.get(`in-${id}`)?.rules.length;
    if (found !== wanted.length) return `its firewall has ${found} rules into ${id}, not ${wanted.length}`;
  }
  const portOf = new Map(rows.ports.map((port) => [port.id, port]));
  for (const remote of new Set(rules.flatMap((one) => one.remote_group_id ?? []))) {
    const members = rows.portSecurityGroups.filter((one) => one.security_group_id === remote);
    const addresses = members.flatMap(({ port_id }) => {
      const port = portOf.get(port_id);
      return port ? [...port.fixed_ips, ...port.allowed_address_pairs].map((one) => one.ip_address) : [];
    });
    const difference = setDifference(inet, `m4-${remote}`, addresses.filter(isSingle4));
    if (difference !== undefined) return difference;
  }
  return undefined;
}
