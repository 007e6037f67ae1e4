/** The `dhcp` role: what wakes a network's key, and the four steps (observe, plan, apply, remember) for it. */
import type { Host, HostEvent, ProcessState } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { CONVERGED, type Outcome, type Shortfall } from '../../reconcile/controller.ts';
import { dhcpGroup, hostGroup, type PortBody, splitKey } from '../../resources/agent-view.ts';
import type { ObjectChange, RoleAgent, World } from '../role.ts';
import {
  add,
  type Applied,
  complaintOf,
  endCopies,
  reload,
  remove,
  start,
  type Texts,
  type Tools,
} from './apply.ts';
import { Bulk } from './bulk.ts';
import {
  DEFAULT_SETTINGS,
  type Desired,
  type DesiredNetwork,
  desiredOf,
  DHCP_OWNER,
  type DhcpSettings,
  namespaceOf,
  processNameOf,
} from './desired.ts';
import { configHash, renderConf, renderOptions, TABLE } from './dnsmasq.ts';
import { isDomain, isNumber, isUuid, isV4, isV6 } from './grammar.ts';
import { InotifyLimits } from './inotify.ts';
import { observeFiles, observeWiring, paths } from './observe.ts';
import type { ObservedFiles } from './observed.ts';
import { COALESCE_MS, planService, planWiring, type ServicePlan } from './plan.ts';
import { TablePatrol } from './table-patrol.ts';
import { Wiring } from './wiring.ts';
import { assert } from '../../lib/assert.ts';

export interface DhcpAgentOptions {
  readonly host: Host;
  readonly world: World;
  readonly hostName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly leaseSeconds?: number;
  readonly dnsDomain?: string;
  /** dnsmasq's user; '' where the agent's user namespace maps no other. */
  readonly user?: string;
  readonly upstreamDns?: readonly string[];
  /** What was removed may stay in dnsmasq's memory this long, so that many removals are one reload. */
  readonly coalesceMs?: number;
  /** false: count a file as read when it is written. For hosts without a real dnsmasq. */
  readonly confirm?: boolean;
}

/** What is known of one network; lost with the process, and never more than a shortcut. */
interface Known {
  files: ObservedFiles | null | undefined;
  /** Grows when another hand changes one of them: what was read before does not hold. */
  fileNews: number;
  rejected: readonly Shortfall[];
  staleSince: number | null;
  startedAt: number | null;
  /** How many things the network has, for `configurations`. */
  subnets: number;
  ports: number;
  watched: boolean;
  /** The dnsmasq that does not hear of added files, though it was started to. */
  deafPid: number | null;
}

const NOTHING: ObservedFiles = {
  conf: null,
  options: null,
  torn: true,
  ports: new Map(),
  untidy: true,
  reloading: null,
  unconfirmed: false,
  rejected: [],
};

/** A full disk is soon found to have room again: a try costs little. */
const FULL_RETRY_MS = 1_000;
/** Files of a network's directory that dnsmasq writes, or that say nothing of what it serves. */
const NOT_FOLLOWED = ['log', 'leases', 'reloading'];
/** That many dnsmasq that died while they reloaded are no coincidence. */
const RELOAD_DEATHS = 2;

function settingsOf(options: DhcpAgentOptions): DhcpSettings {
  const settings: DhcpSettings = {
    leaseSeconds: options.leaseSeconds ?? DEFAULT_SETTINGS.leaseSeconds,
    dnsDomain: options.dnsDomain ?? DEFAULT_SETTINGS.dnsDomain,
    user: options.user ?? DEFAULT_SETTINGS.user,
    upstreamDns: options.upstreamDns ?? DEFAULT_SETTINGS.upstreamDns,
  };
  // dnsmasq itself raises anything below two minutes.
  assert(isNumber(String(settings.leaseSeconds), 120, 2 ** 31), 'a lease time of 120 s at least');
  assert(isDomain(settings.dnsDomain), 'a DNS domain');
  assert(/^[a-z_][a-z0-9_-]{0,31}$|^$/.test(settings.user), "a user name for dnsmasq, or ''");
  assert(
    settings.upstreamDns.every((ip) => isV4(ip) || isV6(ip)),
    'addresses of DNS servers',
  );
  return settings;
}

