/**
 * R25: a network with DHCP and ports that no living agent serves is an alert, and its end is told as well. Level-triggered: the events
 * about the network say whether its alert is open, whoever wrote them, so that each beginning and end is told once.
 */
import type { EventRow } from '../resources/event.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { DHCP_OWNER } from './dhcp-ports.ts';
import { eventRow } from './event.ts';
import type { Call } from './operation.ts';

/** Named so in the data of its events. */
export const UNSERVED = 'network-unserved';

const objectOf = (networkId: string) => `network/${networkId}`;
const isAboutThis = (event: EventRow) => event.data['alert'] === UNSERVED;

/** Of these events the alerts that none of them ends, by object. An end names its alert: servers' clocks do not matter. */
function openAmong(events: readonly EventRow[]): Map<string, string> {
  const own = events.filter(isAboutThis);
  const ended = new Set(own.map((event) => event.data['ends']));
  const open = own.filter((event) => event.kind === 'alert' && !ended.has(event.id));
  return new Map(open.map((event) => [event.object, event.id]));
}

/** The networks whose alert is open. */
export async function openUnserved(tables: Tables): Promise<string[]> {
  const events = await tables.events.find({ kind: ['alert', 'alert-ended'] });
  return [...openAmong(events).keys()].map((object) => object.slice(objectOf('').length));
}

/** Which of these networks have ports that want to be served. */
async function withPorts(tables: Tables, networkIds: readonly string[]): Promise<Set<string>> {
  const ports = networkIds.length > 0 ? await tables.ports.find({ network_id: networkIds }) : [];
  return new Set(ports.filter((port) => port.device_owner !== DHCP_OWNER).map((port) => port.network_id));
}

/**
 * Tells that nobody serves those of the networks `unserved` that have ports and were not told of, and the end of that for `ended`.
 * `open` says for which of them the alert is open now.
 */
export async function tellUnserved(
  tx: Transaction,
  call: Call,
  { unserved, ended }: { readonly unserved: readonly string[]; readonly ended: readonly string[] },
): Promise<{ open: string[]; events: EventRow[] }> {
  const ids = [...unserved, ...ended];
  // Whoever tells of the same network waits here, and sees then that it was told.
  const known = new Set((await tx.networks.lock({ id: ids })).map((network) => network.id));
  const told = openAmong(await tx.events.find({ object: ids.map(objectOf) }));
  const fresh = unserved.filter((id) => known.has(id) && !told.has(objectOf(id)));
  const used = await withPorts(tx, fresh);
  const began = [...used].map((id) =>
    eventRow(call, {
      ...{ kind: 'alert', severity: 'error', role: 'dhcp', object: objectOf(id) },
      message: `No living agent serves DHCP of network ${id}, and there is none to give it to.`,
      data: { alert: UNSERVED },
    }),
  );
  const over = ended.flatMap((id) => {
    const ends = told.get(objectOf(id));
    if (ends === undefined) return [];
    const message = known.has(id)
      ? `DHCP of network ${id} has a living agent again, or is no longer asked for.`
      : `Network ${id}, which no agent served, is gone.`;
    return eventRow(call, {
      ...{ kind: 'alert-ended', severity: 'info', role: 'dhcp', object: objectOf(id), message },
      data: { alert: UNSERVED, ends },
    });
  });
  const events = [...began, ...over];
  await tx.events.insert(events);
  return { open: unserved.filter((id) => used.has(id) || told.has(objectOf(id))), events };
}
