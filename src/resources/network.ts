import type { StandardAttributes } from './standard.ts';

export type NetworkType = 'vxlan' | 'flat' | 'vlan';

/** A network as stored. Field names and meanings are the Networking API's; `network_type` etc. are its `provider:` attributes. */
export interface NetworkRow extends StandardAttributes {
  name: string;
  admin_state_up: boolean;
  status: 'ACTIVE' | 'BUILD' | 'DOWN' | 'ERROR';
  shared: boolean;
  /** `router:external` */
  external: boolean;
  mtu: number;
  network_type: NetworkType;
  physical_network: string | null;
  segmentation_id: number | null;
  port_security_enabled: boolean;
  dns_domain: string;
  availability_zone_hints: string[];
}
