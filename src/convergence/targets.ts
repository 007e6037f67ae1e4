/**
 * From the hint of a change to what each role of a host has to do about it: which key (the agent's unit of work) and which
 * object of it. The same answers as the agents' own `keysOf`, from refs alone.
 */
import { dhcpGroup, type Group, hostGroup, type Ref, splitKey, splitRef } from '../resources/agent-view.ts';
import type { ReportException, Role } from '../resources/agent.ts';
import type { Kind } from './deadlines.ts';

/** Something that one role of a host owes for one change. */
export interface Target {
  readonly role: Role;
  /** `network/<id>`, `router/<id>`, `security-group/<id>`, `members/<id>`, `address-group/<id>`; '' where the refs do not tell the port's network. */
  readonly key: string;
  /** As in reports: `port/<id>`, `subnet/<id>`, `endpoint/<host>`, `floating-ip/<id>`; '' for the whole key. */
  readonly object: string;
  readonly kind: Kind;
}

/** A change's refs, by group. */
export interface Hint {
  /** Object keys by group, e.g. `dhcp/<id>` to `lease/<id>`s. */
  readonly groups: ReadonlyMap<Group, readonly string[]>;
  /** Those that several hosts may have: of networks, of their DHCP, of routers. */
  readonly shared: readonly Group[];
  /** The networks of the ports that are named. */
  readonly networkOfPort: ReadonlyMap<string, string>;
  /** Hosts that the change names: to all others it means the same, if they have the same of its groups. */
  readonly hosts: ReadonlySet<string>;
  /** What it means to those, by what they have; and what each group means. */
  readonly alike: Map<string, Targets>;
  readonly made: Map<string, readonly Target[]>;
}

/** By role. */
export type Targets = Readonly<Record<Role, readonly Target[]>>;

/** Of more objects of one key than this, only the key is told. */
const MAX_OBJECTS = 64;

export function readHint(refs: Iterable<Ref>): Hint {
  const groups = new Map<Group, string[]>();
  const networkOfPort = new Map<string, string>();
  const hosts = new Set<string>();
  for (const ref of refs) {
    const { group, key } = splitRef(ref);
    const keys = groups.get(group);
    if (keys) keys.push(key);
    else groups.set(group, [key]);
    const of = splitKey(group);
    const { kind, id } = splitKey(key);
    if (of.kind === 'dhcp' && kind === 'lease') networkOfPort.set(id, of.id);
    if (of.kind === 'host') hosts.add(of.id);
    else if (kind === 'endpoint') hosts.add(id);
  }
  const shared = [...groups.keys()].filter((group) => !group.startsWith('host/'));
  return { groups, shared, networkOfPort, hosts, alike: new Map(), made: new Map() };
}

/** What the change means for a host that has (or had until then) the groups for which `sees` is true. */
export function targetsOf(hint: Hint, host: string, sees: (group: Group) => boolean): Targets {
  if (hint.hosts.has(host)) return makeTargets(hint, host, sees);
  // Thousands may share a network: they share what they have to do as well.
  let name = '';
  for (const group of hint.shared) {
    name += sees(group) ? 'y' : 'n';
    if (group.startsWith('network/')) name += sees(dhcpGroup(splitKey(group).id)) ? 'y' : 'n';
  }
  return cached(hint.alike, name, () => makeTargets(hint, host, sees));
}

function cached<Value>(map: Map<string, Value>, name: string, make: () => Value): Value {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
}

function makeTargets(hint: Hint, host: string, sees: (group: Group) => boolean): Targets {
  const found: Target[] = portTargets(hint, hint.groups.get(hostGroup(host)) ?? []);
  // A host does not flood to itself.
  const isOwn = (target: Target) => target.object === `endpoint/${host}`;
  for (const group of hint.shared) {
    if (!sees(group)) continue;
    const { kind, id } = splitKey(group);
    const served = kind === 'network' && sees(dhcpGroup(id));
    const made = cached(hint.made, `${group} ${served}`, () => groupTargets(hint, group, served));
    for (const target of made) if (!isOwn(target)) found.push(target);
  }
  const of = (role: Role) => found.filter((target) => target.role === role);
  return { l2: of('l2'), dhcp: of('dhcp'), l3: of('l3') };
}

