/** Some ports of a floating IP that are led to a port, as stored. */
export interface PortForwardingRow {
  readonly id: string;
  readonly floating_ip_id: string;
  /** The router that translates: its floating IP's. */
  router_id: string;
  internal_port_id: string;
  internal_ip_address: string;
  protocol: string;
  external_port_first: number;
  external_port_last: number;
  internal_port_first: number;
  internal_port_last: number;
  description: string;
}
