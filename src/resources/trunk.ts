/** Trunks: one port of a machine that carries several networks, each under a VLAN tag of its own (Neutron's extension trunk). */
import { attributeMap } from './attribute.ts';
import type { PortRow } from './port.ts';
import type { StandardAttributes } from './standard.ts';
import { NAME, standardHead, standardTail } from './standard-attributes.ts';
import {
  boolean,
  display,
  integer,
  isPlainObject,
  type Reading,
  shown,
  uuid,
  type ValueType,
} from './values.ts';

/** The `device_owner` of a subport; its `device_id` is the trunk. */
export const SUBPORT_OWNER = 'trunk:subport';

export interface TrunkRow extends StandardAttributes {
  name: string;
  admin_state_up: boolean;
  /** The parent: the machine's port, whose own traffic has no tag. */
  readonly port_id: string;
}

/** A port whose traffic goes through the parent of a trunk, with this tag. */
export interface SubportRow {
  readonly port_id: string;
  readonly trunk_id: string;
  readonly segmentation_type: 'vlan';
  readonly segmentation_id: number;
}

/** With its subports, as they are shown. */
export interface TrunkView extends TrunkRow {
  readonly sub_ports: readonly Omit<SubportRow, 'trunk_id'>[];
}

/** As asked for; `inherit` takes the tag of the network that the port is in. */
export type AskedSubport =
  | { readonly port_id: string; readonly segmentation_type: 'vlan'; readonly segmentation_id: number }
  | { readonly port_id: string; readonly segmentation_type: 'inherit' };

export type TrunkStatus = 'ACTIVE' | 'BUILD' | 'DOWN' | 'DEGRADED' | 'ERROR';

/** The status, why it is not ACTIVE, and what the host's agent said of that, which is for admins. */
export interface TrunkState {
  readonly status: TrunkStatus;
  readonly reason: string;
  readonly said: string;
}

type Wired = Pick<PortRow, 'id' | 'host' | 'vif_type' | 'status'>;

/**
 * What becomes of a trunk. `failed`: what the agent of the parent's host says that it cannot do for ports, by their ids.
 * Neutron's agents write the status when they are done; here it follows from the ports at any moment.
 */
export function trunkState(
  parent: Wired,
  subports: readonly Wired[],
  failed: ReadonlyMap<string, string>,
): TrunkState {
  if (parent.host === '') return { status: 'DOWN', reason: 'the parent port is on no host', said: '' };
  const all = [parent, ...subports];
  const unbound = all.find((port) => port.vif_type === 'binding_failed');
  if (unbound) return { status: 'ERROR', reason: `the host cannot take port ${unbound.id}`, said: '' };
  const broken = subports.find((port) => failed.has(port.id));
  if (broken) {
    const reason = `the host cannot carry subport ${broken.id}`;
    return { status: 'ERROR', reason, said: failed.get(broken.id) ?? '' };
  }
  const waiting = all.filter((port) => port.status !== 'ACTIVE');
  const [first] = waiting;
  if (!first) return { status: 'ACTIVE', reason: '', said: '' };
  const some = parent.status === 'ACTIVE' && waiting.length < subports.length;
  return { status: some ? 'DEGRADED' : 'BUILD', reason: `port ${first.id} is ${first.status}`, said: '' };
}

const MAX_SUBPORTS = 4094;
const tag = integer(1, 4094);

const SCHEMA = (required: readonly string[]) => ({
  type: 'array',
  maxItems: MAX_SUBPORTS,
  items: {
    type: 'object',
    properties: {
      port_id: uuid.schema,
      segmentation_type: { type: 'string', enum: ['vlan', 'inherit'] },
      segmentation_id: tag.schema,
    },
    required,
  },
});

function portIdOf(subport: unknown): Reading {
  if (!isPlainObject(subport))
    return { reason: `Invalid data format for subport: '${display(subport)}' is not a dict` };
  if (!('port_id' in subport)) return { reason: 'A valid port UUID must be specified' };
  const reading = uuid.read(subport['port_id']);
  return 'value' in reading
    ? reading
    : { reason: `Invalid UUID for subport: '${display(subport['port_id'])}'` };
}

