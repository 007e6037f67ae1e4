/**
 * Limits of what goes by a router's gateway: by its floating IPs, and under its own address. A table of its own beside the
 * router's, and a wrapper of the role that keeps it: what floats and what is limited change apart from each other.
 */
import { isIPv4 } from 'node:net';
import type { Host, HostEvent } from '../../host/host.ts';
import type { Outcome, Shortfall } from '../../reconcile/controller.ts';
import {
  type FloatingIpBody,
  type InterfaceBody,
  type RouterBody,
  splitKey,
} from '../../resources/agent-view.ts';
import type { QosBody } from '../../resources/qos-body.ts';
import { ROUTER_GATEWAY_OWNER } from '../../resources/router.ts';
import { chain, dispatch, marked, policeBytes, policePackets, type QosRuleset, without } from '../police.ts';
import type { RoleAgent, World } from '../role.ts';
import { isRouterId, namespaceOf, routerOf } from './desired.ts';

export const QOS_TABLE = 'inet deuteron_l3_qos';

/** What of a router is limited. */
export interface Limited {
  /** `floating-ip/<id>`, or '' for the gateway's own. */
  readonly object: string;
  readonly address: string;
  readonly qos: QosBody;
}

/** Of a router that this host has, by address; one that is administratively down has nothing. */
export function limitedOf(world: World, routerId: string): Limited[] {
  const key = `router/${routerId}`;
  const group = world.group(key);
  const router = group?.get(key) as RouterBody | undefined;
  if (!group || !router?.admin_state_up) return [];
  const found: Limited[] = [];
  for (const [name, body] of group) {
    const { kind } = splitKey(name);
    if (kind === 'floating-ip') {
      const { floating_ip_address: address, qos } = body as FloatingIpBody;
      if (qos) found.push({ object: name, address, qos });
    }
    const { owner, fixed_ips = [] } = body as Partial<InterfaceBody>;
    if (kind !== 'interface' || owner !== ROUTER_GATEWAY_OWNER || !router.qos) continue;
    for (const { ip_address: address } of fixed_ips) found.push({ object: '', address, qos: router.qos });
  }
  return found.filter(({ address }) => isIPv4(address)).sort((a, b) => (a.address < b.address ? -1 : 1));
}

/**
 * nftables text that replaces the table as a whole; null: nothing is limited. What leaves is seen after its address was
 * translated, what comes before.
 */
export function limitsRuleset(limited: readonly Limited[]): QosRuleset | null {
  const chains: string[] = [];
  const out: [string, string][] = [];
  const back: [string, string][] = [];
  for (const { address, qos } of limited) {
    for (const [way, limit, jumps] of [
      ['out', qos.egress, out],
      ['in', qos.ingress, back],
    ] as const) {
      const lines = [...policeBytes(limit), ...policePackets(limit)];
      if (lines.length === 0) continue;
      const name = `${way}_${address.replaceAll('.', '_')}`;
      chains.push(chain(name, lines));
      jumps.push([address, name]);
    }
  }
  if (chains.length === 0) return null;
  const leaving = dispatch('oifname "qg-*" ip saddr', out);
  const coming = dispatch('iifname "qg-*" ip daddr', back);
  const body =
    chains.join('') +
    chain('leaving', ['type filter hook postrouting priority srcnat + 10; policy accept;', ...leaving]) +
    chain('coming', ['type filter hook prerouting priority mangle; policy accept;', ...coming]);
  return marked(QOS_TABLE, body);
}

interface Place {
  readonly host: Host;
  readonly world: World;
}

/** The role, which also keeps the limits of its routers. */
export function withRouterQos(agent: RoleAgent, place: Place): RoleAgent {
  return new RouterQos(agent, place);
}

class RouterQos implements RoleAgent {
  readonly role: RoleAgent['role'];
  readonly #agent: RoleAgent;
  readonly #host: Host;
  readonly #world: World;
  /** The mark of each router's table; null: it has none. What is not in it is to be read. */
  readonly #marks = new Map<string, string | null>();

  constructor(agent: RoleAgent, { host, world }: Place) {
    this.role = agent.role;
    this.#agent = agent;
    this.#host = host;
    this.#world = world;
  }

