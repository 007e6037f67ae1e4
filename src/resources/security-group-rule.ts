import type { StandardAttributes } from './standard.ts';

/** What a group lets in or out. At most one of the three remotes is not null; without any it is every address. */
export interface SecurityGroupRuleRow extends StandardAttributes {
  readonly security_group_id: string;
  readonly direction: 'ingress' | 'egress';
  readonly ethertype: 'IPv4' | 'IPv6';
  /** A name as the API knows it, or a number in digits; null for all. */
  readonly protocol: string | null;
  /** Of ICMP the type, and the maximum the code. */
  readonly port_range_min: number | null;
  readonly port_range_max: number | null;
  /** A CIDR as the client wrote it, or an address. */
  readonly remote_ip_prefix: string | null;
  readonly remote_group_id: string | null;
  readonly remote_address_group_id: string | null;
}