/** Reads each item with `one`, which is given the canonical id of its port. */
function subportList(
  required: readonly string[],
  one: (subport: Record<string, unknown>, portId: string) => Reading,
): ValueType {
  return {
    schema: SCHEMA(required),
    read(value) {
      if (!Array.isArray(value))
        return { reason: `Invalid data format for subports: '${display(value)}' is not a list` };
      if (value.length > MAX_SUBPORTS)
        return { reason: `'${value.length}' subports are more than there are tags` };
      const ids = new Set<unknown>();
      const items: unknown[] = [];
      for (const subport of value) {
        const id = portIdOf(subport);
        if ('reason' in id) return id;
        if (ids.has(id.value)) return { reason: `Non unique UUID for subport: '${display(id.value)}'` };
        ids.add(id.value);
        const reading = one(subport as Record<string, unknown>, id.value as string);
        if ('reason' in reading) return reading;
        items.push(reading.value);
      }
      return { value: items };
    },
    filter: () => undefined,
  };
}

function readWanted(subport: Record<string, unknown>, port_id: string): Reading {
  const { segmentation_type, segmentation_id = null } = subport;
  if (segmentation_type === 'inherit') return { value: { port_id, segmentation_type } };
  if (!segmentation_type || segmentation_id === null) {
    const missing =
      'missing segmentation information. Must specify both segmentation_id and segmentation_type';
    return { reason: `Invalid subport details '${display(subport)}': ${missing}` };
  }
  if (segmentation_type !== 'vlan')
    return { reason: `Unknown segmentation_type '${display(segmentation_type)}'` };
  const reading = tag.read(segmentation_id);
  if ('reason' in reading && !reading.conversion)
    return { reason: `Segmentation ID '${display(segmentation_id)}' is not in range` };
  if ('reason' in reading)
    return {
      reason: `Invalid subport details: segmentation_id '${display(segmentation_id)}' is not an integer`,
    };
  return { value: { port_id, segmentation_type, segmentation_id: reading.value } };
}

const anyWanted = subportList(['port_id', 'segmentation_type'], readWanted);

/** Ports that a trunk is to have. Two of one tag are refused here; with those that it has, and inherited ones, later. */
export const wantedSubports: ValueType = {
  ...anyWanted,
  read(value) {
    const reading = anyWanted.read(value);
    if ('reason' in reading) return reading;
    const tags = new Set<number>();
    for (const subport of reading.value as AskedSubport[]) {
      if (subport.segmentation_type === 'inherit') continue;
      const { segmentation_id, port_id } = subport;
      if (tags.has(segmentation_id))
        return { reason: `Segmentation ID '${segmentation_id}' for '${port_id}' is not unique` };
      tags.add(segmentation_id);
    }
    return reading;
  },
};

/** The ids of ports that a trunk is no longer to have; what else is said of them does not matter. */
export const namedSubports: ValueType = subportList(['port_id'], (_, portId) => ({ value: portId }));

export const trunkMap = attributeMap<TrunkView>({
  singular: 'trunk',
  plural: 'trunks',
  missing: { type: 'TrunkNotFound', title: 'Trunk' },
  attributes: [
    ...standardHead,
    NAME,
    {
      name: 'admin_state_up',
      column: 'admin_state_up',
      type: boolean,
      post: 'owner',
      put: 'owner',
      default: true,
      filter: true,
      sort: true,
      description: 'While false its subports stay as they are, and it is not deleted.',
    },
    {
      name: 'port_id',
      column: 'port_id',
      type: uuid,
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: "The parent: the machine's port, whose own traffic has no tag.",
    },
    {
      name: 'status',
      column: null,
      type: shown({ type: 'string', enum: ['ACTIVE', 'BUILD', 'DOWN', 'DEGRADED', 'ERROR'] }),
      filter: true,
      description:
        'DOWN while its parent is on no host; ACTIVE once the parent and all subports are; DEGRADED if only some are; ERROR if its host cannot carry subports.',
    },
    {
      name: 'deuteron:reason',
      column: null,
      type: shown({ type: 'string' }),
      description: 'Why its status is not ACTIVE.',
    },
    {
      name: 'sub_ports',
      column: 'sub_ports',
      type: wantedSubports,
      post: 'owner',
      default: [],
      showAs: {
        schema: SCHEMA(['port_id', 'segmentation_type', 'segmentation_id']),
        of: (subports) => subports,
      },
      description: 'The ports that it carries, with their tags.',
    },
    ...standardTail,
  ],
});
