/** Attributes of ports that are kept for others, who make something of them: Nova, Cyborg, monitors of the data plane. */
import type { AttributeOf } from './attribute.ts';
import { boolean, nullable, oneOf, shown, text } from './values.ts';

export interface PortExtras {
  /** none: it was made with an empty list of addresses. */
  ip_allocation: 'immediate' | 'none';
  /** What a monitor outside says; null: nothing. */
  data_plane_status: 'ACTIVE' | 'DOWN' | null;
  propagate_uplink_status: boolean;
  device_profile: string | null;
  numa_affinity_policy: 'required' | 'preferred' | 'legacy' | null;
}

/** The columns of a new port. */
export function extrasOf(
  asked: {
    readonly [K in keyof PortExtras]?: PortExtras[K] | null | undefined;
  },
): Omit<PortExtras, 'ip_allocation'> {
  return {
    data_plane_status: null,
    propagate_uplink_status: asked.propagate_uplink_status ?? true,
    device_profile: asked.device_profile ?? null,
    numa_affinity_policy: asked.numa_affinity_policy ?? null,
  };
}

export const portExtras: readonly AttributeOf<PortExtras>[] = [
  {
    name: 'ip_allocation',
    column: 'ip_allocation',
    type: shown({ type: 'string', enum: ['immediate', 'none'] }),
    filter: true,
    sort: true,
    description: 'none where it was made with no addresses (`fixed_ips` []).',
  },
  {
    name: 'data_plane_status',
    column: 'data_plane_status',
    type: nullable(oneOf(['ACTIVE', 'DOWN'])),
    put: 'admin',
    description: 'What a monitor of the data plane says; null where none says anything.',
  },
  {
    name: 'propagate_uplink_status',
    column: 'propagate_uplink_status',
    type: boolean,
    post: 'owner',
    default: true,
    description: 'Whether a virtual function goes up and down with its uplink (SR-IOV); kept only.',
  },
  {
    name: 'device_profile',
    column: 'device_profile',
    type: nullable(text(255)),
    post: 'owner',
    default: null,
    description: 'The device profile of Cyborg that the machine is to have with it; kept for Nova.',
  },
  {
    name: 'numa_affinity_policy',
    column: 'numa_affinity_policy',
    type: nullable(oneOf(['required', 'preferred', 'legacy'])),
    post: 'owner',
    put: 'owner',
    default: null,
    description: 'How near the machine is to be to its device; kept for Nova.',
  },
];
