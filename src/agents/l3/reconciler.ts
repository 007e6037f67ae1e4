/** The `l3` role: what wakes a router's key, and the four steps (observe, plan, apply, remember) for it. */
import type { Host, HostEvent } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import { CONVERGED, type Outcome, type Shortfall } from '../../reconcile/controller.ts';
import { splitKey } from '../../resources/agent-view.ts';
import type { ReplicaReport, ReplicaState } from '../../resources/replica-report.ts';
import type { ObjectChange, RoleAgent, RoleTools, World } from '../role.ts';
import { ensureAdvertiser, RA_PREFIX, raName, stopAdvertiser } from './advertiser.ts';
import { addressSteps, foreseen } from './ahead.ts';
import { applyPlan, cut } from './apply.ts';
import { ConntrackdFinder, CONNTRACKD_PREFIX, conntrackdName, stopConntrackd } from './connections.ts';
import { type DesiredRouter, desiredRouter, isHaHere, isRouterId, namespaceOf, routerOf } from './desired.ts';
import { endLease, KEEPALIVED_PREFIX, keepalivedName, leaseName, stopKeepalived } from './guard.ts';
import type { DesiredHa } from './ha.ts';
import type { HealthSource } from './health.ts';
import { ownAddress } from './keepalived.ts';
import {
  distrust,
  isCut,
  isWiredTo,
  isWork,
  type Known,
  nothingKnown,
  sameTable,
  unwiredOf,
} from './known.ts';
import { MARK, TABLE } from './nftables.ts';
import { type ObservedWiring, observeMany, observeTable, observeWiring, paths } from './observe.ts';
import { type Plan, planRouter } from './plan.ts';
import { reclaimNamespace } from './reclaim.ts';
import { Replica, type ReplicaNews } from './replica.ts';
import { takeoverEvidence, Takeovers } from './takeover.ts';

/**
 * A stand-by needs an address, and rules for it, should it become active, and is woken then: the host that serves it now goes
 * first, also where both share CPUs, for keepalived takes some 20 ms of one to read a thousand addresses anew.
 */
const STANDBY_PATIENCE_MS = 100;
const MAY_WAIT: ReadonlySet<string> = new Set(['floating-ip', 'forwarding']);

export interface L3Options {
  readonly host: Host;
  readonly world: World;
  readonly clock: Clock;
  /** radvd's user; '' where the agent's user namespace maps no other. */
  readonly user?: string;
  /** What ails this host; without it nothing does. */
  readonly health?: HealthSource;
  /** Where it is asked who serves a router that is not HA before it is taken over: physical network to link. Without it, nowhere. */
  readonly asksBy?: ReadonlyMap<string, string>;
  readonly onFailure?: (error: unknown) => void;
}

export function createL3Agent(options: L3Options): RoleAgent {
  return new L3Agent(options);
}

class L3Agent implements RoleAgent {
  readonly role = 'l3';
  readonly #host: Host;
  readonly #world: World;
  readonly #clock: Clock;
  readonly #user: string;
  readonly #known = new Map<string, Known>();
  readonly #health: HealthSource | null;
  readonly #conntrackd: ConntrackdFinder;
  readonly #takeovers: Takeovers;
  #patrolled = 0;
  #tools: RoleTools | undefined;

