/** Performs what `plan.ts` decided, through the host. */
import type { Host, StepResult } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import { NAMESPACE_SYSCTLS, renderBase, TABLE_TEXT } from './dnsmasq.ts';
import type { DesiredNetwork, DhcpSettings } from './desired.ts';
import { isV6 } from './grammar.ts';
import { parseLeases, primeLeases } from './leases.ts';
import { parseLog, sinceReload, timesRead } from './log.ts';
import { confirms, paths, rejectedIn, renderReloading } from './observe.ts';
import type { ObservedFiles, Release } from './observed.ts';
import { releasesIn, type WiringPlan } from './plan.ts';

export interface Tools {
  readonly host: Host;
  readonly clock: Clock;
  readonly settings: DhcpSettings;
  /** Whether to wait for dnsmasq's log; false where no real dnsmasq runs. */
  readonly confirm: boolean;
}

/** What a start or a reload writes. */
export interface Texts {
  readonly conf: string;
  readonly options: string;
  readonly hash: string;
}

const STOP_GRACE_MS = 2_000;
const START_LIMIT_MS = 15_000;
const RELOAD_LIMIT_MS = 15_000;
const ADD_LIMIT_MS = 10_000;
const RELEASE_LIMIT_MS = 1_000;
/** More leases than this are given up faster by a restart. */
const RELEASES_AT_MOST = 20;
const LOG_LIMIT_CHARACTERS = 256 << 10;

const firstFailure = (results: readonly StepResult[]): string | null =>
  results.find((result) => result !== null) ?? null;

/** null: wired. Otherwise why not. */
export async function applyWiring(
  tools: Tools,
  network: DesiredNetwork,
  plan: WiringPlan,
): Promise<string | null> {
  const { host } = tools;
  const at = paths(network.id);
  if (plan.makeNamespace) {
    // The directory first: it is what says that the namespace is ours.
    await Promise.all([host.writeFile(`${at.hosts}/.keep`, ''), host.removeFile(at.table)]);
    await host.ensureNamespace(network.namespace);
  }
  if (plan.applyTable) {
    // Also for a namespace that a life before this one got no further with; before there is a link in it.
    await host.setSysctls(network.namespace, NAMESPACE_SYSCTLS);
    await host.applyRuleset(network.namespace, TABLE_TEXT);
    await host.writeFile(at.table, '');
  }
  if (plan.hostSteps.length > 0) {
    const failure = firstFailure(await host.changeLinks(null, plan.hostSteps));
    if (failure !== null) return `link ${network.tap}: ${failure}`;
  }
  if (plan.innerSteps.length > 0) {
    const failure = firstFailure(await host.changeLinks(network.namespace, plan.innerSteps));
    if (failure !== null) return `link ${network.link}: ${failure}`;
  }
  return null;
}

/** Reads the log until `enough`; 'ended': dnsmasq is gone; 'silent': it said nothing in time. */
async function follow(
  tools: Tools,
  network: DesiredNetwork,
  wait: { enough: (log: string) => boolean; limitMs: number; signal: AbortSignal },
): Promise<{ log: string } | 'ended' | 'silent'> {
  const { host, clock } = tools;
  const deadline = clock.now() + wait.limitMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 20)) {
    const alive = (await host.findProcess(network.processName)) !== null;
    const log = (await host.readFile(paths(network.id).log)) ?? '';
    if (wait.enough(log)) return { log };
    if (!alive) return 'ended';
    if (wait.signal.aborted || clock.now() >= deadline) return 'silent';
    await sleep(clock, pauseMs, wait.signal);
  }
}

export type Applied =
  | { readonly done: true; readonly rejected: readonly Shortfall[] }
  | { readonly done: false; readonly why: 'ended' | 'silent' | 'unreadable' };

async function removeAdded(host: Host, directory: string): Promise<void> {
  const names = (await host.listFiles(directory)).filter((name) => !name.startsWith('.'));
  await Promise.all(names.map((name) => host.removeFile(`${directory}/${name}`)));
}

/** Which MAC each address had, as far as the files say. */
function macsOf(files: ObservedFiles | null): Map<string, string> {
  const macs = new Map<string, string>();
  for (const { hosts } of files?.ports.values() ?? [])
    for (const { ip, mac } of releasesIn(hosts)) macs.set(ip, mac);
  return macs;
}

