/** Keeps on this host what QoS rules of its ports come to (`qos-rules.ts`), and nothing else of ours. */
import { type Host, isSameShaper, type Shaper, type ShaperStep } from '../../host/host.ts';
import { Turns } from '../../lib/turns.ts';
import type { Outcome, Shortfall } from '../../reconcile/controller.ts';
import type { QosRuleset } from '../police.ts';
import type { World } from '../role.ts';
import { isTap } from './desired.ts';
import { NO_QOS, QOS_TABLE, type QosPort, qosPorts, qosRuleset, shaperOf } from './qos-rules.ts';

/** What is there of a link; whatever is not, falls short by itself. */
export type IsThere = (link: string) => boolean;

export class QosKeeper {
  readonly #host: Host;
  readonly #world: World;
  readonly #turns = new Turns();
  #worldChanged = true;
  #ports: readonly QosPort[] = [];
  #wanted: QosRuleset | null = null;
  /** undefined: to be read from the host. null: no table. */
  #applied: string | null | undefined = undefined;
  /** Of the host, by link; null: to be read. */
  #shapers: Map<string, Shaper> | null = null;
  /** Nothing is wanted, and nothing of ours was there when that was looked at: who else would make it? */
  #isClean = false;
  /** Links of which something was told since the host was last asked, or changed. */
  readonly #told = new Set<string>();

  constructor(host: Host, world: World) {
    this.#host = host;
    this.#world = world;
  }

  worldChanged(): void {
    this.#worldChanged = true;
  }

  hostChanged(): void {
    if (this.#isClean) return;
    this.#applied = undefined;
    this.#shapers = null;
  }

  /** A link is made anew without what the one before had. */
  linkChanged(link: string): void {
    this.#shapers?.delete(link);
    this.#told.add(link);
  }

  /** Makes all of the host so, and says what of the network's ports falls short. Costs nothing when nothing has changed. */
  ensure(networkId: string, isThere: IsThere): Promise<Outcome> {
    return this.#turns.take(async () => {
      this.#look();
      const failures = new Map<string, string>();
      const rules = await this.#ensureRuleset(failures);
      const queues = await this.#ensureShapers(isThere, failures);
      this.#isClean = this.#ports.length === 0 && this.#applied === null && this.#shapers?.size === 0;
      const shortfalls = this.#ports.flatMap((port): Shortfall[] => {
        const reason = failures.get(port.link);
        if (port.network_id !== networkId || reason === undefined) return [];
        return [{ object: `port/${port.id}`, state: 'failed', reason: `QoS: ${reason}` }];
      });
      return { shortfalls, repaired: rules || queues };
    });
  }

  #look(): void {
    if (!this.#worldChanged) return;
    this.#worldChanged = false;
    this.#ports = qosPorts(this.#world);
    this.#wanted = qosRuleset(this.#ports);
  }

  async #ensureRuleset(failures: Map<string, string>): Promise<boolean> {
    const wanted = this.#wanted?.mark ?? null;
    try {
      if (this.#applied === undefined) this.#applied = await this.#host.rulesetMark(null, QOS_TABLE);
      if (this.#applied === wanted) return false;
      this.#applied = undefined;
      await this.#host.applyRuleset(null, this.#wanted?.text ?? NO_QOS);
      this.#applied = wanted;
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      for (const { link } of this.#ports) failures.set(link, reason);
      return false;
    }
  }

  async #readShapers(): Promise<Map<string, Shaper>> {
    this.#told.clear();
    const found = await this.#host.shapers();
    for (const link of this.#told) found.delete(link);
    return found;
  }

  async #ensureShapers(isThere: IsThere, failures: Map<string, string>): Promise<boolean> {
    const steps: ShaperStep[] = [];
    try {
      if (this.#shapers === null) this.#shapers = await this.#readShapers();
      const known = this.#shapers;
      const wanted = new Map<string, Shaper>();
      for (const { link, qos } of this.#ports) {
        const shaper = shaperOf(qos.ingress);
        if (shaper !== null) wanted.set(link, shaper);
      }
      for (const [link, shaper] of wanted) {
        const has = known.get(link);
        if (isThere(link) && !(has && isSameShaper(shaper, has))) steps.push({ op: 'set', link, ...shaper });
      }
      for (const link of known.keys())
        if (isTap(link) && !wanted.has(link)) steps.push({ op: 'delete', link });
      if (steps.length === 0) return false;
      this.#told.clear();
      const results = await this.#host.changeShapers(steps);
      for (const [index, step] of steps.entries()) {
        const reason = results[index] ?? null;
        if (reason !== null) failures.set(step.link, reason);
        if (reason !== null || step.op === 'delete' || this.#told.has(step.link)) known.delete(step.link);
        else known.set(step.link, step);
      }
      return true;
    } catch (error) {
      this.#shapers = null;
      const reason = error instanceof Error ? error.message : String(error);
      for (const { link, qos } of this.#ports) if (qos.ingress?.max_kbps) failures.set(link, reason);
      return false;
    }
  }
}