  constructor({ host, world, clock, user, health, asksBy, onFailure = () => undefined }: L3Options) {
    this.#host = host;
    this.#world = world;
    this.#clock = clock;
    this.#user = user ?? 'nobody';
    this.#health = health ?? null;
    this.#conntrackd = new ConntrackdFinder(host);
    this.#takeovers = new Takeovers({
      ...{ evidence: takeoverEvidence({ host, clock }), clock, world, onFailure },
      asksBy: asksBy ?? new Map(),
      onChange: (id) => this.#tools?.mark(`router/${id}`),
    });
  }

  async run(tools: RoleTools, signal: AbortSignal): Promise<void> {
    this.#tools = tools;
    this.#health?.onChange((id) => {
      for (const one of id === null ? this.#known.keys() : [id]) tools.mark(`router/${one}`);
    });
    this.#health?.onWords(() => tools.report());
    await Promise.all([this.#health?.run(signal), this.#takeovers.run(signal)]);
  }

  roles(): readonly ReplicaReport[] | undefined {
    const reports: ReplicaReport[] = [];
    for (const group of this.#world.groups()) {
      const { kind, id } = splitKey(group);
      if (kind !== 'router' || !isHaHere(this.#world, id)) continue;
      const known = this.#known.get(id);
      if (known === undefined) return undefined;
      const { replica, connections } = known;
      if (!replica) continue;
      const report = replica.report();
      const { failure } = connections;
      reports.push(failure === null ? report : { ...report, reasons: [...report.reasons, failure] });
    }
    return reports;
  }

  *keysOf({ group, key, after }: ObjectChange): Iterable<string> {
    const { kind, id } = splitKey(group);
    if (kind === 'network') yield* this.#takeovers.awaiting(group);
    if (kind !== 'router') return;
    if (after !== undefined && splitKey(key).kind === 'replica') this.#obey(id);
    yield group;
  }

  patienceMs({ group, key }: ObjectChange): number {
    const { kind, id } = splitKey(group);
    const mayWait = kind === 'router' && MAY_WAIT.has(splitKey(key).kind);
    return mayWait && this.#known.get(id)?.replica?.standsBy ? STANDBY_PATIENCE_MS : 0;
  }

  /** What a server tells a replica is not to wait for work that is under way on its router. */
  #obey(id: string): void {
    const replica = this.#known.get(id)?.replica;
    const ha = replica ? desiredRouter(this.#world, id, null)?.ha : null;
    // Where it fails the key, which is marked too, tries it again and says so.
    if (ha) replica?.hurry(ha).catch(() => undefined);
  }

  keysOfHostEvent(event: HostEvent): Iterable<string> | 'all' | 'patrol' {
    this.#health?.onHostEvent(event);
    switch (event.type) {
      case 'overflow':
        for (const known of this.#known.values()) distrust(known);
        return 'all';
      case 'link':
        return event.namespace === null
          ? this.#wiringNews(this.#routerOfTap(event.name))
          : this.#wiringNews(routerOf(event.namespace));
      case 'address':
        return this.#addressNews(routerOf(event.namespace), event);
      case 'namespace':
        return this.#everythingNews(routerOf(event.name));
      case 'process-ended':
      case 'process-stuck':
        return this.#processNews(event);
      case 'inside':
        return this.#known.size > 0 && [TABLE, 'route', 'unknown'].includes(event.what) ? 'patrol' : [];
      case 'ruleset':
      case 'flood':
      case 'file':
        return [];
    }
  }

  #routerOfTap(tap: string): string | null {
    for (const [id, known] of this.#known) if (known.taps.includes(tap)) return id;
    return null;
  }

  #wiringNews(id: string | null): string[] {
    const known = id === null ? undefined : this.#known.get(id);
    if (known === undefined) return [];
    known.wiring = null;
    known.news++;
    return [`router/${id}`];
  }

  /** Of an HA router they come and go by the hundred when its role moves: once that is over is soon enough. */
  #addressNews(id: string | null, { address, news }: HostEvent & { type: 'address' }): string[] {
    const known = id === null ? undefined : this.#known.get(id);
    if (!known?.replica) return this.#wiringNews(id);
    known.news++;
    known.moved = true;
    const isRole = known.replica.isOwnAddress(address);
    if (isRole) known.replica.sees(news === 'came');
    return isRole || known.replica.settlesIn() === 0 ? [`router/${id}`] : [];
  }

  #everythingNews(id: string | null): string[] {
    const known = id === null ? undefined : this.#known.get(id);
    if (known === undefined) return [];
    distrust(known);
    return [`router/${id}`];
  }

  #processNews({ type, name }: HostEvent & { type: 'process-ended' | 'process-stuck' }): string[] {
    for (const prefix of [RA_PREFIX, KEEPALIVED_PREFIX, CONNTRACKD_PREFIX, leaseName('')]) {
      const id = name.slice(prefix.length);
      const known = name.startsWith(prefix) ? this.#known.get(id) : undefined;
      if (known === undefined) continue;
      if (prefix === RA_PREFIX) known.ra = null;
      else if (prefix === KEEPALIVED_PREFIX && type === 'process-ended') known.replica?.ended();
      return [`router/${id}`];
    }
    return [];
  }

  #onState(id: string, state: ReplicaState, news: ReplicaNews): void {
    const known = this.#known.get(id);
    if (known && state === 'active') {
      if (news === 'role') known.rose = true;
      if (news === 'order') known.doubted = true;
    }
    this.#tools?.mark(`router/${id}`);
    this.#tools?.report();
  }

  async allKeys(): Promise<string[]> {
    const ids = new Set<string>();
    for (const group of this.#world.groups())
      if (splitKey(group).kind === 'router') ids.add(splitKey(group).id);
    for (const id of await this.#host.listFiles('l3')) ids.add(id);
    const strange = [...(await this.#host.namespaces())]
      .map(routerOf)
      .filter((id) => id !== null && !ids.has(id)) as string[];
    // Another program's namespace may bear the same name (Neutron's agent on the same host): ours holds our table.
    const marked = await this.#host.tables(strange.map(namespaceOf), TABLE);
    for (const id of strange) if (marked.has(namespaceOf(id))) ids.add(id);
    return [...ids].filter(isRouterId).map((id) => `router/${id}`);
  }

  async observeAll(): Promise<void> {
    const ids: string[] = [];
    for (const group of this.#world.groups()) {
      const { kind, id } = splitKey(group);
      if (kind === 'router' && isRouterId(id)) ids.push(id);
    }
    const before = new Map(ids.map((id) => [id, distrust(this.#knownOf(id)).news]));
    const { wiring, tables } = await observeMany(this.#host, ids);
    for (const id of ids) {
      const known = this.#knownOf(id);
      if (known.news !== before.get(id)) continue;
      known.wiring = wiring.get(id) ?? null;
      known.table = tables.get(id);
    }
  }

  /** Tables and routes: nothing tells whose another hand has changed, and asking costs programs. */
  async patrol(scope: 'all' | 'next'): Promise<string[]> {
    const all = [...this.#known.keys()];
    const at = this.#patrolled++ % Math.max(1, all.length);
    const ids = scope === 'all' ? all : all.slice(at, at + 1);
    if (ids.length === 0) return [];
    if (scope === 'next') for (const id of ids) await this.#known.get(id)?.replica?.listen();
    const before = new Map(ids.map((id) => [id, { ...this.#knownOf(id) }]));
    const names = ids.map(namespaceOf);
    const [routes, tables] = await Promise.all([this.#host.routes(names), this.#host.tables(names, TABLE)]);
    const drifted: string[] = [];
    for (const [id, { news, wiring, table }] of before) {
      const known = this.#known.get(id);
      if (known?.news !== news || known.wiring !== wiring || known.table !== table) continue;
      const name = namespaceOf(id);
      const isSame =
        (wiring === null || JSON.stringify(routes.get(name) ?? []) === JSON.stringify(wiring.routes)) &&
        (table === null || sameTable(tables.get(name), table));
      if (!isSame) distrust(known);
      // What our own hand has changed, and was not looked at since, is looked at now.
      if (known.wiring === null || known.table === null) drifted.push(`router/${id}`);
    }
    return drifted;
  }

  configurations(): Record<string, unknown> {
    const routers = [...this.#known.keys()].map((id) => desiredRouter(this.#world, id));
    const links = routers.flatMap((router) => router?.links ?? []);
    const floating = routers.reduce((sum, router) => sum + (router?.elements.floating.size ?? 0), 0);
    return {
      agent_mode: 'legacy',
      handle_internal_only_routers: true,
      routers: routers.filter((router) => router !== null).length,
      ex_gw_ports: links.filter((link) => link.kind === 'gateway').length,
      interfaces: links.filter((link) => link.kind === 'internal').length,
      floating_ips: floating,
    };
  }

  forget(key: string): void {
    const known = this.#known.get(splitKey(key).id);
    if (known) distrust(known);
  }

  /** A radvd that does nothing is ended; everything else is made anew where it is missing. */
  async rebuild(key: string): Promise<void> {
    const { id } = splitKey(key);
    this.forget(key);
    const found = await this.#host.findProcess(raName(id));
    if (found?.stuck != null) await stopAdvertiser(this.#host, id);
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const { kind, id } = splitKey(key);
    if (kind !== 'router' || !isRouterId(id)) return CONVERGED;
    try {
      // Nothing is said of who has the addresses before the host was looked at.
      const desired = desiredRouter(this.#world, id, null);
      if (desired === null) return await this.#remove(id);
      return await this.#serve(desired, signal);
    } catch (error) {
      const known = this.#known.get(id);
      if (known) distrust(known);
      throw error;
    }
  }

  async #serve(first: DesiredRouter, signal: AbortSignal): Promise<Outcome> {
    const { id } = first;
    const known = this.#knownOf(id);
    known.taps = first.links.map((link) => link.tap);
    const orderMs = await this.#hurry(first, known);
    if (known.replica) await known.ahead.takeBack(this.#host, first.namespace, known.replica);
    let { wiring, table } = await this.#observe(first, known);
    if (wiring.links === null && (await reclaimNamespace(this.#host, id)))
      ({ wiring, table } = await this.#observe(first, distrust(known)));
    const desired = first.ha
      ? (desiredRouter(this.#world, id, known.replica?.holds()) ?? first)
      : this.#takeovers.unlessServed(first, wiring);
    if (signal.aborted) return { shortfalls: [{ object: '', state: 'failed', reason: 'interrupted' }] };
    const plan = planRouter(desired, wiring, table);
    const shortfalls: Shortfall[] = [...desired.shortfalls];
    const changes = isWork(plan);
    const isAhead = known.replica?.isActive && addressSteps(desired, plan) !== null;
    const early = desired.ha && isAhead ? this.#decide(desired.ha, known, wiring) : null;
    const mayGoOn = early === null ? null : early.then(() => known.replica?.isActive ?? false);
    if (changes) shortfalls.push(...(await this.#apply(desired, known, { plan, mayGoOn })));
    shortfalls.push(...(await this.#cut(desired, known)));
    known.replica?.wires(unwiredOf(desired.links, known.wiring ?? wiring));
    const decided = desired.ha && (await (early ?? this.#decide(desired.ha, known, wiring)));
    const weighMs = decided === null ? null : await this.#weigh(desired, known);
    shortfalls.push(...(decided?.shortfalls ?? []));
    const advertised = desired.settled && (await this.#advertise(desired, known));
    for (const news of plan.news) {
      const link = desired.links.find(({ name }) => name === news.link);
      if (link?.up && link.addresses.size > 0) known.announcements.add(news, link.mac);
    }
    const { rose } = known;
    if (rose || known.doubted) this.#announceAll(desired, known);
    const againMs = await known.announcements.send((name) => {
      const link = desired.links.find((one) => one.name === name);
      return link !== undefined && isWiredTo(link.tap, known.wiring ?? wiring);
    });
    const isWired = desired.ha && isWiredTo(desired.ha.link.tap, known.wiring ?? wiring);
    if (desired.ha && isWired && (await this.#conntrackd.isThere()))
      await known.connections.ensure(desired.ha, rose);
    // What was left alone for now is looked at once more, whatever time this took; and what keepalived was told just now.
    const restsIn = known.replica?.settlesIn() ?? 0;
    const isOpen = desired.ha !== null && (known.moved || !desired.settled || restsIn > 0);
    const settlesMs = isOpen ? Math.max(1, restsIn) : null;
    const waits = [againMs, weighMs ?? orderMs, settlesMs, decided?.inMs ?? null].filter((ms) => ms !== null);
    return {
      shortfalls,
      repaired: changes || advertised,
      ...(waits.length === 0 ? {} : { again: Math.min(...waits) }),
    };
  }

  /** What an HA router is told, and what ails it, before anything that takes time. Says in how many ms there is more to do. */
  async #hurry({ id, ha }: DesiredRouter, known: Known): Promise<number | null> {
    if (ha === null) {
      known.replica = null;
      await stopKeepalived(this.#host, id);
      await stopConntrackd(this.#host, id);
      return null;
    }
    known.replica ??= new Replica(id, {
      ...{ host: this.#host, clock: this.#clock, health: this.#health },
      incarnation: () => this.#tools?.incarnation() ?? 0,
      onState: (_, state, news) => this.#onState(id, state, news),
    });
    return known.replica.hurry(ha);
  }

  /** With what the look at its links has shown. */
  async #weigh({ ha }: DesiredRouter, known: Known): Promise<number | null> {
    return ha === null ? null : ((await known.replica?.hurry(ha)) ?? null);
  }

  #decide(ha: DesiredHa, known: Known, wiring: ObservedWiring) {
    return known.replica?.ensure(ha, isWiredTo(ha.link.tap, known.wiring ?? wiring)) ?? Promise.resolve(null);
  }

  /** keepalived tells the neighbours once it has the addresses, and a second later: switches forget sooner. */
  #announceAll({ links, ha }: DesiredRouter, known: Known): void {
    known.rose = false;
    known.doubted = false;
    for (const link of links) {
      const isServed = ha?.addresses.some((one) => one.link === link.name);
      if (isServed && link.up) known.announcements.add({ link: link.name, addresses: null }, link.mac);
    }
  }

  async #observe(desired: DesiredRouter, known: Known) {
    const { replica } = known;
    if (known.moved && replica?.settlesIn() === 0) known.wiring = null;
    if (known.wiring === null) known.moved = false;
    const { news } = known;
    const [wiring, table] = await Promise.all([
      known.wiring ?? observeWiring(this.#host, desired.id, desired.links),
      known.table === null ? observeTable(this.#host, desired.id) : known.table,
    ]);
    // A tap that the last look did not ask for may be there all the same.
    if (known.news === news) {
      Object.assign(known, { wiring, table });
      const own = desired.ha === null ? '' : ownAddress(desired.ha.vrId);
      if (known.judged !== wiring)
        replica?.sees(wiring.links?.some(({ addresses }) => addresses.includes(own)) ?? false);
      known.judged = replica ? wiring : null;
    }
    return { wiring, table };
  }

  async #apply(
    desired: DesiredRouter,
    known: Known,
    { plan, mayGoOn }: { plan: Plan; mayGoOn: Promise<boolean> | null },
  ): Promise<readonly Shortfall[]> {
    await this.#remember(desired.id, known, plan.cuts);
    const rewires = plan.outer.length + plan.inner.length + plan.leavings.length + plan.routes.length > 0;
    const steps = addressSteps(desired, plan);
    if (steps !== null) known.ahead.notes(steps);
    if (steps !== null && known.wiring !== null) {
      // A thousand addresses take longer to read than to change: once keepalived is at rest is soon enough.
      known.wiring = known.judged = foreseen(known.wiring, steps);
      known.moved = true;
    } else if (rewires || plan.makeNamespace) known.wiring = null;
    known.table = null;
    const { news } = known;
    const { shortfalls, ruled } = await applyPlan(this.#host, desired, { plan, mayGoOn });
    if (shortfalls.length > 0) known.wiring = null;
    // Events of our own steps come too: only a namespace that went takes the table with it.
    if (ruled && (known.news === news || !plan.makeNamespace))
      known.table = { mark: MARK, maps: new Map(Object.entries(desired.elements)) };
    return shortfalls;
  }

  /** Before the entries go: a life that ends in between leaves the next one to cut. */
  async #remember(id: string, known: Known, cuts: readonly string[]): Promise<void> {
    if (cuts.length === 0) return;
    known.cuts = [...new Set([...(await this.#cutsOf(id, known)), ...cuts])];
    await this.#host.writeFile(paths(id).cuts, known.cuts.map((line) => `${line}\n`).join(''));
  }

  async #cutsOf(id: string, known: Known): Promise<readonly string[]> {
    known.cuts ??= ((await this.#host.readFile(paths(id).cuts)) ?? '').split('\n').filter(isCut);
    return known.cuts;
  }

  async #cut({ id, namespace }: DesiredRouter, known: Known): Promise<Shortfall[]> {
    const cuts = await this.#cutsOf(id, known);
    if (cuts.length === 0) return [];
    const failure = await cut(this.#host, namespace, cuts);
    if (failure !== null) return [{ object: '', state: 'waiting', reason: failure }];
    await this.#host.removeFile(paths(id).cuts);
    known.cuts = [];
    return [];
  }

  async #advertise(desired: DesiredRouter, known: Known): Promise<boolean> {
    if (known.ra === desired.ra) return false;
    const changed = await ensureAdvertiser(this.#host, desired, this.#user);
    known.ra = desired.ra;
    return changed;
  }

  async #remove(id: string): Promise<Outcome> {
    const namespace = namespaceOf(id);
    this.#known.delete(id);
    this.#takeovers.forget(id);
    const [files, namespaces, ...processes] = await Promise.all([
      this.#host.listFiles(paths(id).directory),
      this.#host.namespaces(),
      this.#host.findProcess(raName(id)),
      this.#host.findProcess(keepalivedName(id)),
      this.#host.findProcess(leaseName(id)),
      this.#host.findProcess(conntrackdName(id)),
    ]);
    const isThere = namespaces.has(namespace);
    const isOurs = files.length > 0 || (isThere && (await observeTable(this.#host, id)) !== undefined);
    if (!isOurs && processes.every((process) => process === null)) return CONVERGED;
    // First: it tells the others that it goes.
    await stopKeepalived(this.#host, id);
    await stopConntrackd(this.#host, id);
    if (processes[2] !== null) await endLease(this.#host, id);
    await stopAdvertiser(this.#host, id);
    if (isThere) await this.#host.removeNamespace(namespace);
    await this.#host.removeDirectory(paths(id).directory);
    return { shortfalls: [], repaired: true };
  }

  #knownOf(id: string): Known {
    const found = this.#known.get(id);
    if (found) return found;
    const fresh = nothingKnown(id, this.#host, this.#clock);
    this.#known.set(id, fresh);
    return fresh;
  }
}