  keysOf: RoleAgent['keysOf'] = (change) => this.#agent.keysOf(change);
  patienceMs: NonNullable<RoleAgent['patienceMs']> = (change) => this.#agent.patienceMs?.(change) ?? 0;
  allKeys: RoleAgent['allKeys'] = () => this.#agent.allKeys();
  roles: NonNullable<RoleAgent['roles']> = () => this.#agent.roles?.();
  configurations: RoleAgent['configurations'] = () => this.#agent.configurations();

  async run(...[tools, signal]: Parameters<NonNullable<RoleAgent['run']>>): Promise<void> {
    await this.#agent.run?.(tools, signal);
  }

  async rebuild(key: string, signal: AbortSignal): Promise<void> {
    this.#marks.delete(splitKey(key).id);
    await this.#agent.rebuild?.(key, signal);
  }

  forget(key: string): void {
    this.#marks.delete(splitKey(key).id);
    this.#agent.forget?.(key);
  }

  keysOfHostEvent(event: HostEvent): Iterable<string> | 'all' | 'patrol' {
    const keys = this.#agent.keysOfHostEvent(event);
    if (event.type === 'overflow') this.#marks.clear();
    const id = event.type === 'namespace' ? routerOf(event.name) : null;
    if (id !== null) this.#marks.delete(id);
    const isOurs = event.type === 'inside' && event.what === QOS_TABLE && this.#marks.size > 0;
    return isOurs ? 'patrol' : keys;
  }

  async observeAll(): Promise<void> {
    const ids = [...this.#world.groups()]
      .map(splitKey)
      .flatMap(({ kind, id }) => (kind === 'router' ? [id] : []));
    await Promise.all([this.#agent.observeAll(), this.#look(ids.filter(isRouterId))]);
  }

  /** Gives those of which another hand has changed the table. */
  async #look(ids: readonly string[]): Promise<string[]> {
    const before = new Map(ids.map((id) => [id, this.#marks.get(id)]));
    const found = await this.#host.rulesetMarks(ids.map(namespaceOf), QOS_TABLE);
    const drifted: string[] = [];
    for (const id of ids) {
      const mark = found.get(namespaceOf(id)) ?? null;
      const was = before.get(id);
      // What our own hand has changed meanwhile was not seen.
      if (this.#marks.get(id) !== was) continue;
      if (was !== undefined && was !== mark) drifted.push(id);
      this.#marks.set(id, mark);
    }
    return drifted;
  }

  async patrol(scope: 'all' | 'next'): Promise<Iterable<string>> {
    const keys = new Set(await this.#agent.patrol?.(scope));
    if (scope === 'next' || this.#marks.size === 0) return keys;
    for (const id of await this.#look([...this.#marks.keys()])) keys.add(`router/${id}`);
    return keys;
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const outcome = await this.#agent.reconcile(key, signal);
    const { kind, id } = splitKey(key);
    if (kind !== 'router' || !isRouterId(id) || signal.aborted) return outcome;
    const limited = limitedOf(this.#world, id);
    const ruleset = limitsRuleset(limited);
    // Of a router that is not to be here the table went with its namespace.
    const isHere = (this.#world.group(key)?.get(key) as RouterBody | undefined)?.admin_state_up ?? false;
    if (!isHere) this.#marks.delete(id);
    if (!isHere || (ruleset === null && (this.#marks.get(id) ?? null) === null)) return outcome;
    try {
      const changed = await this.#ensure(id, ruleset);
      return changed ? { ...outcome, repaired: true } : outcome;
    } catch (error) {
      this.#marks.delete(id);
      const reason = `QoS: ${error instanceof Error ? error.message : String(error)}`;
      const objects = new Set(limited.map(({ object }) => object));
      const own = [...objects].map((object): Shortfall => ({ object, state: 'failed', reason }));
      return { ...outcome, shortfalls: [...outcome.shortfalls, ...own] };
    }
  }

  async #ensure(id: string, ruleset: QosRuleset | null): Promise<boolean> {
    const namespace = namespaceOf(id);
    const wanted = ruleset?.mark ?? null;
    const has = this.#marks.has(id)
      ? (this.#marks.get(id) ?? null)
      : await this.#host.rulesetMark(namespace, QOS_TABLE);
    if (has !== wanted) await this.#host.applyRuleset(namespace, ruleset?.text ?? without(QOS_TABLE));
    this.#marks.set(id, wanted);
    return has !== wanted;
  }
}
