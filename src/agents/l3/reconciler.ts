/** The `l3` role: what wakes a router's key, and the four steps (observe, plan, apply, remember) for it. */
import type { Host, HostEvent, TableState } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import { CONVERGED, type Outcome, type Shortfall } from '../../reconcile/controller.ts';
import { splitKey } from '../../resources/agent-view.ts';
import type { ObjectChange, RoleAgent, World } from '../role.ts';
import { ensureAdvertiser, RA_PREFIX, raName, stopAdvertiser } from './advertiser.ts';
import { Announcements } from './announce.ts';
import { applyPlan, cut } from './apply.ts';
import { type DesiredRouter, desiredRouter, isRouterId, namespaceOf, routerOf } from './desired.ts';
import { MARK, TABLE } from './nftables.ts';
import { type ObservedWiring, observeMany, observeTable, observeWiring, paths } from './observe.ts';
import { type Plan, planRouter } from './plan.ts';

export interface L3Options {
  readonly host: Host;
  readonly world: World;
  readonly clock: Clock;
  /** radvd's user; '' where the agent's user namespace maps no other. */
  readonly user?: string;
}

/** What is known of one router; lost with the process, and never more than a shortcut. */
interface Known {
  /** null: to be read. */
  wiring: ObservedWiring | null;
  /** null: to be read; undefined: there is none. */
  table: TableState | undefined | null;
  /** Grows with each event about it: what was being read meanwhile does not hold. */
  news: number;
  /** What conntrack has still to forget; null: to be read. */
  cuts: readonly string[] | null;
  /** The radvd configuration that is known to be served; null: not known. */
  ra: string | null;
  /** Names of the links' ends on the host. */
  taps: readonly string[];
  readonly announcements: Announcements;
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
  #patrolled = 0;

  constructor({ host, world, clock, user }: L3Options) {
    this.#host = host;
    this.#world = world;
    this.#clock = clock;
    this.#user = user ?? 'nobody';
  }

  *keysOf({ group }: ObjectChange): Iterable<string> {
    if (splitKey(group).kind === 'router') yield group;
  }

