import { cidr } from './address-values.ts';
import { attributeMap } from './attribute.ts';
import { NAME, NETWORK_ID, PROJECT, TENANT } from './standard-attributes.ts';
import { uuid } from './values.ts';

/** A subnet that floating IPs can be taken from, as it is read; nothing of it is stored. */
export interface FloatingIpPool {
  /** The subnet's. */
  readonly id: string;
  readonly name: string;
  /** The project that asks, not that of the subnet: as in Neutron. */
  readonly project_id: string;
  readonly network_id: string;
  readonly cidr: string;
}

/** The attribute map of floating IP pools (Neutron's extension `floatingip-pools`). */
export const floatingIpPoolMap = attributeMap<FloatingIpPool>({
  singular: 'floatingip_pool',
  plural: 'floatingip_pools',
  missing: { type: 'SubnetNotFound', title: 'Subnet' },
  attributes: [
    {
      name: 'subnet_id',
      column: 'id',
      type: uuid,
      filter: true,
      sort: true,
      description: 'The subnet; give it to a floating IP as `subnet_id`.',
    },
    {
      name: 'subnet_name',
      column: 'name',
      type: NAME.type,
      filter: true,
      sort: true,
      description: 'Its name.',
    },
    PROJECT,
    TENANT,
    {
      name: 'network_id',
      column: 'network_id',
      type: NETWORK_ID.type,
      filter: true,
      sort: true,
      description: 'The external network; give it to a floating IP as `floating_network_id`.',
    },
    { name: 'cidr', column: 'cidr', type: cidr, filter: true, sort: true, description: 'Its addresses.' },
  ],
});
