import type { StandardAttributes } from './standard.ts';

/** A security group as stored. */
export interface SecurityGroupRow extends StandardAttributes {
  name: string;
  /** Whether what answers admitted traffic is admitted too. */
  stateful: boolean;
  /** The project whose default group it is, which each has one of; null for any other. */
  default_of: string | null;
  shared: boolean;
}

/** That a port is in a group. */
export interface PortSecurityGroupRow {
  readonly port_id: string;
  readonly security_group_id: string;
}