  keysOfHostEvent(event: HostEvent): Iterable<string> | 'all' | 'patrol' {
    switch (event.type) {
      case 'overflow':
        for (const known of this.#known.values()) distrust(known);
        return 'all';
      case 'link':
        return event.namespace === null
          ? this.#wiringNews(this.#routerOfTap(event.name))
          : this.#wiringNews(routerOf(event.namespace));
      case 'address':
        return this.#wiringNews(routerOf(event.namespace));
      case 'namespace':
        return this.#everythingNews(routerOf(event.name));
      case 'process-ended':
      case 'process-stuck':
        return this.#advertiserNews(event.name);
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

  #everythingNews(id: string | null): string[] {
    const known = id === null ? undefined : this.#known.get(id);
    if (known === undefined) return [];
    distrust(known);
    return [`router/${id}`];
  }

  #advertiserNews(process: string): string[] {
    const id = process.startsWith(RA_PREFIX) ? process.slice(RA_PREFIX.length) : '';
    const known = this.#known.get(id);
    if (known === undefined) return [];
    known.ra = null;
    return [`router/${id}`];
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
      const desired = desiredRouter(this.#world, id);
      if (desired === null) return await this.#remove(id);
      return await this.#serve(desired, signal);
    } catch (error) {
      const known = this.#known.get(id);
      if (known) distrust(known);
      throw error;
    }
  }

  async #serve(desired: DesiredRouter, signal: AbortSignal): Promise<Outcome> {
    const known = this.#knownOf(desired.id);
    known.taps = desired.links.map((link) => link.tap);
    const { wiring, table } = await this.#observe(desired, known);
    if (signal.aborted) return { shortfalls: [{ object: '', state: 'failed', reason: 'interrupted' }] };
    const plan = planRouter(desired, wiring, table);
    const shortfalls: Shortfall[] = [...desired.shortfalls];
    const changes = isWork(plan);
    if (changes) shortfalls.push(...(await this.#apply(desired, known, plan)));
    shortfalls.push(...(await this.#cut(desired, known)));
    const advertised = await this.#advertise(desired, known);
    for (const news of plan.news) {
      const link = desired.links.find(({ name }) => name === news.link);
      if (link?.up && link.addresses.size > 0) known.announcements.add(news, link.mac);
    }
    const againMs = await known.announcements.send((name) => {
      const link = desired.links.find((one) => one.name === name);
      return link !== undefined && (known.wiring ?? wiring).taps.get(link.tap)?.master != null;
    });
    return {
      shortfalls,
      repaired: changes || advertised,
      ...(againMs === null ? {} : { again: againMs }),
    };
  }

  async #observe(desired: DesiredRouter, known: Known) {
    const { news } = known;
    const [wiring, table] = await Promise.all([
      known.wiring ?? observeWiring(this.#host, desired.id, desired.links),
      known.table === null ? observeTable(this.#host, desired.id) : known.table,
    ]);
    // A tap that the last look did not ask for may be there all the same.
    if (known.news === news) Object.assign(known, { wiring, table });
    return { wiring, table };
  }

  async #apply(desired: DesiredRouter, known: Known, plan: Plan): Promise<readonly Shortfall[]> {
    await this.#remember(desired.id, known, plan.cuts);
    const rewires = plan.outer.length + plan.inner.length + plan.leavings.length + plan.routes.length > 0;
    if (rewires || plan.makeNamespace) known.wiring = null;
    known.table = null;
    const { news } = known;
    const { shortfalls, ruled } = await applyPlan(this.#host, desired, plan);
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
    const [files, namespaces, process] = await Promise.all([
      this.#host.listFiles(paths(id).directory),
      this.#host.namespaces(),
      this.#host.findProcess(raName(id)),
    ]);
    const isThere = namespaces.has(namespace);
    const isOurs = files.length > 0 || (isThere && (await observeTable(this.#host, id)) !== undefined);
    if (!isOurs && process === null) return CONVERGED;
    await stopAdvertiser(this.#host, id);
    if (isThere) await this.#host.removeNamespace(namespace);
    await this.#host.removeDirectory(paths(id).directory);
    return { shortfalls: [], repaired: true };
  }

  #knownOf(id: string): Known {
    const found = this.#known.get(id);
    if (found) return found;
    const fresh: Known = {
      wiring: null,
      table: null,
      news: 0,
      cuts: null,
      ra: null,
      taps: [],
      announcements: new Announcements(this.#host, this.#clock, namespaceOf(id)),
    };
    this.#known.set(id, fresh);
    return fresh;
  }
}

/** Nothing that was found holds any more. */
function distrust(known: Known): Known {
  known.wiring = null;
  known.table = null;
  known.ra = null;
  known.news++;
  return known;
}

/** As `nat.ts` writes them: what else may stand in the file never gets near a program. */
const isCut = (line: string): boolean =>
  /^-[a-z] [0-9a-z.]+( -[a-z] [0-9a-z.]+)?( (-r|--dport) [0-9.]+)?$/.test(line);

function isWork(plan: Plan): boolean {
  const { makeNamespace, prepare, ruleset, leavings, outer, inner, routes } = plan;
  return (
    makeNamespace || prepare || ruleset !== '' || [leavings, outer, inner, routes].some((s) => s.length > 0)
  );
}

function sameTable(now: TableState | undefined, believed: TableState | undefined): boolean {
  if (now === undefined || believed === undefined || now.mark !== believed.mark) return now === believed;
  return [...believed.maps].every(([name, elements]) => {
    const found = now.maps.get(name);
    return found?.size === elements.size && [...elements].every(([key, value]) => found.get(key) === value);
  });
}
