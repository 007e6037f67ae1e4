/** Desired against observed, to what is to be done. Pure; `apply.ts` does it. */
import type { Link, LinkStep, ProcessState } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import { claimsIn } from './dnsmasq.ts';
import type { DesiredNetwork } from './desired.ts';
import type { ObservedFiles, ObservedWiring, Release } from './observed.ts';

/** Removals whose address nobody else wants wait this long for company, unless told otherwise. */
export const COALESCE_MS = 30_000;
/** Between two restarts for the sake of ports' own options. */
export const RESTART_SPACING_MS = 5_000;

export interface WiringPlan {
  readonly makeNamespace: boolean;
  readonly applyTable: boolean;
  readonly hostSteps: readonly LinkStep[];
  readonly innerSteps: readonly LinkStep[];
  /** The link is another than the one dnsmasq has open: it must be started anew. */
  readonly fresh: boolean;
}

const sameSet = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((x) => b.includes(x));

export function planWiring(network: DesiredNetwork, wiring: ObservedWiring): WiringPlan {
  const inner = wiring.inner.find((link) => link.name === network.link);
  const whole = wiring.namespace && wiring.tap !== null && inner !== undefined;
  const others = wiring.inner.filter((link) => link.name !== network.link && link.name.startsWith('ns-'));
  const leftovers: LinkStep[] = others.map((link) => ({ op: 'delete-link', name: link.name }));
  const hostSteps: LinkStep[] = [];
  const innerSteps: LinkStep[] = [...leftovers];
  if (!whole) {
    if (wiring.tap !== null) hostSteps.push({ op: 'delete-link', name: network.tap });
    else if (inner !== undefined) innerSteps.push({ op: 'delete-link', name: network.link });
    const peer = { name: network.link, namespace: network.namespace, mac: network.mac };
    hostSteps.push({ op: 'add-veth', name: network.tap, mtu: network.mtu, peer });
    hostSteps.push({ op: 'set-link', name: network.tap, up: true });
  } else if (wiring.tap !== null && (!wiring.tap.up || wiring.tap.mtu !== network.mtu)) {
    hostSteps.push({ op: 'set-link', name: network.tap, up: true, mtu: network.mtu });
  }
  innerSteps.push(...insideSteps(network, whole ? inner : null, wiring));
  return {
    makeNamespace: !wiring.namespace,
    applyTable: !wiring.namespace || !wiring.table,
    hostSteps,
    innerSteps,
    fresh: !whole,
  };
}

function insideSteps(network: DesiredNetwork, inner: Link | null, wiring: ObservedWiring): LinkStep[] {
  const name = network.link;
  const steps: LinkStep[] = [];
  const have = inner?.addresses ?? [];
  if (!sameSet(have, network.addresses)) {
    for (const address of have)
      if (!network.addresses.includes(address)) steps.push({ op: 'delete-address', link: name, address });
    for (const address of network.addresses)
      if (!have.includes(address)) steps.push({ op: 'add-address', link: name, address });
  }
  if (inner && inner.mac !== network.mac) steps.push({ op: 'set-link', name, mac: network.mac });
  if (inner && inner.mtu !== network.mtu) steps.push({ op: 'set-link', name, mtu: network.mtu });
  if (!inner?.up) steps.push({ op: 'set-link', name, up: true });
  // DHCP's own tools reach dnsmasq at the link's address by way of `lo`.
  if (!wiring.inner.some((link) => link.name === 'lo' && link.up))
    steps.push({ op: 'set-link', name: 'lo', up: true });
  return steps;
}

export interface ServiceInput {
  readonly network: DesiredNetwork;
  readonly conf: string;
  readonly options: string;
  readonly hash: string;
  readonly files: ObservedFiles;
  readonly process: ProcessState | null;
  /** From the wiring: dnsmasq holds a link that is gone. */
  readonly fresh: boolean;
  readonly watched: boolean;
  /** false: this dnsmasq has died of a reload. */
  readonly reloadable: boolean;
  /** Since when something in dnsmasq's memory is not wanted any more, in ms before now; null: nothing was. */
  readonly staleForMs: number | null;
  /** Removals wait this long for company. */
  readonly coalesceMs: number;
  /** Since this agent last started it; null: it did not. */
  readonly startedForMs: number | null;
}

export type Service =
  | { readonly op: 'none' }
  /** The conf file only: what runs was started with this meaning. */
  | { readonly op: 'rewrite' }
  | { readonly op: 'start'; readonly reason: string }
  | { readonly op: 'reload'; readonly reason: string }
  | { readonly op: 'add'; readonly portIds: readonly string[] };

export interface ServicePlan {
  readonly service: Service;
  /** Something is left for later: look again then. */
  readonly againMs: number | null;
  /** dnsmasq remembers what is not wanted any more, and this plan leaves that so for now. */
  readonly stale: boolean;
  /** Leases to give up, should a reload become necessary after all. */
  readonly releases: readonly Release[];
  readonly shortfalls: readonly Shortfall[];
}

