import { attributeMap } from './attribute.ts';
import { boolean, nullable, shown, text, uuid } from './values.ts';

/** Neutron's names of agent types, binaries and topics. */
export const AGENT_TYPES = {
  l2: { agent_type: 'Linux bridge agent', binary: 'deuteron-agent', topic: 'N/A' },
  dhcp: { agent_type: 'DHCP agent', binary: 'deuteron-agent', topic: 'dhcp_agent' },
  l3: { agent_type: 'L3 agent', binary: 'deuteron-agent', topic: 'l3_agent' },
} as const;

/** What an agent process may do on its host; each role is listed as an agent of its own. */
export type Role = keyof typeof AGENT_TYPES;

/** A host that may run agents, with the SHA-256 (hex) of its credential. */
export interface HostRow {
  readonly name: string;
  credential_hash: string | null;
  /** Where the host's VXLAN endpoint is reached; '' until its agent first said so. */
  tunnel_ip: string;
  /** Where the host is reached by the management network, the second way of heartbeats; '' unknown. */
  management_ip: string;
  /** Physical networks that the host can attach, e.g. ["physnet1"]. */
  physical_networks: string[];
  created_at: string;
}

/** One key or object that an agent has not realised, as it reported it. */
export interface ReportException {
  /** The key, e.g. `network/<id>`. */
  readonly key: string;
  /** The sub-object that fails, e.g. `port/<id>`; '' for the whole key. */
  readonly object: string;
  /** waiting: for the world (the port's link is not there); failed: tried, did not work; pending: not tried yet. */
  readonly state: 'waiting' | 'failed' | 'pending';
  /** The position of the oldest change of it that is not realised. */
  readonly since: number;
  readonly reason: string;
}

/** An exception as it is kept. */
export interface KeptException extends ReportException {
  /** When it was first reported (UTC), for display. */
  readonly at?: string;
}

/** An agent as stored: one row for each (host, role). */
export interface AgentRow {
  readonly id: string;
  readonly host: string;
  readonly role: Role;
  description: string;
  admin_state_up: boolean;
  availability_zone: string;
  configurations: Record<string, unknown>;
  created_at: string;
  started_at: string;
  heartbeat_at: string;
  /** The server that holds this agent's watch, '' when none does. */
  server_id: string;
  /** The agent process's own number for this life; reports are ordered by (incarnation, counter). */
  incarnation: number;
  counter: number;
  /** How far the agent has realised, but for its exceptions; null: unknown. */
  realised_position: number | null;
  realised_tag: number | null;
  exceptions: KeptException[];
  exception_count: number;
  /** What the servers make of it: decides placement only, never delivery. */
  liveness: Liveness;
  /** How often it died lately. */
  deaths: number;
}

/** held: alive, but it died so often lately that it gets nothing new for a while. */
export type Liveness = 'alive' | 'held' | 'dead';

/** A network served by a DHCP agent, through the DHCP port made for that pair. */
export interface DhcpBindingRow {
  readonly network_id: string;
  readonly agent_id: string;
  readonly host: string;
  /** It serves on until enough others do, and then goes. */
  leaving: boolean;
  /** The transaction that made it, and its position (null until that has committed): served from there on counts. */
  readonly tag: number;
  readonly position: number | null;
}

const words = shown({ type: 'string' });

/** The attribute map of agents, which only admins see. */
export const agentMap = attributeMap<AgentRow>({
  singular: 'agent',
  plural: 'agents',
  missing: { type: 'AgentNotFound', title: 'Agent' },
  attributes: [
    { name: 'id', column: 'id', type: uuid, filter: true, sort: true, description: 'Chosen by the server.' },
    { name: 'agent_type', column: null, type: words, filter: true, description: 'What it does.' },
    { name: 'binary', column: null, type: words, filter: true, description: 'The program.' },
    { name: 'topic', column: null, type: words, filter: true, description: "Neutron's name of its kind." },
    {
      name: 'host',
      column: 'host',
      type: text(255),
      filter: true,
      sort: true,
      description: 'Where it runs.',
    },
    {
      name: 'admin_state_up',
      column: 'admin_state_up',
      type: boolean,
      put: 'admin',
      filter: true,
      sort: true,
      description:
        'Whether work is placed on it; a DHCP agent that is switched off gives what it serves to others.',
    },
    {
      name: 'alive',
      column: null,
      type: boolean,
      filter: true,
      description: 'Whether it is connected and makes progress.',
    },
    {
      name: 'availability_zone',
      column: 'availability_zone',
      type: words,
      filter: true,
      sort: true,
      description: 'Its zone.',
    },
    {
      name: 'configurations',
      column: 'configurations',
      type: shown({ type: 'object' }),
      description: 'As it said.',
    },
    { name: 'created_at', column: null, type: words, description: 'When it was first seen (UTC).' },
    { name: 'started_at', column: null, type: words, description: 'When its process began (UTC).' },
    { name: 'heartbeat_timestamp', column: null, type: words, description: 'When it was last heard (UTC).' },
    {
      name: 'description',
      column: 'description',
      type: nullable(text(255), ''),
      put: 'admin',
      filter: true,
      sort: true,
      description: 'For humans.',
    },
    {
      name: 'resources_synced',
      column: null,
      type: shown({ type: ['boolean', 'null'] }),
      description:
        'Whether it has realised everything that is committed, but for what waits for the world; null if unknown.',
    },
    {
      name: 'deuteron:realised',
      column: null,
      type: shown({ type: ['string', 'null'] }),
      description:
        'How far in the change log it has realised all but its exceptions: position:tag; null if unknown.',
    },
    {
      name: 'deuteron:exceptions',
      column: 'exception_count',
      type: shown({ type: 'integer' }),
      description: 'How many keys or objects it has reported as not realised.',
    },
    {
      name: 'deuteron:lag',
      column: null,
      type: shown({ type: ['integer', 'null'] }),
      description: 'How many positions of the change log are beyond what it has realised; null if unknown.',
    },
    {
      name: 'deuteron:pending',
      column: null,
      type: shown({ type: ['integer', 'null'] }),
      description: 'How many things it owes, but for what waits for the world; null if unknown.',
    },
    {
      name: 'deuteron:overdue',
      column: null,
      type: shown({ type: ['integer', 'null'] }),
      description: 'How many of these are past their deadline; null if unknown.',
    },
  ],
});
