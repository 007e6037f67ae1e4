/** A router and what belongs to it in a mirror, for tests of roles. */
import type {
  FloatingIpBody,
  ForwardingBody,
  InterfaceBody,
  InterfaceSubnet,
  RouterBody,
} from '../../src/resources/agent-view.ts';
import { id, type TestWorld } from './network-objects.ts';

export function subnetOf(
  cidr: string,
  gateway: string | null,
  fields: Partial<InterfaceSubnet> = {},
): InterfaceSubnet {
  return {
    id: id(0x500),
    ip_version: cidr.includes(':') ? 6 : 4,
    cidr,
    gateway_ip: gateway,
    enable_dhcp: true,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    dns_nameservers: [],
    ...fields,
  };
}

/** One router (number `n`) in the mirror of a host. */
export class TestRouter {
  readonly id: string;
  readonly key: string;
  readonly #world: TestWorld;

  constructor(world: TestWorld, n: number, fields: Partial<RouterBody> = {}) {
    this.id = id(0x700_0000 + n);
    this.key = `router/${this.id}`;
    this.#world = world;
    this.set(fields);
    this.replica(world.host, 0);
  }

  get namespace(): string {
    return `qrouter-${this.id}`;
  }

  set(fields: Partial<RouterBody>): void {
    const body = this.#world.group(this.key)?.get(this.key) as RouterBody | undefined;
    const first = {
      id: this.id,
      name: 'router',
      admin_state_up: true,
      ha: false,
      ha_vr_id: null,
      enable_snat: true,
      routes: [],
    };
    this.#world.put(this.key, this.key, { ...(body ?? first), ...fields });
  }

  replica(host: string, rank: number): void {
    this.#world.put(this.key, `replica/${host}`, {
      ...{ host, rank, tunnel_ip: '', management_ip: '', order: null },
    });
  }

  /** Port number `n` with the first address of the subnet's gateway, or `ip`; says its id. */
  attach(
    n: number,
    networkId: string,
    subnet: InterfaceSubnet,
    fields: Partial<InterfaceBody> & { ip?: string } = {},
  ): string {
    const { ip, ...rest } = fields;
    const portId = id(n);
    const [, prefix = ''] = subnet.cidr.split('/');
    this.#world.put(this.key, `interface/${portId}`, {
      port_id: portId,
      network_id: networkId,
      owner: 'network:router_interface',
      host: '',
      mac_address: `fa:16:3e:00:01:${(n & 255).toString(16).padStart(2, '0')}`,
      mtu: 1450,
      admin_state_up: true,
      fixed_ips: [
        { subnet_id: subnet.id, ip_address: ip ?? subnet.gateway_ip ?? '', prefix: Number(prefix) },
      ],
      subnets: [subnet],
      ...rest,
    });
    return portId;
  }

  float(n: number, outside: string, inside: string): string {
    const body: FloatingIpBody = {
      id: id(n),
      floating_ip_address: outside,
      fixed_ip_address: inside,
      port_id: id(0x900 + n),
      network_id: id(0x900),
    };
    this.#world.put(this.key, `floating-ip/${body.id}`, body);
    return body.id;
  }

  forward(n: number, fields: Partial<ForwardingBody>): string {
    this.#world.put(this.key, `forwarding/${id(n)}`, {
      id: id(n),
      floating_ip_address: '203.0.113.20',
      protocol: 'tcp',
      external_port: [8080, 8080],
      internal_ip_address: '10.0.1.10',
      internal_port: [80, 80],
      ...fields,
    });
    return id(n);
  }

  remove(key: string): void {
    this.#world.remove(this.key, key);
  }

  leave(): void {
    this.#world.remove(this.key);
  }
}
