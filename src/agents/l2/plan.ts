/** The difference between what a network should have on this host and what it has, as ordered steps. Pure. */
import type { Bridging, FloodStep, Link, LinkStep } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import { type DesiredNetwork, type DesiredTap, isOurBridge, isTap } from './desired.ts';
import { type DesiredUplink, isVlanUplink, isVxlan } from './uplinks.ts';

/** As a link that joins a bridge is treated unless told otherwise. */
const ORDINARY: Bridging = { isolated: false, learning: true, flood: true };
/**
 * One of several ways at once: no loop through this bridge, and nothing that was heard by one way makes what is sent avoid the
 * others (with learning, unicast adverts followed one way, and a cut of it made three routers active).
 */
const ONE_OF_SEVERAL: Bridging = { isolated: true, learning: false, flood: true };

/** What was read of the host. */
export interface Observed {
  link(name: string): Link | undefined;
  membersOf(bridge: string): Link[];
  floodOf(link: string): ReadonlySet<string>;
}

/** A step, and the object (`port/<id>`, or '' for the network) that falls short if it fails. */
export interface Planned<Step> {
  readonly step: Step;
  readonly object: string;
}

export interface Plan {
  readonly links: readonly Planned<LinkStep>[];
  readonly flood: readonly Planned<FloodStep>[];
  /** What no step can mend. */
  readonly shortfalls: readonly Shortfall[];
}

interface Draft {
  readonly links: Planned<LinkStep>[];
  readonly flood: Planned<FloodStep>[];
  readonly shortfalls: Shortfall[];
}

export function planNetwork(desired: DesiredNetwork, observed: Observed): Plan {
  const draft: Draft = { links: [], flood: [], shortfalls: [...desired.shortfalls] };
  const bridge = observed.link(desired.bridge);
  if (bridge !== undefined && bridge.kind !== 'bridge') {
    const reason = `${desired.bridge} is there but is not a bridge`;
    return { ...draft, shortfalls: [...draft.shortfalls, { object: '', state: 'waiting', reason }] };
  }
  if (bridge === undefined) {
    const { bridge: name, mtu, mac } = desired;
    draft.links.push({ object: '', step: { op: 'add-bridge', name, mtu, mac } });
  }
  // Of a bridge that is made now everything but its name and MTU is as the kernel makes it.
  const { mtu, mac, filtered } = desired;
  const base = bridge ?? { name: desired.bridge, up: false, mtu, mac, master: null };
  change(draft, '', base, { mtu, mac, filtered, up: desired.up });
  planUplinks(desired, observed, draft);
  for (const tap of desired.taps) planTap(tap, desired, observed, draft);
  return draft;
}

/**
 * A network that has left this host: its VXLANs and its bridge go, its members' links are let go with it; and so do tunnels
 * that no network has: what a failure or the agent's end left of an earlier removal, or of a beginning.
 */
export function planRemoval(bridge: string, observed: Observed, orphans: readonly string[]): Plan {
  const links: Planned<LinkStep>[] = orphans.map((name) => ({
    object: '',
    step: { op: 'delete-link', name },
  }));
  for (const member of observed.membersOf(bridge)) {
    if (!isOwn(member) || orphans.includes(member.name)) continue;
    links.push({ object: '', step: { op: 'delete-link', name: member.name } });
  }
  if (isOurBridge(bridge) && observed.link(bridge)?.kind === 'bridge') {
    links.push({ object: '', step: { op: 'delete-link', name: bridge } });
  }
  return { links, flood: [], shortfalls: [] };
}

interface Attributes {
  readonly up?: boolean;
  readonly master?: string | null;
  readonly mtu?: number;
  readonly mac?: string;
  readonly bridging?: Bridging;
  readonly filtered?: boolean;
}

type Current = Pick<Link, 'name' | 'up' | 'master' | 'mtu' | 'mac' | 'bridging' | 'filtered'>;

/** One step for whatever differs, none if nothing does. */
function change(draft: Draft, object: string, link: Current, wanted: Attributes): void {
  const differs = (attribute: Exclude<keyof Attributes, 'bridging' | 'filtered'>) =>
    wanted[attribute] !== undefined && wanted[attribute] !== link[attribute];
  const { bridging, filtered } = wanted;
  const treated = differs('master') ? ORDINARY : (link.bridging ?? ORDINARY);
  const step: LinkStep = {
    op: 'set-link',
    name: link.name,
    ...(differs('mtu') ? { mtu: wanted.mtu! } : {}),
    ...(differs('mac') ? { mac: wanted.mac! } : {}),
    ...(differs('master') ? { master: wanted.master! } : {}),
    ...(bridging !== undefined && !isSame(bridging, treated) ? { bridging } : {}),
    ...(filtered !== undefined && filtered !== (link.filtered ?? false) ? { filtered } : {}),
    ...(differs('up') ? { up: wanted.up! } : {}),
    // A link that joins a bridge is a wire: the host must not be reachable over it.
    ...(differs('master') && wanted.master !== null ? { ipv6: false as const } : {}),
  };
  if (Object.keys(step).length > 2) draft.links.push({ object, step });
}

function isSame(a: Bridging, b: Bridging): boolean {
  return a.isolated === b.isolated && a.learning === b.learning && a.flood === b.flood;
}

