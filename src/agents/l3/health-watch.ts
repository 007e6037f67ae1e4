/**
 * Follows what bears on the health of this host's replicas, and says what follows from it, router by router.
 *
 *   reachability.ts  who answers ──┐
 *   carriers.ts      which links carry ├─> health.ts: costs ──> hold-down.ts: since when ──> Health
 *   checks.ts        what scripts say ─┘
 *
 * Worse counts at once, better after a while without: longer for stand-bys, so that where all get well again together the
 * active is the first and nothing moves. What is held is kept in a file: a new life of the agent is no way to get well.
 */
import type { Host, HostEvent } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Body } from '../../resources/agent-view.ts';
import type { CheckReport, PeerReport, ReplicaState } from '../../resources/replica-report.ts';
import type { World } from '../role.ts';
import { Carriers } from './carriers.ts';
import type { CheckScript } from './check-script.ts';
import type { Verdict } from './check-verdict.ts';
import { CheckWords } from './check-words.ts';
import { Checks } from './checks.ts';
import {
  type Carrier,
  carrierFinding,
  type Finding,
  type Health,
  type HealthSource,
  managementFinding,
  pathState,
  penaltyOf,
  tunnelFinding,
} from './health.ts';
import {
  checkTimes,
  type Held,
  heldUntil,
  hold,
  holdMs,
  type HoldTimes,
  linkTimes,
  UNHELD,
} from './hold-down.ts';
import { parseHeld, renderHeld } from './held-file.ts';
import { Reachability } from './reachability.ts';
import { RivalWatch } from './rivals.ts';
import type { IsolationRule } from './isolation.ts';
import { IsolationWatch } from './isolation-watch.ts';
import { haRouters, outsideOf, peersOf, placeOf, targetsOf, witnessTargets } from './surroundings.ts';

export interface HealthOptions {
  readonly host: Host;
  readonly world: World;
  readonly clock: Clock;
  /** '' for none. */
  readonly tunnelIp: string;
  readonly managementIp?: string;
  /** Physical network to the link that carries it. */
  readonly externalLinks: ReadonlyMap<string, string>;
  readonly checks: readonly CheckScript[];
  /** Who checks are run as; '' where this process may become nobody else. */
  readonly checkUser: string;
  /** How long a link, or a path, has to be well before that counts, the first time. */
  readonly linkHoldMs: number;
  /** The same for checks. */
  readonly checkHoldMs: number;
  /** Default: off. */
  readonly isolation?: IsolationRule;
  /** Addresses that should answer whoever is in good company: servers, and what the operator names. */
  readonly witnesses?: readonly string[];
  readonly onFailure: (error: unknown) => void;
}

const FILE = 'health.json';
/**
 * What a link cost counts by half while it is only held down: whoever ails right now is worse off, also where all others have
 * been cut off a while ago. Not at once, and for stand-bys later still: what heals for all is not found out by all in the same
 * instant, and nothing is to move by that. Checks keep all of it, so that scripts that answer by chance move little.
 */
const HELD_SHARE = 0.5;
const SURE_MS = 1_500;
const isCheck = (source: string) => source.startsWith('check ');

/** By so much stand-bys are later to be well again. */
const LEAD_MS = 1_500;
const LOOK_MS = 1_000;
/** What is not known by then is taken for well. */
const KNOWN_WITHIN_MS = 3_000;
const RETRY_MS = 1_000;
/** That it is there says that somebody answered this host, in whatever life. */
const HEARD = 'heard';
/** Whoever answers has by then. */
const ANSWERED_WITHIN_MS = 2_000;

/** By source: `tunnel`, `tunnel link`, `external link`, `check <name>`. */
interface Sources {
  readonly held: Map<string, Held>;
  /** What was last said of it while it cost something. */
  readonly reasons: Map<string, string>;
  /** Those that got worse while this replica was the active. */
  readonly asActive: Set<string>;
}

export function createHealth(options: HealthOptions): HealthSource {
  return new HealthWatch(options);
}

class HealthWatch implements HealthSource {
  readonly #options: HealthOptions;
  readonly #reachability: Reachability;
  readonly #carriers: Carriers;
  readonly #checks: Checks;
  readonly #isolation: IsolationWatch;
  readonly #rivals: RivalWatch;
  readonly #sources = new Map<string, Sources>();
  readonly #roles = new Map<string, ReplicaState>();
  /** What was last told, by router. */
  readonly #said = new Map<string, string>();
  #routers: ReadonlyMap<string, ReadonlyMap<string, Body>> = new Map();
  #listener: (routerId: string | null) => void = () => undefined;
  readonly #words = new CheckWords();
  #onWords: () => void = () => undefined;
  #isKnown = false;
  #cancelWake: (() => void) | undefined;
  #kept = '';
  #keeping: Promise<void> = Promise.resolve();

