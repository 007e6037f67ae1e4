/** Rows for the store's tests: whole, small, told apart by a number. */
import type { AgentRow, DhcpBindingRow, HostRow } from '../../src/resources/agent.ts';
import type { FloatingIpRow } from '../../src/resources/floating-ip.ts';
import type { NetworkRow } from '../../src/resources/network.ts';
import type { IpAllocationRow, PortRow, ProvisioningBlockRow } from '../../src/resources/port.ts';
import { extrasOf } from '../../src/resources/port-extras.ts';
import type { PortForwardingRow } from '../../src/resources/port-forwarding.ts';
import type { QosPolicyRow } from '../../src/resources/qos-policy.ts';
import type { QosRuleRow } from '../../src/resources/qos-rule.ts';
import type { RouterBindingRow, RouterRow } from '../../src/resources/router.ts';
import type { SecurityGroupRow } from '../../src/resources/security-group.ts';
import type { SecurityGroupRuleRow } from '../../src/resources/security-group-rule.ts';
import type { SubnetRow } from '../../src/resources/subnet.ts';

export const WHEN = '2026-01-31T12:00:00Z';

/** The nth of a series of UUIDs that sort by n. `kind` keeps the ids of networks, subnets, ports and agents apart. */
export function uuid(kind: number, n: number): string {
  return `0000000${kind}-0000-4000-8000-${String(n).padStart(12, '0')}`;
}

export const networkId = (n: number) => uuid(1, n);
export const subnetId = (n: number) => uuid(2, n);
export const portId = (n: number) => uuid(3, n);
export const agentId = (n: number) => uuid(4, n);
export const routerId = (n: number) => uuid(5, n);
export const floatingIpId = (n: number) => uuid(6, n);
export const forwardingId = (n: number) => uuid(7, n);

export const standard = (id: string) => ({
  id,
  project_id: 'p1',
  description: '',
  revision_number: 0,
  created_at: WHEN,
  updated_at: WHEN,
  tags: [],
});

export function network(n: number, changes: Partial<NetworkRow> = {}): NetworkRow {
  return {
    ...standard(networkId(n)),
    name: `net${n}`,
    admin_state_up: true,
    status: 'ACTIVE',
    shared: false,
    external: false,
    mtu: 1450,
    network_type: 'vxlan',
    physical_network: null,
    segmentation_id: n,
    port_security_enabled: true,
    dns_domain: '',
    availability_zone_hints: [],
    qos_policy_id: null,
    is_default: false,
    ...changes,
  };
}

export function subnet(n: number, ofNetwork: number, changes: Partial<SubnetRow> = {}): SubnetRow {
  return {
    ...standard(subnetId(n)),
    name: `sub${n}`,
    network_id: networkId(ofNetwork),
    ip_version: 4,
    cidr: `10.0.${n}.0/24`,
    gateway_ip: `10.0.${n}.1`,
    enable_dhcp: true,
    ipv6_ra_mode: null,
    ipv6_address_mode: null,
    allocation_pools: [{ start: `10.0.${n}.2`, end: `10.0.${n}.254` }],
    dns_nameservers: [],
    host_routes: [],
    service_types: [],
    dns_publish_fixed_ip: false,
    subnetpool_id: null,
    ...changes,
  };
}

export function port(n: number, ofNetwork: number, changes: Partial<PortRow> = {}): PortRow {
  const hex = n.toString(16).padStart(6, '0');
  return {
    ...standard(portId(n)),
    name: `port${n}`,
    network_id: networkId(ofNetwork),
    admin_state_up: true,
    status: 'DOWN',
    mac_address: `fa:16:3e:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`,
    fixed_ips: [],
    device_id: '',
    device_owner: '',
    host: '',
    vnic_type: 'normal',
    profile: {},
    vif_type: 'unbound',
    vif_details: {},
    generation: 0,
    port_security_enabled: true,
    allowed_address_pairs: [],
    extra_dhcp_opts: [],
    dns_name: '',
    dns_domain: '',
    qos_policy_id: null,
    ip_allocation: 'immediate',
    ...extrasOf({}),
    ...changes,
  };
}

export function host(name: string, changes: Partial<HostRow> = {}): HostRow {
  return {
    name,
    credential_hash: null,
    tunnel_ip: '192.0.2.1',
    management_ip: '',
    physical_networks: [],
    created_at: WHEN,
    ...changes,
  };
}

export function agent(n: number, onHost: string, changes: Partial<AgentRow> = {}): AgentRow {
  return {
    id: agentId(n),
    host: onHost,
    role: 'dhcp',
    description: '',
    admin_state_up: true,
    availability_zone: 'nova',
    configurations: {},
    created_at: WHEN,
    started_at: WHEN,
    heartbeat_at: WHEN,
    server_id: '',
    incarnation: 0,
    counter: 0,
    realised_position: null,
    realised_tag: null,
    exceptions: [],
    exception_count: 0,
    liveness: 'alive',
    deaths: 0,
    ...changes,
  };
}

