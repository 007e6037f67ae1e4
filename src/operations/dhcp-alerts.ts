/**
 * R25: a network with DHCP and ports that no living agent serves is an alert, and its end is told as well; so is one that stays with an
 * agent that is to give it away. Level-triggered: the events about the network say whether its alert is open, whoever wrote
 * them, so that each beginning and end is told once.
 */
import type { EventRow } from '../resources/event.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { DHCP_OWNER } from './dhcp-ports.ts';
import { eventRow } from './event.ts';
import type { Call } from './operation.ts';

/** Named so in the data of their events. */
export type NetworkAlert = 'network-unserved' | 'network-stays';

/** Why a network stays with the agent that is to give it away. */
export interface Stay {
  readonly networkId: string;
  readonly host: string;
  readonly reason: 'no address left' | 'no other agent fits';
}

const objectOf = (networkId: string) => `network/${networkId}`;
/** Of these events the alerts that none of them ends, by object. An end names its alert: servers' clocks do not matter. */
function openAmong(events: readonly EventRow[], alert: NetworkAlert): Map<string, string> {
  const own = events.filter((event) => event.data['alert'] === alert);
  const ended = new Set(own.map((event) => event.data['ends']));
  const open = own.filter((event) => event.kind === 'alert' && !ended.has(event.id));
  return new Map(open.map((event) => [event.object, event.id]));
}

/** The networks whose alert of this kind is open. */
export async function openAlerts(tables: Tables, alert: NetworkAlert): Promise<string[]> {
  const events = await tables.events.find({ kind: ['alert', 'alert-ended'] });
  return [...openAmong(events, alert).keys()].map((object) => object.slice(objectOf('').length));
}

/** Which of these networks have ports that want to be served. */
async function withPorts(tables: Tables, networkIds: readonly string[]): Promise<Set<string>> {
  const ports = networkIds.length > 0 ? await tables.ports.find({ network_id: networkIds }) : [];
  return new Set(ports.filter((port) => port.device_owner !== DHCP_OWNER).map((port) => port.network_id));
}

/** Of these networks, those whose alert of this kind is open, and the event that began it; the networks that are there are locked. */
async function standingAlerts(tx: Transaction, ids: readonly string[], alert: NetworkAlert) {
  // Whoever tells of the same network waits here, and sees then that it was told.
  const known = new Set((await tx.networks.lock({ id: ids })).map((network) => network.id));
  const told = openAmong(await tx.events.find({ object: ids.map(objectOf) }), alert);
  return { known, told };
}

interface Over {
  readonly alert: NetworkAlert;
  readonly message: string;
  readonly ends: string;
}

const overRow = (call: Call, id: string, { alert, message, ends }: Over): EventRow =>
  eventRow(call, {
    ...{ kind: 'alert-ended', severity: 'info', role: 'dhcp', object: objectOf(id), message },
    data: { alert, ends },
  });

/**
 * Tells that nobody serves those of the networks `unserved` that have ports and were not told of, and the end of that for `ended`.
 * `open` says for which of them the alert is open now.
 */
export async function tellUnserved(
  tx: Transaction,
  call: Call,
  { unserved, ended }: { readonly unserved: readonly string[]; readonly ended: readonly string[] },
): Promise<{ open: string[]; events: EventRow[] }> {
  const alert = 'network-unserved';
  const { known, told } = await standingAlerts(tx, [...unserved, ...ended], alert);
  const fresh = unserved.filter((id) => known.has(id) && !told.has(objectOf(id)));
  const used = await withPorts(tx, fresh);
  const began = [...used].map((id) =>
    eventRow(call, {
      ...{ kind: 'alert', severity: 'error', role: 'dhcp', object: objectOf(id) },
      message: `No living agent serves DHCP of network ${id}, and there is none to give it to.`,
      data: { alert },
    }),
  );
  const over = ended.flatMap((id) => {
    const ends = told.get(objectOf(id));
    if (ends === undefined) return [];
    const message = known.has(id)
      ? `DHCP of network ${id} has a living agent again, or is no longer asked for.`
      : `Network ${id}, which no agent served, is gone.`;
    return overRow(call, id, { alert, message, ends });
  });
  const events = [...began, ...over];
  await tx.events.insert(events);
  return { open: unserved.filter((id) => used.has(id) || told.has(objectOf(id))), events };
}

const WHY_STAYS: Readonly<Record<Stay['reason'], string>> = {
  'no address left': 'no address is left for the port of another agent',
  'no other agent fits': 'no other agent fits',
};

/** The same for networks that stay with an agent which is switched off. */
export async function tellStaying(
  tx: Transaction,
  call: Call,
  { staying, ended }: { readonly staying: readonly Stay[]; readonly ended: readonly string[] },
): Promise<{ open: string[]; events: EventRow[] }> {
  const alert = 'network-stays';
  const ids = [...staying.map((stay) => stay.networkId), ...ended];
  const { known, told } = await standingAlerts(tx, ids, alert);
  const there = staying.filter((stay) => known.has(stay.networkId));
  const fresh = there.filter((stay) => !told.has(objectOf(stay.networkId)));
  const began = fresh.map(({ networkId, host, reason }) =>
    eventRow(call, {
      ...{ kind: 'alert', severity: 'warning', role: 'dhcp', host, object: objectOf(networkId) },
      message: `DHCP of network ${networkId} stays on ${host}, which is switched off: ${WHY_STAYS[reason]}.`,
      data: { alert, reason },
    }),
  );
  const over = ended.flatMap((id) => {
    const ends = told.get(objectOf(id));
    const message = `DHCP of network ${id} no longer stays with an agent that is to give it away.`;
    return ends === undefined ? [] : overRow(call, id, { alert, message, ends });
  });
  const events = [...began, ...over];
  await tx.events.insert(events);
  return { open: there.map((stay) => stay.networkId), events };
}