  constructor(options: HealthOptions) {
    const { host, clock, world, tunnelIp, externalLinks, onFailure } = options;
    const onChange = () => this.#evaluate();
    this.#options = options;
    const onAnswers = () => {
      this.#isolation.heard();
      onChange();
    };
    this.#reachability = new Reachability({
      ...{ host, clock, onChange: onAnswers, onFailure },
      onDoubt: () => this.#isolation.doubt(),
      onPeersDoubted: onChange,
      onHush: (isHushed) => this.#isolation.hush(isHushed),
    });
    this.#isolation = new IsolationWatch({
      ...{ host, clock, rule: options.isolation ?? 'off', onChange, onFailure },
      routers: () => this.#claims(),
      anybody: () => this.#reachability.anybody(),
      isCut: () => this.#carriers.isCut,
      heardAt: () => this.#reachability.heardAt,
      carries: (link) => this.#carriers.external(link)?.isUp ?? null,
    });
    this.#rivals = new RivalWatch({
      ...{ host, clock, routers: () => this.#claims(), onChange, onFailure },
      carries: (link) => this.#carriers.external(link)?.isUp ?? false,
    });
    const external = [...externalLinks.values()];
    this.#carriers = new Carriers({
      ...{ host, clock, tunnel: tunnelIp, management: options.managementIp ?? '', external },
      ...{ onChange: onAnswers, onFailure },
    });
    this.#checks = new Checks({
      ...{ host, clock, hostName: world.host, scripts: options.checks, user: options.checkUser },
      routers: () => this.#routers,
      onChange,
      onFailure,
    });
  }

  onChange(listener: (routerId: string | null) => void): void {
    this.#listener = listener;
  }

  onWords(listener: () => void): void {
    this.#onWords = listener;
  }

  tellRole(routerId: string, role: ReplicaState): void {
    this.#roles.set(routerId, role);
    this.#checks.tellRole(routerId, role);
    this.#isolation.tellRole(routerId, role);
    this.#rivals.tellRole(routerId, role);
  }

  tellHeld(routerId: string, isHeld: boolean): void {
    this.#isolation.tellHeld(routerId, isHeld);
  }

  onHostEvent(event: HostEvent): void {
    this.#carriers.onHostEvent(event);
    this.#checks.onHostEvent(event);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { host, clock, onFailure } = this.#options;
    this.#kept = (await host.readFile(FILE).catch(() => null)) ?? '';
    for (const [routerId, kept] of parseHeld(this.#kept, clock.now()))
      this.#sources.set(routerId, { ...kept, asActive: new Set() });
    const begunAt = clock.now();
    let wasHeard = (await host.readFile(HEARD).catch(() => null)) !== null;
    let isHeardKept = wasHeard;
    const parts = Promise.all([
      this.#carriers.run(signal),
      this.#checks.run(signal),
      this.#isolation.run(signal),
      this.#rivals.run(signal),
    ]);
    while (!signal.aborted) {
      this.#routers = haRouters(this.#options.world);
      const targets = targetsOf(this.#options.world);
      const { witnesses = [] } = this.#options;
      this.#reachability.ask(targets.length === 0 ? [] : [...targets, ...witnessTargets(witnesses)]);
      if (clock.now() - begunAt >= KNOWN_WITHIN_MS) this.#isKnown = true;
      if (wasHeard && clock.now() - begunAt >= ANSWERED_WITHIN_MS) {
        wasHeard = false;
        this.#isolation.wasHeardBefore();
      }
      this.#evaluate();
      if (!isHeardKept && this.#isolation.wasHeard) {
        isHeardKept = true;
        await host.writeFile(HEARD, '').catch(onFailure);
      }
      await sleep(clock, LOOK_MS, signal);
    }
    this.#cancelWake?.();
    this.#reachability.stop();
    await Promise.all([parts, this.#keeping]).catch(onFailure);
  }

  current(routerId: string): Health | null {
    return this.#isKnown ? this.#healthOf(routerId) : null;
  }

  /** Looks at all again, and tells whose health is another. */
  #evaluate(): void {
    this.#isKnown ||= this.#carriers.isKnown && this.#reachability.isKnown;
    if (!this.#isKnown) return;
    for (const routerId of [...this.#sources.keys()]) {
      if (this.#routers.has(routerId)) continue;
      for (const map of [this.#sources, this.#roles, this.#said]) map.delete(routerId);
    }
    const judged = [...this.#routers.keys()].flatMap((routerId) =>
      this.#checks
        .verdicts(routerId)
        .map(({ script, verdict }) => ({ routerId, name: script.name, verdict })),
    );
    if (this.#words.follow(this.#options.clock.now(), judged)) this.#onWords();
    for (const routerId of this.#routers.keys()) {
      this.#measure(routerId);
      const { checks, ...health } = this.#healthOf(routerId);
      const said = JSON.stringify([health, checks.map(({ name, ok }) => [name, ok])]);
      if (this.#said.get(routerId) === said) continue;
      this.#said.set(routerId, said);
      this.#listener(routerId);
    }
    this.#wakeLater();
    this.#keep();
  }

  *#claims() {
    const { world, externalLinks } = this.#options;
    for (const [id, objects] of this.#routers) {
      const { physicalNetwork = null, address = null } = outsideOf(world, id) ?? {};
      const link = externalLinks.get(physicalNetwork ?? '');
      const claim = link === undefined || address === null ? null : { link, address };
      yield { id, place: placeOf(world, objects), claim };
    }
  }

  /** What is found now, by source. */
  #findings(routerId: string): Map<string, Finding | null> {
    const { world, externalLinks, checks } = this.#options;
    const link = externalLinks.get(outsideOf(world, routerId)?.physicalNetwork ?? '');
    const carrier = (one: Carrier | null) => (one === null ? null : carrierFinding(one));
    const verdicts = new Map(this.#checks.verdicts(routerId).map((one) => [one.script.name, one]));
    return new Map<string, Finding | null>([
      ['tunnel', tunnelFinding(this.#reachability.answers('tunnel'))],
      ['management', managementFinding(this.#halfSilent(routerId))],
      ['tunnel link', carrier(this.#carriers.tunnel())],
      ['external link', link === undefined ? null : carrier(this.#carriers.external(link))],
      ...checks.map(({ name }) => [`check ${name}`, checkFinding(verdicts.get(name))] as const),
    ]);
  }

  #leadMs(routerId: string): number {
    return this.#roles.get(routerId) === 'active' ? 0 : LEAD_MS;
  }

  #times(source: string, routerId: string): HoldTimes {
    const { linkHoldMs, checkHoldMs } = this.#options;
    const isActive = this.#roles.get(routerId) === 'active';
    const leadMs = this.#leadMs(routerId);
    if (!isCheck(source)) return linkTimes(linkHoldMs + leadMs);
    return checkTimes(checkHoldMs + leadMs, !isActive && this.#sourcesOf(routerId).asActive.has(source));
  }

  #measure(routerId: string): void {
    const now = this.#options.clock.now();
    const { held, reasons } = this.#sourcesOf(routerId);
    for (const [source, finding] of this.#findings(routerId)) {
      const penalty = finding?.penalty ?? 0;
      // Not known is not well: what was found before holds on.
      if (isCheck(source) && finding === null && !this.#isJudged(routerId, source)) continue;
      const times = this.#times(source, routerId);
      const before = held.get(source) ?? UNHELD;
      const after = hold(before, penalty, { now, times });
      held.set(source, after);
      if (after.penalty > before.penalty) this.#rose(routerId, source);
      if (finding !== null && finding.penalty > 0) reasons.set(source, finding.reason);
    }
  }

  #rose(routerId: string, source: string): void {
    const { asActive } = this.#sourcesOf(routerId);
    if (this.#roles.get(routerId) === 'active') asActive.add(source);
    else asActive.delete(source);
  }

  #isJudged(routerId: string, source: string): boolean {
    return this.#checks.verdicts(routerId).some(({ script, verdict }) => {
      return `check ${script.name}` === source && verdict.standing !== 'unknown';
    });
  }

  #healthOf(routerId: string): Health {
    const { held, reasons } = this.#sourcesOf(routerId);
    const sureMs = SURE_MS + this.#leadMs(routerId);
    const findings = [...this.#findings(routerId)].flatMap(([source, finding]): Finding[] => {
      const one = held.get(source) ?? UNHELD;
      const found = finding?.penalty ?? 0;
      if (one.penalty <= found) return finding === null ? [] : [{ ...finding, penalty: one.penalty }];
      const seconds = Math.round(holdMs(one, this.#times(source, routerId)) / 1000);
      const was = reasons.get(source) ?? source;
      const isSure = one.better !== null && this.#options.clock.now() - one.better.since >= sureMs;
      const penalty =
        isSure && !isCheck(source) ? Math.max(found, Math.round(one.penalty * HELD_SHARE)) : one.penalty;
      return [{ penalty, reason: `${was} (no more: that counts in full after ${seconds} s of it)` }];
    });
    const { penalty, reasons: ailments } = penaltyOf(findings);
    const away = this.#isolation.away(routerId);
    const rival = this.#rivals.isRivalOf(routerId);
    const doubts = this.#roles.get(routerId) === 'active' && this.#reachability.arePeersDoubted;
    return {
      penalty,
      reasons: away === null ? ailments : [away, ...ailments],
      ...(away === null ? {} : { isAway: true }),
      ...(this.#isolation.isHeldBack(routerId) ? { isHeldBack: true } : {}),
      ...(this.#isolation.isGone(routerId) ? { isOtherGone: true } : {}),
      ...(rival === undefined ? {} : { rival }),
      ...(doubts ? { doubts } : {}),
      paths: {
        tunnel: pathState(this.#reachability.answers('tunnel')),
        management: pathState(this.#reachability.answers('management')),
      },
      checks: this.#checks.verdicts(routerId).map((one) => this.#report(routerId, one, held)),
      peers: this.#peersOf(routerId),
    };
  }

  #peersOf(routerId: string): PeerReport[] {
    const answers = this.#reachability.hosts();
    const silentBy = this.#reachability.oneSided();
    return peersOf(this.#options.world, this.#routers.get(routerId)).flatMap((host) => {
      const found = answers.get(host);
      const path = silentBy.get(host);
      return found === undefined ? [] : [{ host, answers: found, ...(path && { silentBy: path }) }];
    });
  }

  #halfSilent(routerId: string): string[] {
    const silentBy = this.#reachability.oneSided();
    const peers = peersOf(this.#options.world, this.#routers.get(routerId));
    return peers.filter((host) => silentBy.get(host) === 'management');
  }

  /** A check that is well but still held is told as failing: for the choice of the active it does. */
  #report(
    routerId: string,
    { script, verdict }: { script: CheckScript; verdict: Verdict },
    held: ReadonlyMap<string, Held>,
  ): CheckReport {
    const now = this.#options.clock.now();
    const isHeld = (held.get(`check ${script.name}`)?.penalty ?? 0) > 0;
    const ok = verdict.standing !== 'fails' && !isHeld;
    const { name } = script;
    const text = this.#words.of({ routerId, name, verdict });
    return { name, ok, forMs: Math.round(now - verdict.since), text };
  }

  #sourcesOf(routerId: string): Sources {
    const known = this.#sources.get(routerId);
    if (known !== undefined) return known;
    const fresh: Sources = { held: new Map(), reasons: new Map(), asActive: new Set() };
    this.#sources.set(routerId, fresh);
    return fresh;
  }

  #wakeLater(): void {
    const { clock } = this.#options;
    let at = Number.POSITIVE_INFINITY;
    for (const [routerId, { held }] of this.#sources)
      for (const [source, one] of held)
        at = Math.min(at, heldUntil(one, this.#times(source, routerId)) ?? Number.POSITIVE_INFINITY);
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#cancelWake = clock.after(Math.max(1, at - clock.now()), () => this.#evaluate());
  }

  /** One writer at a time, and the last state whatever came between. */
  #keep(): void {
    const text = renderHeld(this.#sources);
    if (text === this.#kept) return;
    const { host, clock, onFailure } = this.#options;
    this.#kept = text;
    this.#keeping = this.#keeping
      .then(async () => {
        if (this.#kept === text) await host.writeFile(FILE, text);
      })
      .catch((error) => {
        onFailure(error);
        clock.after(RETRY_MS, () => {
          if (this.#kept === text) this.#kept = '';
        });
      });
  }
}

/** A script that says nothing costs nothing, and is told. */
function checkFinding(one: { script: CheckScript; verdict: Verdict } | undefined): Finding | null {
  if (one === undefined) return null;
  const { script, verdict } = one;
  if (verdict.standing === 'fails')
    return { penalty: script.weight, reason: `check ${script.name} fails: ${verdict.text}` };
  if (verdict.standing === 'broken')
    return { penalty: 0, reason: `check ${script.name} says nothing: ${verdict.text}` };
  return null;
}
