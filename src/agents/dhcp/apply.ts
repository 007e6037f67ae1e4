/** Performs what `plan.ts` decided, through the host. */
import { EndedAtOnce, type Host, type ProcessSpec, type StepResult } from '../../host/host.ts';
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
/** In that time it reads a file of ours, or it does not see its directory any more and has to be told by a reload. */
const ADD_LIMIT_MS = 3_000;
/** Its log may have been closed by a full disk: then it is told to open it anew, and to read all once more. */
const RELOAD_FIRST_MS = 3_000;
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
    // A dnsmasq that runs on in a namespace that lost its name serves: the name comes back, nothing else is touched.
    await host.ensureNamespace(network.namespace, network.processName);
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

/** Reads the log until `enough`; 'ended': dnsmasq is gone; 'stuck': it does nothing; 'silent': it said nothing in time. */
async function follow(
  tools: Tools,
  network: DesiredNetwork,
  wait: { enough: (log: string) => boolean; limitMs: number; signal: AbortSignal },
): Promise<{ log: string } | 'ended' | 'stuck' | 'silent'> {
  const { host, clock } = tools;
  const deadline = clock.now() + wait.limitMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 20)) {
    const found = await host.findProcess(network.processName);
    const log = (await host.readFile(paths(network.id).log)) ?? '';
    if (wait.enough(log)) return { log };
    if (found === null) return 'ended';
    if (found.stuck !== null) return 'stuck';
    if (wait.signal.aborted || clock.now() >= deadline) return 'silent';
    await sleep(clock, pauseMs, wait.signal);
  }
}

export type Applied =
  | { readonly done: true; readonly rejected: readonly Shortfall[] }
  | { readonly done: false; readonly why: 'ended' | 'stuck' | 'silent' | 'unreadable' };

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

/** What a start writes, but for the leases. */
function startTexts(network: DesiredNetwork, texts: Texts): Map<string, string> {
  const at = paths(network.id);
  return new Map([
    [at.conf, texts.conf],
    [at.options, texts.options],
    [at.fence, ''],
    [at.base, renderBase(network.entries, 'hosts')],
    [at.namesBase, renderBase(network.entries, 'names')],
    [`${at.hosts}/.keep`, ''],
    [`${at.names}/.keep`, ''],
  ]);
}

async function primedLeases(
  tools: Tools,
  network: DesiredNetwork,
  files: ObservedFiles | null,
): Promise<{ previous: string; text: string }> {
  const { host, clock, settings } = tools;
  const previous = (await host.readFile(paths(network.id).leases)) ?? '';
  const text = primeLeases({
    entries: network.entries,
    dhcpPortId: network.dhcpPortId,
    previous,
    previousMacs: macsOf(files),
    nowSeconds: Math.floor(clock.wall().getTime() / 1000),
    leaseSeconds: settings.leaseSeconds,
  });
  return { previous, text };
}

/** Whether dnsmasq would read from what lies there just what it is to serve. */
function isWritten(network: DesiredNetwork, files: ObservedFiles | null, texts: Texts): boolean {
  if (files?.conf !== texts.conf || files.options !== texts.options || files.untidy) return false;
  if (files.reloading !== null || files.ports.size !== network.entries.size) return false;
  return [...network.entries].every(([portId, { hosts, names }]) => {
    const have = files.ports.get(portId);
    return have?.hosts === hosts && have.names === names;
  });
}

export interface StartRun {
  readonly texts: Texts;
  readonly files: ObservedFiles | null;
  readonly signal: AbortSignal;
}

/** Differs from every configuration's hash: what was started so is to be started anew. */
const AS_IT_LAY = 'as-it-lay';

/**
 * Starts dnsmasq, or restarts it, with everything written anew and the leases primed. What runs is ended only once there
 * is room for all that. Without room one that is dead is started with what lies there, so that what was served is served
 * again; it throws all the same if that is not what is wanted.
 */