function planTap(tap: DesiredTap, desired: DesiredNetwork, observed: Observed, draft: Draft): void {
  const { object, link: name, vlan } = tap;
  const link = vlan ? planVlan({ object, name, ...vlan }, { desired, observed, draft }) : observed.link(name);
  if (link === null) return;
  if (link === undefined) {
    draft.shortfalls.push({ object: tap.object, state: 'waiting', reason: `link ${tap.link} is not there` });
    return;
  }
  if (tap.closed === undefined) {
    change(draft, tap.object, link, { mtu: desired.mtu, master: desired.bridge, up: tap.up });
    return;
  }
  draft.shortfalls.push({ object: tap.object, state: 'failed', reason: tap.closed.reason });
  if (tap.closed.leaves && link.master === desired.bridge) change(draft, tap.object, link, { master: null });
}

interface DesiredVlan {
  readonly object: string;
  readonly name: string;
  readonly on: string;
  readonly id: number;
}

/** The VLAN as it will be; null: it cannot be made now. */
function planVlan(
  { object, name, on, id }: DesiredVlan,
  { desired, observed, draft }: { desired: DesiredNetwork; observed: Observed; draft: Draft },
): Current | null {
  const found = observed.link(name);
  if (found?.vlan?.id === id && found.vlan.on === on) return found;
  const foreign = found && found.kind !== 'vlan' ? `${name} is there but is no VLAN` : undefined;
  const reason = foreign ?? (observed.link(on) ? undefined : `link ${on} is not there`);
  if (found && foreign === undefined) draft.links.push({ object, step: { op: 'delete-link', name } });
  if (reason !== undefined) {
    draft.shortfalls.push({ object, state: 'waiting', reason });
    return null;
  }
  const { mtu } = desired;
  draft.links.push({ object, step: { op: 'add-vlan', name, on, id, mtu } });
  return { name, up: false, mtu, mac: '', master: null };
}

/** Whether an agent like this one made it: its tunnels, its VLANs for networks and for subports. */
const isOwn = (link: Link): boolean =>
  isVxlan(link.name) || isVlanUplink(link) || (isTap(link.name) && link.kind === 'vlan');

/** Before anything joins: what must not be in the bridge leaves it. */
function planUplinks(desired: DesiredNetwork, observed: Observed, draft: Draft): void {
  const { uplinks, bridge } = desired;
  const wanted = new Set([...uplinks, ...desired.taps].map((one) => one.link));
  for (const member of observed.membersOf(bridge)) {
    if (wanted.has(member.name)) continue;
    // The bridge is ours: two networks, or two physical segments, must not meet in it.
    if (isOwn(member)) draft.links.push({ object: '', step: { op: 'delete-link', name: member.name } });
    else change(draft, '', member, { master: null });
  }
  for (const uplink of uplinks) {
    if (uplink.kind === 'vxlan') planVxlan(uplink, desired, observed, draft);
    else if (uplink.kind === 'vlan') planVlanUplink(uplink, desired, observed, draft);
    else planPhysical(uplink.link, desired, observed, draft);
  }
}

function planVxlan(
  uplink: DesiredUplink & { kind: 'vxlan' },
  desired: DesiredNetwork,
  observed: Observed,
  draft: Draft,
): void {
  const { link: name, id, local, port, learning } = uplink;
  const { bridge: master, mtu } = desired;
  const found = observed.link(name);
  const is = found?.vxlan;
  const same = is?.id === id && is.local === local && is.port === port && is.learning === learning;
  if (found !== undefined && !same) draft.links.push({ object: '', step: { op: 'delete-link', name } });
  if (!same)
    draft.links.push({ object: '', step: { op: 'add-vxlan', name, id, local, port, mtu, learning } });
  const base = same && found ? found : { name, up: false, mtu, mac: '', master: null };
  const bridging = learning ? ORDINARY : ONE_OF_SEVERAL;
  change(draft, '', base, { mtu, master, bridging, up: true });
  const present = same ? observed.floodOf(name) : new Set<string>();
  for (const destination of uplink.flood) {
    if (!present.has(destination))
      draft.flood.push({ object: '', step: { op: 'add', link: name, destination } });
  }
  for (const destination of present) {
    if (!uplink.flood.includes(destination)) {
      draft.flood.push({ object: '', step: { op: 'delete', link: name, destination } });
    }
  }
}

function planVlanUplink(
  { link: name, on, id }: DesiredUplink & { kind: 'vlan' },
  desired: DesiredNetwork,
  observed: Observed,
  draft: Draft,
): void {
  const below = observed.link(on);
  if (below && !below.up) change(draft, '', below, { up: true });
  const link = planVlan({ object: '', name, on, id }, { desired, observed, draft });
  if (link) change(draft, '', link, { mtu: desired.mtu, master: desired.bridge, up: true });
}

function planPhysical(name: string, desired: DesiredNetwork, observed: Observed, draft: Draft): void {
  const link = observed.link(name);
  const cannot = (reason: string) => draft.shortfalls.push({ object: '', state: 'waiting', reason });
  if (link === undefined) cannot(`link ${name} is not there`);
  else if (link.master !== null && !isOurBridge(link.master)) cannot(`${name} is a member of ${link.master}`);
  else change(draft, '', link, { master: desired.bridge, up: true });
}
