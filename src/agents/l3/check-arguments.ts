/** What a check script is told (R30): always the same words in the same order, and the same by name in its environment. Pure. */
import type { Body, InterfaceBody, RouterBody } from '../../resources/agent-view.ts';
import { splitKey } from '../../resources/agent-view.ts';
import type { ReplicaState } from '../../resources/replica-report.ts';
import { namespaceOf } from './desired.ts';

/** In the order of the arguments; what there is none of is `-`, of several a comma stands between. */
export const CHECK_PARAMETERS = [
  ['router_id', 'UUID of the router'],
  ['namespace', 'the network namespace, in which the script runs'],
  ['role', 'active, standby or fault: what this replica is now'],
  ['vrid', "VRRP's virtual router id"],
  ['gateway_link', 'link to the external network'],
  ['gateway_addresses', 'addresses on it, with prefix'],
  ['gateway_nexthops', "the external subnets' gateways"],
  ['internal_links', 'links to the internal networks'],
  ['internal_addresses', 'addresses on them, with prefix'],
  ['ha_link', 'link to the other replicas'],
] as const;

export type CheckParameter = (typeof CHECK_PARAMETERS)[number][0];

const PREFIXES: Readonly<Record<string, string>> = {
  'network:router_gateway': 'qg',
  'network:router_interface': 'qr',
  'network:ha_router_replicated_interface': 'qr',
  'network:router_ha_interface': 'ha',
};

const linkOf = ({ owner, port_id }: InterfaceBody): string =>
  `${PREFIXES[owner] ?? ''}-${port_id.slice(0, 11)}`;
const addressesOf = ({ fixed_ips }: InterfaceBody): string[] =>
  fixed_ips.map(({ ip_address, prefix }) => `${ip_address}/${prefix}`);

export function checkParameters(
  objects: ReadonlyMap<string, Body>,
  on: { routerId: string; host: string; role: ReplicaState },
): Record<CheckParameter, string> {
  const router = objects.get(`router/${on.routerId}`) as RouterBody | undefined;
  const interfaces = [...objects]
    .filter(([key]) => splitKey(key).kind === 'interface')
    .map(([, body]) => body as InterfaceBody)
    .filter(({ host, owner }) => (host === '' || host === on.host) && owner in PREFIXES)
    .sort((one, other) => (one.port_id < other.port_id ? -1 : 1));
  const of = (prefix: string) => interfaces.filter(({ owner }) => PREFIXES[owner] === prefix);
  const words = (list: readonly (string | null)[]) => list.filter((one) => one !== null).join(',') || '-';
  return {
    router_id: on.routerId,
    namespace: namespaceOf(on.routerId),
    role: on.role,
    vrid: words([router?.ha_vr_id == null ? null : String(router.ha_vr_id)]),
    gateway_link: words(of('qg').map(linkOf)),
    gateway_addresses: words(of('qg').flatMap(addressesOf)),
    gateway_nexthops: words(of('qg').flatMap(({ subnets }) => subnets.map(({ gateway_ip }) => gateway_ip))),
    internal_links: words(of('qr').map(linkOf)),
    internal_addresses: words(of('qr').flatMap(addressesOf)),
    ha_link: words(of('ha').map(linkOf)),
  };
}

/** Arguments and environment of one run. */
export function checkCommand(path: string, parameters: Readonly<Record<CheckParameter, string>>) {
  const named = CHECK_PARAMETERS.map(([name]) => [name, parameters[name]] as const);
  return {
    argv: [path, ...named.map(([, value]) => value)],
    environment: Object.fromEntries(named.map(([name, value]) => [`DEUTERON_${name.toUpperCase()}`, value])),
  };
}