/** Starts dnsmasq, or restarts it, with everything written anew and the leases primed. */
export async function start(
  tools: Tools,
  network: DesiredNetwork,
  run: { texts: Texts; files: ObservedFiles | null; signal: AbortSignal },
): Promise<Applied> {
  const { host, clock, settings } = tools;
  const { texts } = run;
  const at = paths(network.id);
  await host.stopProcess(network.processName, STOP_GRACE_MS);
  const leases = primeLeases({
    entries: network.entries,
    dhcpPortId: network.dhcpPortId,
    previous: (await host.readFile(at.leases)) ?? '',
    previousMacs: macsOf(run.files),
    nowSeconds: Math.floor(clock.wall().getTime() / 1000),
    leaseSeconds: settings.leaseSeconds,
  });
  // Before the others: once they are written, nothing tells any more whom an IPv6 lease belonged to.
  await host.writeFile(at.leases, leases);
  await Promise.all([
    host.writeFile(at.conf, texts.conf),
    host.writeFile(at.options, texts.options),
    host.writeFile(at.fence, ''),
    host.writeFile(at.base, renderBase(network.entries, 'hosts')),
    host.writeFile(at.namesBase, renderBase(network.entries, 'names')),
    host.writeFile(`${at.hosts}/.keep`, ''),
    host.writeFile(`${at.names}/.keep`, ''),
    removeAdded(host, at.hosts),
    removeAdded(host, at.names),
    host.removeFile(at.log),
  ]);
  await host.removeFile(at.reloading);
  await host.startProcess({
    name: network.processName,
    namespace: network.namespace,
    argv: ['dnsmasq', '--keep-in-foreground', `--conf-file=${host.absolute(at.conf)}`],
    configHash: texts.hash,
  });
  if (!tools.confirm) return { done: true, rejected: [] };
  return untilLoaded(tools, network, { texts, from: 0, limitMs: START_LIMIT_MS, signal: run.signal });
}

/** Waits until dnsmasq has read what a start or reload gave it; `from`: where in the log that began. */
async function untilLoaded(
  tools: Tools,
  network: DesiredNetwork,
  wait: { texts: Texts; from: number; limitMs: number; signal: AbortSignal },
): Promise<Applied> {
  const { host } = tools;
  const fence = host.absolute(paths(network.id).fence);
  const isRead = (log: string) => timesRead(log.slice(wait.from), fence) > 0;
  // Every file of ours is as readable as another: where it may not read this one, it reads none.
  const isUnreadable = (log: string) => parseLog(log.slice(wait.from)).errors.some((e) => e.path === fence);
  const enough = (log: string) => isRead(log) || isUnreadable(log);
  const found = await follow(tools, network, { enough, limitMs: wait.limitMs, signal: wait.signal });
  if (typeof found === 'string') return { done: false, why: found };
  if (!isRead(found.log)) return { done: false, why: 'unreadable' };
  const base = renderBase(network.entries, 'hosts');
  const loaded = { host, at: paths(network.id), base, options: wait.texts.options };
  return { done: true, rejected: rejectedIn(found.log, loaded) };
}

/** Why dnsmasq does not start with this configuration; null: it finds nothing wrong with it. */
export async function complaintOf(tools: Tools, network: DesiredNetwork): Promise<string | null> {
  const conf = `--conf-file=${tools.host.absolute(paths(network.id).conf)}`;
  const test = await tools.host.runProgram(network.namespace, ['dnsmasq', '--test', conf]);
  return test.code === 0
    ? null
    : test.stderr.trim().replaceAll(/\s*\n\s*/g, '; ') || `exit code ${test.code}`;
}

/**
 * Everything into the base files, the added files away, SIGHUP, then the leases that are no more. 'restart': only a
 * restart can do what is left.
 */
