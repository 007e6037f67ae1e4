import { attributeMap } from './attribute.ts';
import { NAME, PROJECT, TENANT } from './standard-attributes.ts';
import { oneOfNumbers, shown, uuid } from './values.ts';

/** How many addresses of a subnet there are for ports, and how many of them ports have. */
export interface SubnetIpAvailability {
  readonly subnet_id: string;
  readonly subnet_name: string;
  readonly cidr: string;
  readonly ip_version: 4 | 6;
  readonly total_ips: bigint;
  readonly used_ips: number;
}

/** The same of a network, as it is read; nothing of it is stored. */
export interface IpAvailability {
  /** The network's. */
  readonly id: string;
  readonly name: string;
  readonly project_id: string;
  readonly total_ips: bigint;
  readonly used_ips: number;
  readonly subnet_ip_availability: readonly SubnetIpAvailability[];
}

const COUNT = shown({ type: 'integer', minimum: 0 });

/** The attribute map of networks' IP availability. `ip_version` is only asked for: by it subnets are counted. */
export const ipAvailabilityMap = attributeMap<IpAvailability & { readonly ip_version?: 4 | 6 }>({
  singular: 'network_ip_availability',
  plural: 'network_ip_availabilities',
  missing: { type: 'NetworkNotFound', title: 'Network' },
  attributes: [
    {
      name: 'network_id',
      column: 'id',
      type: uuid,
      filter: true,
      sort: true,
      description: 'The network.',
    },
    {
      name: 'network_name',
      column: 'name',
      type: NAME.type,
      filter: true,
      description: 'Its name.',
    },
    PROJECT,
    TENANT,
    {
      name: 'ip_version',
      column: 'ip_version',
      type: oneOfNumbers([4, 6]),
      see: 'nobody',
      filter: true,
      description: 'Only networks with subnets of this version, and only those subnets.',
    },
    {
      name: 'total_ips',
      column: 'total_ips',
      type: COUNT,
      description:
        "Addresses in the allocation pools of its subnets; of a subnet without pools, all of its CIDR's.",
    },
    {
      name: 'used_ips',
      column: 'used_ips',
      type: COUNT,
      description: 'Addresses that ports have, in pools or not.',
    },
    {
      name: 'subnet_ip_availability',
      column: 'subnet_ip_availability',
      type: shown({ type: 'array', items: { type: 'object' } }),
      description: 'The same of each subnet.',
    },
  ],
});
