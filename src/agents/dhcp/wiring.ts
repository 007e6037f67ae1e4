/**
 * The wiring of every network (namespace, link, addresses): what was found or made is believed until something happens to
 * it. Our own changes come back as events of the kernel; how those are told from another hand's is decided here.
 */
import type { HostEvent } from '../../host/host.ts';
import { applyWiring, type Tools } from './apply.ts';
import type { Bulk } from './bulk.ts';
import type { DesiredNetwork } from './desired.ts';
import { observeWiring } from './observe.ts';
import type { ObservedWiring } from './observed.ts';
import { planWiring, type WiringPlan } from './plan.ts';

/** Good news of a link this soon after we changed it ourselves is an echo. */
const ECHO_MS = 1_000;
/** Bad news this soon may be what came before ours; if no good news follows, the wiring is looked at. */
const SETTLE_MS = 100;

interface Known {
  tap: string;
  /** The wiring that was found or made, as text: while it is this one nothing needs to be looked at. */
  wiredAs: string | null;
  wiredAt: number;
  /** It is being looked at or made now. */
  isAtWork: boolean;
  /** Bad news that no good news followed, since it was last looked at. */
  readonly doubts: Set<string>;
}

export interface Wired {
  /** null: it is as it should be. */
  readonly failure: string | null;
  /** The link is another than the one that dnsmasq had. */
  readonly fresh: boolean;
  readonly changed: boolean;
  /** Something is to be looked at again then. */
  readonly againMs: number | null;
}

const textOf = (network: DesiredNetwork): string =>
  JSON.stringify([network.tap, network.link, network.mac, network.mtu, network.addresses]);

export class Wiring {
  readonly #tools: Tools;
  readonly #bulk: Bulk;
  readonly #known = new Map<string, Known>();

  constructor(tools: Tools, bulk: Bulk) {
    this.#tools = tools;
    this.#bulk = bulk;
  }

  /** The next `ensure` looks at it. */
  distrust(id: string): void {
    this.#bulk.touch(id);
    const known = this.#known.get(id);
    if (known) this.#doubt(known);
  }

  /** What is found by a look that is under way may be older than this. */
  #doubt(known: Known): void {
    known.wiredAs = null;
    known.doubts.add('');
  }

  /** Nothing that was found holds any more. */
  distrustAll(): void {
    for (const known of this.#known.values()) this.#doubt(known);
  }

  drop(id: string): void {
    this.#known.delete(id);
  }

  isBelieved(id: string): boolean {
    return this.#known.get(id)?.wiredAs != null;
  }

  /** The network to look at after what happened; null: none. */
  onEvent(event: HostEvent): string | null {
    const id = this.#networkOf(event);
    const known = id === null ? undefined : this.#known.get(id);
    return id !== null && known !== undefined && this.#isNews(id, known, event) ? id : null;
  }

  #networkOf(event: HostEvent): string | null {
    if (event.type === 'link' && event.namespace === null) {
      for (const [id, known] of this.#known) if (known.tap === event.name) return id;
      return null;
    }
    const inside =
      event.type === 'namespace'
        ? event.name
        : event.type === 'link' || event.type === 'address'
          ? event.namespace
          : null;
    return inside?.startsWith('qdhcp-') ? inside.slice('qdhcp-'.length) : null;
  }

  /** While we are at work the news is mostly ours, and the last of each link is good. */
  #isNews(id: string, known: Known, event: HostEvent): boolean {
    const about = event.type === 'link' ? event.name : event.type;
    const isGood = 'news' in event && (event.news === 'up' || event.news === 'came');
    if (isGood) known.doubts.delete(about);
    else known.doubts.add(about);
    if (known.isAtWork) return false;
    const sinceMs = this.#tools.clock.now() - known.wiredAt;
    if (known.wiredAs !== null && sinceMs < ECHO_MS) {
      if (known.doubts.size === 0) return false;
      if (sinceMs < SETTLE_MS) return true;
    }
    this.distrust(id);
    return true;
  }

  /** Makes the wiring so, unless it is believed to be. */
  async ensure(network: DesiredNetwork): Promise<Wired> {
    const { clock } = this.#tools;
    const known = this.#knownOf(network);
    const wanted = textOf(network);
    const sinceMs = clock.now() - known.wiredAt;
    if (known.wiredAs === wanted) {
      const nothing = { failure: null, fresh: false, changed: false };
      if (known.doubts.size === 0) return { ...nothing, againMs: null };
      if (sinceMs < SETTLE_MS) return { ...nothing, againMs: SETTLE_MS - sinceMs };
      this.#bulk.touch(network.id);
    }
    known.doubts.clear();
    known.isAtWork = true;
    try {
      const plan = planWiring(network, await this.#observe(network));
      const changed =
        plan.makeNamespace || plan.applyTable || plan.hostSteps.length > 0 || plan.innerSteps.length > 0;
      if (changed) this.#bulk.touch(network.id);
      const done = changed ? await this.#apply(network, plan) : { failure: null, fresh: false };
      known.wiredAs = done.failure === null ? wanted : null;
      if (changed) known.wiredAt = clock.now();
      return { ...done, changed, againMs: known.doubts.size > 0 ? SETTLE_MS : null };
    } catch (error) {
      this.distrust(network.id);
      throw error;
    } finally {
      known.isAtWork = false;
    }
  }

  #knownOf({ id, tap }: DesiredNetwork): Known {
    const found = this.#known.get(id) ?? {
      ...{ tap, wiredAs: null, wiredAt: Number.NEGATIVE_INFINITY },
      ...{ isAtWork: false, doubts: new Set<string>() },
    };
    found.tap = tap;
    this.#known.set(id, found);
    return found;
  }

  async #observe(network: DesiredNetwork): Promise<ObservedWiring> {
    const read = await this.#bulk.wiring(network.id, network.tap);
    return read ?? observeWiring(this.#tools.host, network.id, network.tap);
  }

  /** A namespace that was made may be one that only got its name back: the rest is decided by what is in it. */
  async #apply(
    network: DesiredNetwork,
    plan: WiringPlan,
  ): Promise<{ failure: string | null; fresh: boolean }> {
    const { host } = this.#tools;
    let rest = plan;
    if (plan.makeNamespace) {
      const only = { makeNamespace: true, applyTable: false, hostSteps: [], innerSteps: [], fresh: false };
      const failure = await applyWiring(this.#tools, network, only);
      if (failure !== null) return { failure, fresh: false };
      rest = planWiring(network, await observeWiring(host, network.id, network.tap));
    }
    // Its link is gone: it serves nobody. A life that ends before the new one is ready must not find it running.
    if (rest.fresh) await host.stopProcess(network.processName, 0);
    return { failure: await applyWiring(this.#tools, network, rest), fresh: rest.fresh };
  }
}