/** The `dhcp` role of an agent. */
export function createDhcpAgent(options: DhcpAgentOptions): RoleAgent {
  return new DhcpAgent(options);
}

class DhcpAgent implements RoleAgent {
  readonly role = 'dhcp';
  readonly #world: World;
  readonly #tools: Tools;
  readonly #bulk: Bulk;
  readonly #wiring: Wiring;
  readonly #limits: InotifyLimits;
  readonly #tables: TablePatrol;
  readonly #known = new Map<string, Known>();
  readonly #coalesceMs: number;
  #reloadDeaths = 0;

  constructor(options: DhcpAgentOptions) {
    this.#world = options.world;
    this.#coalesceMs = options.coalesceMs ?? COALESCE_MS;
    this.#tools = {
      host: options.host,
      clock: options.clock,
      settings: settingsOf(options),
      confirm: options.confirm ?? true,
    };
    this.#bulk = new Bulk(options.host);
    this.#wiring = new Wiring(this.#tools, this.#bulk);
    this.#limits = new InotifyLimits(options.host);
    this.#tables = new TablePatrol(options.host, this.#wiring);
  }

  *keysOf({ group, key, before, after }: ObjectChange): Iterable<string> {
    const { kind, id } = splitKey(group);
    if (kind === 'dhcp') yield `network/${id}`;
    else if (kind === 'network') {
      const known = this.#known.has(id) || this.#world.group(dhcpGroup(id)) !== undefined;
      if (key === group && known) yield group;
    } else if (group === hostGroup(this.#world.host) && key.startsWith('port/')) {
      for (const body of [before, after] as (PortBody | undefined)[]) {
        if (body?.device_owner === DHCP_OWNER) yield `network/${body.network_id}`;
      }
    }
  }

  keysOfHostEvent(event: HostEvent): Iterable<string> | 'all' | 'patrol' {
    if (event.type === 'overflow') {
      this.#bulk.forget();
      this.#wiring.distrustAll();
      return 'all';
    }
    if (event.type === 'process-ended' || event.type === 'process-stuck') {
      const id = event.name.replace(/^dnsmasq-/, '');
      return this.#known.has(id) ? [`network/${id}`] : [];
    }
    if (event.type === 'file') return this.#onFile(event.path);
    if (event.type === 'inside') return event.what === TABLE || event.what === 'unknown' ? 'patrol' : [];
    const id = this.#wiring.onEvent(event);
    return id === null ? [] : [`network/${id}`];
  }

  #onFile(path: string): string[] {
    const [top, id = '', name] = path.split('/');
    const known = top === 'dhcp' ? this.#known.get(id) : undefined;
    if (known === undefined) return [];
    known.files = undefined;
    known.fileNews++;
    // The table's mark lies there, or the whole directory went with it.
    if (name === 'table' || name === undefined) this.#wiring.distrust(id);
    return [`network/${id}`];
  }

  async allKeys(): Promise<string[]> {
    const { host } = this.#tools;
    const ids = new Set<string>();
    for (const group of this.#world.groups()) if (group.startsWith('dhcp/')) ids.add(splitKey(group).id);
    for (const name of await host.listFiles('dhcp')) ids.add(name);
    for (const name of await host.processes())
      if (name.startsWith('dnsmasq-')) ids.add(name.slice('dnsmasq-'.length));
    for (const name of await host.namespaces()) {
      const id = name.startsWith('qdhcp-') ? name.slice('qdhcp-'.length) : '';
      if (id !== '' && !ids.has(id) && (await this.#isOurs(id))) ids.add(id);
    }
    return [...ids].filter(isUuid).map((id) => `network/${id}`);
  }

  /** Another program's namespace may bear the same name (Neutron's agent on the same host): ours holds our table. */
  async #isOurs(id: string): Promise<boolean> {
    return (await this.#tools.host.rulesetMark(namespaceOf(id), TABLE)) !== null;
  }

  async observeAll(): Promise<void> {
    await this.#limits.raise();
    await this.#bulk.read();
    this.#wiring.distrustAll();
    for (const known of this.#known.values()) known.files = undefined;
  }

  async patrol(scope: 'all' | 'next'): Promise<string[]> {
    const bare = await this.#tables.look([...this.#known.keys()], scope);
    return bare.map((id) => `network/${id}`);
  }

  configurations(): Record<string, unknown> {
    const served = [...this.#known.values()];
    const reloadOnly = served.filter((known) => !known.watched).length;
    return {
      dhcp_driver: 'dnsmasq',
      dhcp_lease_duration: this.#tools.settings.leaseSeconds,
      networks: served.length,
      subnets: served.reduce((sum, known) => sum + known.subnets, 0),
      ports: served.reduce((sum, known) => sum + known.ports, 0),
      inotify: this.#limits.raised ? 'raised' : 'as the host has it',
      // Networks beyond what the host lets us watch: there a new port costs a reload.
      networks_by_reload: reloadOnly,
      dnsmasq_reload: this.#reloadDeaths < RELOAD_DEATHS ? 'signal' : 'restart',
    };
  }

  async reconcile(key: string, signal: AbortSignal): Promise<Outcome> {
    const { kind, id } = splitKey(key);
    if (kind !== 'network' || !isUuid(id)) return CONVERGED;
    try {
      const desired = desiredOf(this.#world, id, this.#tools.settings);
      if (desired.kind === 'absent') return await this.#remove(id);
      if (desired.kind === 'waiting') {
        return { shortfalls: [{ object: '', state: 'waiting', reason: desired.reason }] };
      }
      return await this.#serve(desired, signal);
    } catch (error) {
      this.#wiring.distrust(id);
      const known = this.#known.get(id);
      if (known) known.files = undefined;
      if (!isFull(error)) throw error;
      return { shortfalls: [{ object: '', state: 'failed', reason: error.message }], again: FULL_RETRY_MS };
    }
  }

  forget(key: string): void {
    const { id } = splitKey(key);
    this.#wiring.distrust(id);
    const known = this.#known.get(id);
    if (known) known.files = undefined;
  }

  /**
   * Ends a dnsmasq that does nothing, or whose link or namespace is not there any more, and forgets all that was seen of
   * the network: what is missing then is made anew. One that serves stays.
   */
  async rebuild(key: string): Promise<void> {
    const { host, settings } = this.#tools;
    const { id } = splitKey(key);
    this.forget(key);
    const desired = desiredOf(this.#world, id, settings);
    if (desired.kind !== 'served') return;
    const { network } = desired;
    const process = await host.findProcess(network.processName);
    if (process === null) return;
    const wiring = await observeWiring(host, id, network.tap);
    // In a namespace without a name it may serve all the same.
    const isCutOff = wiring.namespace && planWiring(network, wiring).fresh;
    if (process.stuck !== null || isCutOff) await host.stopProcess(network.processName, 0);
  }

  async #remove(id: string): Promise<Outcome> {
    const { host } = this.#tools;
    const network = { id, namespace: namespaceOf(id), processName: processNameOf(id) };
    const marked =
      (await host.listFiles(paths(id).directory)).length > 0 ||
      (await host.findProcess(network.processName)) !== null;
    const left = marked || ((await host.namespaces()).has(network.namespace) && (await this.#isOurs(id)));
    this.#known.delete(id);
    this.#wiring.drop(id);
    if (!left) return CONVERGED;
    this.#bulk.touch(id);
    await remove(this.#tools, network);
    return { shortfalls: [], repaired: true };
  }

  #knownOf(network: DesiredNetwork): Known {
    const found = this.#known.get(network.id);
    if (found) return found;
    const fresh: Known = {
      files: undefined,
      fileNews: 0,
      rejected: [],
      staleSince: null,
      startedAt: null,
      subnets: 0,
      ports: 0,
      watched: true,
      deafPid: null,
    };
    this.#known.set(network.id, fresh);
    return fresh;
  }

  async #serve(desired: Desired & { kind: 'served' }, signal: AbortSignal): Promise<Outcome> {
    const { network } = desired;
    const { host } = this.#tools;
    const known = this.#knownOf(network);
    known.subnets = network.subnets.length;
    known.ports = network.entries.size;
    const wired = await this.#wiring.ensure(network);
    if (wired.failure !== null) {
      return { shortfalls: [{ object: '', state: 'failed', reason: wired.failure }, ...desired.shortfalls] };
    }
    if (known.files === undefined) {
      // Before it is read: what changes meanwhile is told.
      await this.#follow(network.id);
      known.files = await observeFiles(host, network.id, this.#tools.confirm);
      known.rejected = known.files?.rejected ?? [];
    }
    const process = await host.findProcess(network.processName);
    // What runs unwatched stays so until it has to be started for another reason.
    if (process !== null) known.watched = this.#isWatched(network, known, process);
    const plan = this.#plan(network, known, { fresh: wired.fresh, process });
    const { fileNews } = known;
    const failure = await this.#apply(network, known, plan, signal);
    if (known.fileNews !== fileNews) known.files = undefined;
    const shortfalls = [...desired.shortfalls, ...known.rejected, ...plan.shortfalls];
    if (failure !== null) shortfalls.unshift({ object: '', state: 'failed', reason: failure });
    return {
      shortfalls,
      repaired: wired.changed || plan.service.op !== 'none',
      ...againOf([plan.againMs, wired.againMs]),
    };
  }

  /** What of the network's files another hand changes is told from now on. */
  async #follow(id: string): Promise<void> {
    const { host } = this.#tools;
    const at = paths(id);
    await host.watchDirectory('dhcp');
    await host.watchDirectory(at.directory, NOT_FOLLOWED);
    await host.watchDirectory(at.hosts);
    await host.watchDirectory(at.names);
  }

  /** Whether the running dnsmasq was started to read files that are added; what lies there now may be another's. */
  #isWatched(network: DesiredNetwork, known: Known, process: ProcessState): boolean {
    const { settings } = this.#tools;
    for (const watched of [true, false])
      if (process.configHash === configHash({ network, settings, watched })) return watched;
    return known.files?.conf == null ? known.watched : known.files.conf.includes('\ndhcp-hostsdir=');
  }

  #texts(network: DesiredNetwork, watched: boolean): Texts {
    const { host, settings } = this.#tools;
    const directory = host.absolute(paths(network.id).directory);
    return {
      conf: renderConf({ network, settings, directory, watched }),
      options: renderOptions(network),
      hash: configHash({ network, settings, watched }),
    };
  }

  #plan(
    network: DesiredNetwork,
    known: Known,
    found: { fresh: boolean; process: ProcessState | null },
  ): ServicePlan {
    const now = this.#tools.clock.now();
    const { conf, options, hash } = this.#texts(network, known.watched);
    return planService({
      ...found,
      network,
      conf,
      options,
      hash,
      files: known.files ?? NOTHING,
      watched: known.watched && (found.process === null || found.process.pid !== known.deafPid),
      reloadable: this.#reloadDeaths < RELOAD_DEATHS,
      coalesceMs: this.#coalesceMs,
      staleForMs: known.staleSince === null ? null : now - known.staleSince,
      startedForMs: known.startedAt === null ? null : now - known.startedAt,
    });
  }

  /** null: done. Otherwise why not. */
  async #apply(
    network: DesiredNetwork,
    known: Known,
    plan: ServicePlan,
    signal: AbortSignal,
  ): Promise<string | null> {
    const { service } = plan;
    known.staleSince = plan.stale ? (known.staleSince ?? this.#tools.clock.now()) : null;
    if (service.op === 'none') return null;
    if (service.op === 'rewrite') {
      await this.#tools.host.writeFile(paths(network.id).conf, this.#texts(network, known.watched).conf);
      known.files = undefined;
      return null;
    }
    if (service.op === 'start') return this.#start(network, known, signal);
    const texts = this.#texts(network, known.watched);
    if (service.op === 'add') {
      const before = known.files;
      known.files = undefined;
      const added = await add(this.#tools, network, { portIds: service.portIds, signal });
      if (added === 'done' && before) {
        known.files = withAdded(before, network, service.portIds);
        return null;
      }
      if (added === 'ended' || added === 'stuck') return this.#start(network, known, signal);
      if (added === 'silent' && !signal.aborted)
        known.deafPid = (await this.#tools.host.findProcess(network.processName))?.pid ?? null;
      return this.#reload(network, known, { texts, releases: plan.releases, signal });
    }
    return this.#reload(network, known, { texts, releases: plan.releases, signal });
  }

  async #reload(
    network: DesiredNetwork,
    known: Known,
    run: Parameters<typeof reload>[2],
  ): Promise<string | null> {
    known.files ??= await observeFiles(this.#tools.host, network.id, this.#tools.confirm);
    const before = known.files;
    const applied = await reload(this.#tools, network, run);
    known.files = undefined;
    if (applied.done || applied.why === 'unreadable') return this.#outcome(known, applied);
    if (run.signal.aborted) return 'the agent is ending';
    if (applied.why === 'ended') this.#reloadDeaths++;
    // With the files as they were before: they say whom the IPv6 leases belong to.
    known.files = before;
    return this.#start(network, known, run.signal);
  }

  async #start(network: DesiredNetwork, known: Known, signal: AbortSignal): Promise<string | null> {
    const files = known.files ?? null;
    known.files = undefined;
    known.startedAt = this.#tools.clock.now();
    known.watched = true;
    const applied = await start(this.#tools, network, { texts: this.#texts(network, true), files, signal });
    if (applied.done || applied.why !== 'ended') return this.#outcome(known, applied);
    const complaint = await complaintOf(this.#tools, network);
    if (complaint !== null) return `dnsmasq refuses its configuration: ${complaint}`;
    if (await endCopies(this.#tools, network)) {
      const alone = await start(this.#tools, network, { texts: this.#texts(network, true), files, signal });
      return this.#outcome(known, alone);
    }
    // It takes the configuration and yet ends at once: the kernel gave it no inotify instance.
    known.watched = false;
    const again = await start(this.#tools, network, { texts: this.#texts(network, false), files, signal });
    return this.#outcome(known, again);
  }

  #outcome(known: Known, applied: Applied): string | null {
    if (applied.done) {
      known.rejected = applied.rejected;
      return null;
    }
    if (applied.why === 'ended') return 'dnsmasq ends as soon as it is started';
    if (applied.why === 'stuck') return 'dnsmasq does nothing as soon as it is started';
    if (applied.why === 'silent') return 'dnsmasq does not get ready in time';
    const { user } = this.#tools.settings;
    return `dnsmasq's user '${user}' may not read below ${this.#tools.host.absolute('dhcp')}: open the directories above`;
  }
}

const isFull = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');

/** The earliest of these times, if there is any. */
function againOf(times: readonly (number | null)[]): { again?: number } {
  const some = times.filter((ms) => ms !== null);
  return some.length === 0 ? {} : { again: Math.max(1, Math.ceil(Math.min(...some))) };
}

/** What the directory holds after files for these ports were added and read. */
function withAdded(files: ObservedFiles, network: DesiredNetwork, portIds: readonly string[]): ObservedFiles {
  const ports = new Map(files.ports);
  for (const portId of portIds) {
    const entry = network.entries.get(portId);
    if (entry) ports.set(portId, { hosts: entry.hosts, names: entry.names });
  }
  return { ...files, ports };
}