function groupTargets(hint: Hint, group: Group, served: boolean): readonly Target[] {
  const { kind, id } = splitKey(group);
  const keys = hint.groups.get(group) ?? [];
  if (kind === 'router') return routerTargets(group, keys);
  const ofFirewall = OF_FIREWALL[kind];
  if (ofFirewall) return [{ role: 'l2', key: group, object: '', kind: ofFirewall }];
  return kind === 'dhcp' ? dhcpTargets(`network/${id}`, keys) : networkTargets(group, keys, served);
}

function portTargets(hint: Hint, keys: readonly string[]): Target[] {
  const ports = keys.filter((key) => splitKey(key).kind === 'port');
  const all = ports.map((object): Target => {
    const network = hint.networkOfPort.get(splitKey(object).id);
    return { role: 'l2', key: network === undefined ? '' : `network/${network}`, object, kind: 'port' };
  });
  return [...Map.groupBy(all, (target) => target.key).values()].flatMap((targets) => [
    ...fewOrWhole(targets),
  ]);
}

function dhcpTargets(key: string, keys: readonly string[]): Target[] {
  const all = keys.map((object): Target => {
    const { kind, id } = splitKey(object);
    const of =
      kind === 'lease' ? ({ object: `port/${id}`, kind } as const) : ({ object, kind: 'subnet' } as const);
    return { role: 'dhcp', key, ...of };
  });
  return [...fewOrWhole(all)];
}

/** What the firewall of ports is made of, each as a whole. */
const OF_FIREWALL: Readonly<Record<string, Kind>> = {
  'security-group': 'security-group',
  members: 'members',
  'address-group': 'address-group',
};

const OF_ROUTER: Readonly<Record<string, Kind>> = { 'floating-ip': 'floating-ip', forwarding: 'forwarding' };

function routerTargets(key: Group, keys: readonly string[]): Target[] {
  const isWhole = (object: string) => object === key || splitKey(object).kind === 'replica';
  const whole: Target[] = keys.some(isWhole) ? [{ role: 'l3', key, object: '', kind: 'router' }] : [];
  const parts = keys.filter((object) => !isWhole(object));
  const targets = parts.map((object): Target => {
    const { kind, id } = splitKey(object);
    const known = OF_ROUTER[kind];
    const of = known ? { object, kind: known } : ({ object: `port/${id}`, kind: 'port' } as const);
    return { role: 'l3', key, ...of };
  });
  return [...whole, ...fewOrWhole(targets)];
}

function networkTargets(key: Group, keys: readonly string[], served: boolean): Target[] {
  const found: Target[] = [];
  if (keys.includes(key)) {
    found.push({ role: 'l2', key, object: '', kind: 'network' });
    if (served) found.push({ role: 'dhcp', key, object: '', kind: 'network' });
  }
  const others = keys.filter((object) => object !== key);
  const endpoints = others.map((object): Target => ({ role: 'l2', key, object, kind: 'endpoint' }));
  return [...found, ...fewOrWhole(endpoints)];
}

function fewOrWhole(targets: readonly Target[]): readonly Target[] {
  const [first] = targets;
  return first && targets.length > MAX_OBJECTS ? [{ ...first, object: '' }] : targets;
}

/**
 * Whether this exception says that the target, as of `position`, is not realised. What waits, waits whenever it was asked
 * for; where the network is not known, a whole network that fails may be the port's.
 */
export function covers(
  exception: ReportException,
  target: Pick<Target, 'key' | 'object'>,
  position: number,
): boolean {
  if (target.key !== '' && exception.key !== target.key) return false;
  if (exception.object !== '' && exception.object !== target.object) return false;
  return exception.state === 'waiting' || exception.since <= position;
}
