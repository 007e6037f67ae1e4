import type { StandardAttributes } from './standard.ts';

/** A floating IP as stored: an address of an external network, and what it stands for. */
export interface FloatingIpRow extends StandardAttributes {
  readonly floating_network_id: string;
  readonly floating_ip_address: string;
  /** The port that holds the address in its network. */
  readonly floating_port_id: string;
  /** The port and the address that it stands for; null while it is not associated. */
  port_id: string | null;
  fixed_ip_address: string | null;
  /** The router that translates, also where only ports are forwarded. */
  router_id: string | null;
  status: 'ACTIVE' | 'DOWN' | 'ERROR';
  dns_name: string;
  dns_domain: string;
}