export function dhcpBinding(ofNetwork: number, byAgent: number, onHost: string): DhcpBindingRow {
  return {
    network_id: networkId(ofNetwork),
    agent_id: agentId(byAgent),
    host: onHost,
    leaving: false,
    tag: 0,
    position: 0,
  };
}

export function allocation(
  ofSubnet: number,
  ofNetwork: number,
  ofPort: number,
  address: string,
): IpAllocationRow {
  return {
    subnet_id: subnetId(ofSubnet),
    ip_address: address,
    port_id: portId(ofPort),
    network_id: networkId(ofNetwork),
  };
}

export function block(
  ofPort: number,
  entity: ProvisioningBlockRow['entity'],
  tag: number,
): ProvisioningBlockRow {
  return { port_id: portId(ofPort), entity, tag, position: null, generation: 0 };
}

export function router(n: number, changes: Partial<RouterRow> = {}): RouterRow {
  return {
    ...standard(routerId(n)),
    name: `router${n}`,
    admin_state_up: true,
    status: 'ACTIVE',
    ha: false,
    ha_network_id: null,
    ha_vr_id: null,
    gw_port_id: null,
    enable_snat: true,
    routes: [],
    flavor_id: null,
    availability_zone_hints: [],
    qos_policy_id: null,
    ...changes,
  };
}

export function routerBinding(ofRouter: number, byAgent: number, onHost: string, rank = 0): RouterBindingRow {
  return {
    ...{ router_id: routerId(ofRouter), agent_id: agentId(byAgent), host: onHost, rank },
    ...{ leaving: false, ha_state: 'unknown', tag: 0, position: 0 },
    ...{ role_since: '', role_incarnation: 0, role_seq: 0, role_details: null, order: null, epoch: 0 },
  };
}

/** Of the network's port `floatingPort`; not associated. */
export function floatingIp(
  n: number,
  ofNetwork: number,
  floatingPort: number,
  changes: Partial<FloatingIpRow> = {},
): FloatingIpRow {
  return {
    ...standard(floatingIpId(n)),
    floating_network_id: networkId(ofNetwork),
    floating_ip_address: `203.0.113.${n}`,
    floating_port_id: portId(floatingPort),
    port_id: null,
    fixed_ip_address: null,
    router_id: null,
    status: 'DOWN',
    tag: 0,
    position: 0,
    qos_policy_id: null,
    ...{ dns_name: '', dns_domain: '' },
    ...changes,
  };
}

export function forwarding(
  n: number,
  of: { readonly floatingIp: number; readonly router: number; readonly port: number },
  changes: Partial<PortForwardingRow> = {},
): PortForwardingRow {
  return {
    id: forwardingId(n),
    floating_ip_id: floatingIpId(of.floatingIp),
    router_id: routerId(of.router),
    internal_port_id: portId(of.port),
    internal_ip_address: '10.0.1.2',
    protocol: 'tcp',
    external_port_first: 8000 + n,
    external_port_last: 8000 + n,
    internal_port_first: 80 + n,
    internal_port_last: 80 + n,
    description: '',
    ...changes,
  };
}

export const qosPolicyId = (n: number) => `0000000a-0000-4000-8000-${String(n).padStart(12, '0')}`;

export const qosPolicy = (n: number, changes: Partial<QosPolicyRow> = {}): QosPolicyRow => ({
  ...standard(qosPolicyId(n)),
  ...{ name: `policy${n}`, is_default: false, default_of: null, shared: false },
  ...changes,
});

/** The nth rule, of a policy. */
export const qosRule = (n: number, ofPolicy: number, changes: Partial<QosRuleRow> = {}): QosRuleRow => ({
  ...{ id: qosPolicyId(100 + n), qos_policy_id: qosPolicyId(ofPolicy) },
  ...{ type: 'bandwidth_limit', direction: 'egress', parameters: { max_kbps: 1000 } },
  ...changes,
});

/** The nth group. */
export const securityGroup = (n: number, changes: Partial<SecurityGroupRow> = {}): SecurityGroupRow => ({
  ...standard(uuid(8, n)),
  ...{ name: `group${n}`, stateful: true, default_of: null, shared: false },
  ...changes,
});

/** The nth rule, of a group. */
export const securityGroupRule = (
  n: number,
  ofGroup: number,
  changes: Partial<SecurityGroupRuleRow> = {},
): SecurityGroupRuleRow => ({
  ...standard(uuid(9, n)),
  ...{ security_group_id: uuid(8, ofGroup), direction: 'ingress', ethertype: 'IPv4', protocol: null },
  ...{ port_range_min: null, port_range_max: null },
  ...{ remote_ip_prefix: null, remote_group_id: null, remote_address_group_id: null },
  ...changes,
});
