/** What ports show of QoS policies beside their own. */
import { resourceRequest, type ResourceRequest } from '../resources/resource-request.ts';
import type { PortRow } from '../resources/port.ts';
import type { Tables } from '../store/store.ts';
import { policyOfPort } from './qos-policy.ts';
import { rulesOf } from './qos-rule.ts';

export interface QosOfPort {
  readonly qos_network_policy_id: string | null;
  readonly resource_request: ResourceRequest | null;
}

/** Reads for all of them at once. */
export async function qosOfPorts(
  tables: Tables,
  ports: readonly PortRow[],
): Promise<(port: PortRow) => QosOfPort> {
  const ids = [...new Set(ports.map((port) => port.network_id))];
  const networks = ids.length === 0 ? [] : await tables.networks.find({ id: ids });
  const networkOf = new Map(networks.map((network) => [network.id, network]));
  const policyOf = (port: PortRow) => policyOfPort(port, networkOf.get(port.network_id));
  const rules = await rulesOf(
    tables,
    ports.flatMap((port) => policyOf(port) ?? []),
  );
  return (port) => {
    const network = networkOf.get(port.network_id);
    const own = rules.get(policyOf(port) ?? '') ?? [];
    return {
      qos_network_policy_id: network?.qos_policy_id ?? null,
      resource_request: resourceRequest(port, network?.physical_network ?? null, own),
    };
  };
}