export async function start(tools: Tools, network: DesiredNetwork, run: StartRun): Promise<Applied> {
  const { host } = tools;
  const at = paths(network.id);
  const stop = () => host.stopProcess(network.processName, STOP_GRACE_MS);
  let failure: unknown = null;
  try {
    // Before any other is in place: once they are, nothing tells any more whom an IPv6 lease belonged to.
    const { previous, text } = await primedLeases(tools, network, run.files);
    const writes = new Map([[at.leases, text], ...startTexts(network, run.texts)]);
    await host.writeFiles(writes, async () => {
      await stop();
      const last = await primedLeases(tools, network, run.files);
      // It leased until its end.
      if (last.previous !== previous) writes.set(at.leases, last.text);
    });
    const last = writes.get(at.leases) ?? text;
    // Without room for it, it is as it was a moment before.
    if (last !== text) await host.writeFile(at.leases, last).catch(() => undefined);
  } catch (error) {
    const found = await host.findProcess(network.processName);
    const serves = found !== null && found.stuck === null;
    if (serves || run.files?.conf == null) throw error;
    await stop();
    failure = error;
  }
  const added = failure === null ? [removeAdded(host, at.hosts), removeAdded(host, at.names)] : [];
  await Promise.all([...added, host.removeFile(at.log)]);
  if (failure === null) await host.removeFile(at.reloading);
  const isWanted = failure === null || run.files?.conf === run.texts.conf;
  try {
    await host.startProcess(specOf(tools, network, isWanted ? run.texts.hash : AS_IT_LAY));
  } catch (error) {
    if (error instanceof EndedAtOnce) return { done: false, why: 'ended' };
    throw error;
  }
  if (failure !== null && !isWritten(network, run.files, run.texts)) throw failure;
  if (!tools.confirm) return { done: true, rejected: [] };
  return untilLoaded(tools, network, {
    texts: run.texts,
    from: 0,
    limitMs: START_LIMIT_MS,
    signal: run.signal,
  });
}

function specOf({ host }: Tools, network: DesiredNetwork, configHash: string): ProcessSpec {
  return {
    name: network.processName,
    namespace: network.namespace,
    argv: ['dnsmasq', '--keep-in-foreground', `--conf-file=${host.absolute(paths(network.id).conf)}`],
    configHash,
  };
}

/** Whether another hand had started the same dnsmasq, so that ours could not have its sockets; it is ended. */
export async function endCopies(tools: Tools, network: DesiredNetwork): Promise<boolean> {
  return (await tools.host.endCopies(specOf(tools, network, '').argv)) > 0;
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
 * Everything into the base files, the added files away, the leases away that are no more, SIGHUP, and those leases once more.
 * 'restart': only a restart can do what is left.
 */
export async function reload(
  tools: Tools,
  network: DesiredNetwork,
  run: { texts: Texts; releases: readonly Release[]; signal: AbortSignal },
): Promise<Applied | { readonly done: false; readonly why: 'restart' }> {
  const { host } = tools;
  const { texts, releases } = run;
  const at = paths(network.id);
  const marks = new Map([[at.reloading, renderReloading(releases)]]);
  // Not the conf: it says what runs was started with.
  await host.writeFiles(new Map([...startTexts(network, texts)].filter(([path]) => path !== at.conf)), () =>
    host.writeFiles(marks),
  );
  await Promise.all([removeAdded(host, at.hosts), removeAdded(host, at.names)]);
  // An heir that asks right after the reload is refused what another holds; who asks before it may still get it back.
  if (tools.confirm && !(await release(tools, network, releases))) return { done: false, why: 'restart' };
  const before = await shortenedLog(tools, network);
  await host.signalProcess(network.processName, 'HUP');
  const rejections: Shortfall[] = [];
  if (tools.confirm) {
    const wait = { texts, from: before.length, limitMs: RELOAD_FIRST_MS, signal: run.signal };
    let loaded = await untilLoaded(tools, network, wait);
    if (!loaded.done && loaded.why === 'silent' && !run.signal.aborted) {
      await host.signalProcess(network.processName, 'USR2');
      await host.signalProcess(network.processName, 'HUP');
      loaded = await untilLoaded(tools, network, { ...wait, limitMs: RELOAD_LIMIT_MS });
    }
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
): Promise<'done' | 'refused' | 'ended' | 'stuck' | 'silent'> {
  const { host } = tools;
  const at = paths(network.id);
  const entries = run.portIds.flatMap((portId) => {
    const entry = network.entries.get(portId);
    return entry === undefined ? [] : [{ portId, entry }];
  });
  const hosts = entries.filter(({ entry }) => entry.hosts !== '').map(({ portId }) => portId);
  const names = entries.filter(({ entry }) => entry.names !== '').map(({ portId }) => portId);
  const textOf = (portId: string, part: 'hosts' | 'names') => network.entries.get(portId)?.[part] ?? '';
  // The names after the entries: see log.ts.
  await host.writeFiles(
    new Map([
      ...hosts.map((id) => [`${at.hosts}/${id}`, textOf(id, 'hosts')] as const),
      ...names.map((id) => [`${at.names}/${id}`, textOf(id, 'names')] as const),
    ]),
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