export function planService(input: ServiceInput): ServicePlan {
  const { files, network } = input;
  const start = (reason: string): ServicePlan => ({
    service: { op: 'start', reason },
    againMs: null,
    stale: false,
    releases: [],
    shortfalls: [],
  });
  if (input.process === null) return start('it does not run');
  if (input.process.stuck !== null) return start(`it ${input.process.stuck}`);
  if (input.fresh) return start('its link is another');
  if (files.torn) return start('files that it reads or writes are gone');

  const later = input.process.configHash === input.hash ? null : deferredRestart(input);
  if (later === 'now') return start('its configuration changed');

  // By a run of its own, after whatever else is to be done.
  const isEdited = later === null && files.conf !== input.conf;
  const difference = compare(network, files);
  const releases = [...(files.reloading ?? []), ...difference.releases];
  const reload = (reason: string): ServicePlan => {
    if (!input.reloadable) return start(reason);
    return {
      service: { op: 'reload', reason },
      againMs: isEdited ? 0 : (later?.againMs ?? null),
      stale: false,
      releases,
      shortfalls: later?.shortfalls ?? [],
    };
  };
  if (files.reloading !== null) return reload('a reload may not have come to its end');
  if (files.unconfirmed) return reload('what was written may not have been read');
  if (files.options !== input.options) return reload('options changed');
  if (difference.changed) return reload('a port changed, or wants what another had');
  if (difference.missing.length > 0 && !input.watched) return reload('ports were added');

  const waitMs = difference.stale ? input.coalesceMs - (input.staleForMs ?? 0) : null;
  if (waitMs !== null && waitMs <= 0) return reload('ports were removed');
  const isAdding = difference.missing.length > 0;
  const againMs = [waitMs, later?.againMs ?? null, isEdited && isAdding ? 0 : null].filter(
    (ms) => ms !== null,
  );
  return {
    service: isAdding ? { op: 'add', portIds: difference.missing } : { op: isEdited ? 'rewrite' : 'none' },
    againMs: againMs.length > 0 ? Math.min(...againMs) : null,
    stale: difference.stale,
    releases,
    shortfalls: later?.shortfalls ?? [],
  };
}

/**
 * A restart for ports' own options alone may wait a little, so that a hundred of them are one restart; the ports say so.
 * The conf file still holds what the running dnsmasq was started with.
 */
function deferredRestart(input: ServiceInput): 'now' | { againMs: number; shortfalls: Shortfall[] } {
  const waitMs = input.startedForMs === null ? 0 : RESTART_SPACING_MS - input.startedForMs;
  const rest = (conf: string | null) =>
    conf
      ?.split('\n')
      .filter((line) => !line.startsWith('dhcp-mac='))
      .join('\n');
  if (waitMs <= 0 || rest(input.files.conf) !== rest(input.conf)) return 'now';
  const running = new Set(input.files.conf?.split('\n'));
  const shortfalls = input.network.tagged
    .filter((port) => !running.has(`dhcp-mac=set:${port.tag},${port.mac}`))
    .map(
      (port): Shortfall => ({
        object: `port/${port.portId}`,
        state: 'waiting',
        reason: 'its DHCP options come with the next restart of dnsmasq, within seconds',
      }),
    );
  return { againMs: waitMs, shortfalls };
}

interface Difference {
  readonly missing: readonly string[];
  /** A port's lines are others now, or a new port claims what a removed one had: dnsmasq must forget first. */
  readonly changed: boolean;
  /** dnsmasq remembers something that nobody wants any more. */
  readonly stale: boolean;
  readonly releases: readonly Release[];
}

function compare(network: DesiredNetwork, files: ObservedFiles): Difference {
  const missing: string[] = [];
  let changed = files.untidy;
  for (const [portId, entry] of network.entries) {
    const have = files.ports.get(portId);
    if (have === undefined) missing.push(portId);
    else if (have.hosts !== entry.hosts || have.names !== entry.names) changed = true;
  }
  if (files.ports.size + missing.length === network.entries.size && !changed) {
    return { missing, changed, stale: false, releases: [] };
  }

  const wanted = new Set<string>();
  for (const entry of network.entries.values())
    for (const lease of entry.leases) wanted.add(`${lease.mac} ${lease.ip}`);
  const releases: Release[] = [];
  const staleClaims = new Set<string>();
  for (const [portId, have] of files.ports) {
    if (network.entries.get(portId)?.hosts === have.hosts) continue;
    for (const claim of claimsIn(have.hosts)) staleClaims.add(claim);
    for (const release of releasesIn(have.hosts))
      if (!wanted.has(`${release.mac} ${release.ip}`)) releases.push(release);
  }
  const reused = missing.some((portId) =>
    network.entries.get(portId)?.claims.some((claim) => staleClaims.has(claim)),
  );
  return { missing, changed: changed || reused, stale: true, releases };
}

/** The static leases in the lines of a hosts file. */
export function releasesIn(hosts: string): Release[] {
  return hosts.split('\n').flatMap((line) => {
    const words = line.split(',');
    const mac = words[0] ?? '';
    const ip = (words.at(-1) ?? '').replace(/^\[(.*)\]$/, '$1');
    return words.length >= 3 ? [{ mac, ip }] : [];
  });
}