export async function reload(
  tools: Tools,
  network: DesiredNetwork,
  run: { texts: Texts; releases: readonly Release[]; signal: AbortSignal },
): Promise<Applied | { readonly done: false; readonly why: 'restart' }> {
  const { host } = tools;
  const { texts, releases } = run;
  const at = paths(network.id);
  await host.writeFile(at.reloading, renderReloading(releases));
  await Promise.all([
    host.writeFile(at.options, texts.options),
    host.writeFile(at.fence, ''),
    host.writeFile(at.base, renderBase(network.entries, 'hosts')),
    host.writeFile(at.namesBase, renderBase(network.entries, 'names')),
    removeAdded(host, at.hosts),
    removeAdded(host, at.names),
  ]);
  const before = await shortenedLog(tools, network);
  await host.signalProcess(network.processName, 'HUP');
  const rejections: Shortfall[] = [];
  if (tools.confirm) {
    const wait = { texts, from: before.length, limitMs: RELOAD_LIMIT_MS, signal: run.signal };
    const loaded = await untilLoaded(tools, network, wait);
    if (!loaded.done) return loaded;
    rejections.push(...loaded.rejected);
    if (!(await release(tools, network, releases))) return { done: false, why: 'restart' };
  }
  await host.removeFile(at.reloading);
  return { done: true, rejected: rejections };
}

/** The log as it stands, emptied before if it has grown long: nothing in it is needed after the next reload. */
async function shortenedLog(tools: Tools, network: DesiredNetwork): Promise<string> {
  const { log } = paths(network.id);
  const text = (await tools.host.readFile(log)) ?? '';
  if (text.length < LOG_LIMIT_CHARACTERS) return text;
  // In place: dnsmasq appends to the file that it has open.
  await tools.host.runProgram(null, ['truncate', '--size=0', tools.host.absolute(log)]);
  return '';
}

/**
 * Makes dnsmasq give up leases, on this very dnsmasq: each replica holds its own. false: not by this means. IPv6 leases
 * are known by the client's DUID and go with a restart.
 */
async function release(
  tools: Tools,
  network: DesiredNetwork,
  releases: readonly Release[],
): Promise<boolean> {
  if (releases.length === 0) return true;
  const { host, clock } = tools;
  const held = async () => {
    const leases = parseLeases((await host.readFile(paths(network.id).leases)) ?? '');
    return leases.filter((lease) =>
      releases.some((r) => r.ip === lease.ip && (isV6(r.ip) || r.mac === lease.identity)),
    );
  };
  const first = await held();
  if (first.some((lease) => isV6(lease.ip)) || first.length > RELEASES_AT_MOST) return false;
  for (const lease of first) {
    await host.runProgram(network.namespace, ['dhcp_release', network.link, lease.ip, lease.identity]);
  }
  const deadline = clock.now() + RELEASE_LIMIT_MS;
  for (let pauseMs = 1; first.length > 0 && (await held()).length > 0; pauseMs *= 2) {
    if (clock.now() >= deadline) return false;
    await sleep(clock, pauseMs);
  }
  return true;
}

/** Adds ports to a dnsmasq that runs. 'refused': it complained of one; a reload will show of which. */
export async function add(
  tools: Tools,
  network: DesiredNetwork,
  run: { portIds: readonly string[]; signal: AbortSignal },
): Promise<'done' | 'refused' | 'ended' | 'silent'> {
  const { host } = tools;
  const at = paths(network.id);
  const hosts: string[] = [];
  const names: string[] = [];
  await Promise.all(
    run.portIds.map(async (portId) => {
      const entry = network.entries.get(portId);
      if (entry === undefined) return;
      if (entry.hosts !== '') {
        hosts.push(portId);
        await host.writeFile(`${at.hosts}/${portId}`, entry.hosts);
      }
      // After the entry: see log.ts.
      if (entry.names !== '') {
        names.push(portId);
        await host.writeFile(`${at.names}/${portId}`, entry.names);
      }
    }),
  );
  if (!tools.confirm) return 'done';
  const files = new Set(hosts.map((id) => host.absolute(`${at.hosts}/${id}`)));
  const isRefused = (log: string) =>
    parseLog(sinceReload(log, host.absolute(at.fence))).errors.some((error) => files.has(error.path));
  const found = await follow(tools, network, {
    enough: (log) => confirms(log, { host, at, hosts, names }) || isRefused(log),
    limitMs: ADD_LIMIT_MS,
    signal: run.signal,
  });
  if (typeof found === 'string') return found;
  return isRefused(found.log) ? 'refused' : 'done';
}

/** Nothing of the network is left afterwards; the directory, our mark, goes last. */
export async function remove(
  tools: Tools,
  network: { id: string; namespace: string; processName: string },
): Promise<void> {
  await tools.host.stopProcess(network.processName, STOP_GRACE_MS);
  await tools.host.removeNamespace(network.namespace);
  await tools.host.removeDirectory(paths(network.id).directory);
}
