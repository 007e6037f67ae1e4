/** Small bodies as agents see them, for tests of roles. */
import type { Body, EndpointBody, NetworkBody, PortBody } from '../../src/resources/agent-view.ts';
import type { World } from '../../src/agents/role.ts';

/** A UUID that is easy to read: `id(0xa1)` is `000000a1-...`. */
export function id(number: number): string {
  return `${number.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
}

export function networkBody(networkId: string, fields: Partial<NetworkBody> = {}): NetworkBody {
  return {
    id: networkId,
    name: 'net',
    admin_state_up: true,
    network_type: 'vxlan',
    physical_network: null,
    segmentation_id: 7,
    mtu: 1450,
    dns_domain: '',
    ...fields,
  };
}

export function endpoint(host: string, tunnelIp: string): EndpointBody {
  return { host, tunnel_ip: tunnelIp };
}

export function portBody(portId: string, networkId: string, fields: Partial<PortBody> = {}): PortBody {
  return {
    id: portId,
    network_id: networkId,
    admin_state_up: true,
    mac_address: 'fa:16:3e:00:00:01',
    device_owner: 'compute:nova',
    device_id: '',
    fixed_ips: [],
    generation: 1,
    ...fields,
  };
}

/** A mirror that a test writes to. */
export class TestWorld implements World {
  readonly host: string;
  readonly #groups = new Map<string, Map<string, Body>>();

  constructor(host: string) {
    this.host = host;
    this.put(`host/${host}`, `host/${host}`, { name: host, tunnel_ip: '' });
  }

  groups(): Iterable<string> {
    return this.#groups.keys();
  }

  group(name: string): ReadonlyMap<string, Body> | undefined {
    return this.#groups.get(name);
  }

  put(group: string, key: string, body: Body): void {
    const objects = this.#groups.get(group) ?? new Map<string, Body>();
    this.#groups.set(group, objects.set(key, body));
  }

  remove(group: string, key?: string): void {
    if (key === undefined) this.#groups.delete(group);
    else this.#groups.get(group)?.delete(key);
  }

  putNetwork(body: NetworkBody, endpoints: readonly EndpointBody[] = []): void {
    const group = `network/${body.id}`;
    this.put(group, group, body);
    for (const each of endpoints) this.put(group, `endpoint/${each.host}`, each);
  }

  putPort(body: PortBody): void {
    this.put(`host/${this.host}`, `port/${body.id}`, body);
  }
}
