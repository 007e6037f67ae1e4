/** The attribute map of events, which only admins see and nobody sets. */
import { attributeMap } from './attribute.ts';
import type { EventKind, EventRow } from './event.ts';
import { oneOf, shown, text, uuid } from './values.ts';

/** All of them: one more asks for its place here. */
const KINDS: Readonly<Record<EventKind, true>> = {
  'agent-died': true,
  'agent-returned': true,
  remedy: true,
  'move-begun': true,
  'move-done': true,
  'router-role': true,
  'router-order': true,
  'host-drain': true,
  fencing: true,
  alert: true,
  'alert-ended': true,
};

export const eventMap = attributeMap<EventRow>({
  singular: 'event',
  plural: 'events',
  missing: { type: 'EventNotFound', title: 'Event' },
  attributes: [
    { name: 'id', column: 'id', type: uuid, filter: true, description: 'Chosen by the server.' },
    { name: 'at', column: 'at', type: shown({ type: 'string' }), description: 'When (UTC).' },
    {
      name: 'kind',
      column: 'kind',
      type: oneOf(Object.keys(KINDS)),
      filter: true,
      description: 'What happened.',
    },
    {
      name: 'severity',
      column: 'severity',
      type: oneOf(['info', 'warning', 'error']),
      filter: true,
      description: 'Whether somebody should look.',
    },
    {
      name: 'host',
      column: 'host',
      type: text(255),
      filter: true,
      description: 'Where; empty where it is about no host.',
    },
    { name: 'role', column: 'role', type: text(255), filter: true, description: 'Of which agent; or empty.' },
    {
      name: 'object',
      column: 'object',
      type: text(255),
      filter: true,
      description: 'What it is about, e.g. `network/<id>`; or empty.',
    },
    { name: 'message', column: 'message', type: shown({ type: 'string' }), description: 'A sentence.' },
    { name: 'data', column: 'data', type: shown({ type: 'object' }), description: 'The same for programs.' },
  ],
});
