/** Ranges of segment ids out of which networks get theirs, beside the configured one (Neutron's extension network-segment-range). */
import { type AttributeOf, attributeMap } from './attribute.ts';
import type { NetworkType } from './network.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, standardHead, standardTail } from './standard-attributes.ts';
import { boolean, constant, integer, nullable, oneOf, shown, text } from './values.ts';

export interface NetworkSegmentRangeRow extends StandardAttributes {
  name: string;
  /** Any project may use it; then it is of none ('' as its project). Otherwise only its own project does. */
  readonly shared: boolean;
  readonly network_type: Exclude<NetworkType, 'flat'>;
  /** Of VLANs; null for VXLAN. */
  readonly physical_network: string | null;
  minimum: number;
  maximum: number;
}

const bound = (
  name: 'minimum' | 'maximum',
  description: string,
): AttributeOf<Pick<NetworkSegmentRangeRow, 'minimum' | 'maximum'>> => ({
  name,
  column: name,
  type: integer(1, 2 ** 24 - 1),
  post: 'owner',
  put: 'owner',
  required: true,
  description,
});

export const networkSegmentRangeMap = attributeMap<NetworkSegmentRangeRow>({
  singular: 'network_segment_range',
  plural: 'network_segment_ranges',
  missing: { type: 'NetworkSegmentRangeNotFound', title: 'Network Segment Range' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'default',
      column: null,
      type: constant(false, 'the default ranges are configured'),
      description: 'Always false: the default ranges are configured, and not listed.',
    },
    {
      name: 'shared',
      column: 'shared',
      type: boolean,
      post: 'owner',
      default: true,
      description: 'Whether every project gets segments out of it, or only its own.',
    },
    {
      name: 'network_type',
      column: 'network_type',
      type: oneOf(['vxlan', 'vlan']),
      post: 'owner',
      required: true,
      filter: true,
      description: 'The type of the networks.',
    },
    {
      name: 'physical_network',
      column: 'physical_network',
      type: nullable(text(64)),
      post: 'owner',
      default: null,
      filter: true,
      description: 'The physical network of VLANs.',
    },
    bound('minimum', 'The first id.'),
    bound('maximum', 'The last id.'),
    {
      name: 'used',
      column: null,
      type: shown({ type: 'object', additionalProperties: { type: 'string' } }),
      description: 'The projects of the networks that have one of them, by id.',
    },
    {
      name: 'available',
      column: null,
      type: shown({ type: 'array', items: { type: 'integer' } }),
      description: 'Those that no network has, the first 4,096 at most.',
    },
    ...standardTail.filter(({ name }) => name !== 'tags'),
  ],
});
