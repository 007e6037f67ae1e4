import type { StandardAttributes } from './standard.ts';

export interface FixedIp {
  readonly subnet_id: string;
  readonly ip_address: string;
}

export interface ExtraDhcpOpt {
  readonly opt_name: string;
  readonly opt_value: string;
  readonly ip_version: 4 | 6;
}

export type PortStatus = 'ACTIVE' | 'DOWN' | 'BUILD' | 'ERROR';

/** A port as stored. `host`, `vnic_type`, `profile`, `vif_type`, `vif_details` are the API's `binding:` attributes. */
export interface PortRow extends StandardAttributes {
  name: string;
  network_id: string;
  admin_state_up: boolean;
  status: PortStatus;
  mac_address: string;
  /** Kept equal to the port's rows in `ip_allocations`, which carry the uniqueness. */
  fixed_ips: FixedIp[];
  device_id: string;
  device_owner: string;
  /** `binding:host_id`; '' while unbound. */
  host: string;
  vnic_type: string;
  profile: Record<string, unknown>;
  vif_type: 'unbound' | 'bridge' | 'binding_failed';
  vif_details: Record<string, unknown>;
  /** Grows with every change of host: an outcome of an older generation says nothing of this binding. */
  generation: number;
  port_security_enabled: boolean;
  extra_dhcp_opts: ExtraDhcpOpt[];
  dns_name: string;
}

/** One address of one port: unique in its network. */
export interface IpAllocationRow {
  readonly subnet_id: string;
  readonly ip_address: string;
  readonly port_id: string;
  readonly network_id: string;
}

/**
 * What still has to be reported before a port may be ACTIVE. `tag` is the opening transaction's; `position` becomes
 * its position at commit. Any outcome at or above it, of this generation, lifts the block.
 */
export interface ProvisioningBlockRow {
  readonly port_id: string;
  readonly entity: 'L2' | 'DHCP';
  readonly tag: number;
  readonly position: number | null;
  readonly generation: number;
}
