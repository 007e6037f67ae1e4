/** What happened and what was done about it, for operators: each an entry of its own that nothing overwrites. */
export type EventKind =
  /** An agent is taken for dead, or came back. */
  | 'agent-died'
  | 'agent-returned'
  /** A step of the ladder was taken. */
  | 'remedy'
  /** A network's DHCP is given to another agent, or the move is complete. */
  | 'move-begun'
  | 'move-done'
  /** A replica of an HA router changed its role, or was told to. */
  | 'router-role'
  | 'router-order'
  /** A host is emptied, or takes part again. */
  | 'host-drain'
  /** A step of switching a host off by its fence device. */
  | 'fencing'
  /** Something that an operator should know, and its end. */
  | 'alert'
  | 'alert-ended';

/** A row of the events, kept for a while. */
export interface EventRow {
  readonly id: string;
  /** When (UTC), for display. */
  readonly at: string;
  readonly kind: EventKind;
  readonly severity: 'info' | 'warning' | 'error';
  /** The host and role that it is about; '' where it is about none. */
  readonly host: string;
  readonly role: string;
  /** What it is about, e.g. `network/<id>`; '' where nothing in particular. */
  readonly object: string;
  /** One sentence for humans. */
  readonly message: string;
  /** What a program may want to know, e.g. `{ "step": 2, "alert": "network-unserved" }`. */
  readonly data: Readonly<Record<string, unknown>>;
}
