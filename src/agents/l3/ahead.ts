/**
 * Addresses that an active replica is given by our own hand, ahead of its keepalived, which takes a while to read a thousand
 * anew. It is told first: what it knows of, it gives up with the role, whether or not there is an agent then. What it had
 * given up before it knew is taken off by us, at once, or by the first look of the next life.
 */
import type { Host, LinkStep } from '../../host/host.ts';
import type { DesiredRouter } from './desired.ts';
import type { ObservedWiring } from './observe.ts';
import type { Plan } from './plan.ts';
import type { Replica } from './replica.ts';

type AddressStep = LinkStep & { op: 'add-address' | 'delete-address' };

const isOfAddress = (step: LinkStep): step is AddressStep =>
  step.op === 'add-address' || step.op === 'delete-address';

/** What a plan does to addresses of an HA router, where it does nothing else to links; null: it is another. */
export function addressSteps(desired: DesiredRouter, plan: Plan): readonly AddressStep[] | null {
  const { makeNamespace, prepare, leavings, outer, inner, routes } = plan;
  const steps = inner.map(({ step }) => step).filter(isOfAddress);
  const isOnly = steps.length === inner.length && [leavings, outer, routes].every((s) => s.length === 0);
  const isOf = desired.ha !== null && desired.settled && !makeNamespace && !prepare;
  return isOf && isOnly && steps.length > 0 ? steps : null;
}

/** What a look will find once these steps are done. */
export function foreseen(wiring: ObservedWiring, steps: readonly AddressStep[]): ObservedWiring {
  const links = (wiring.links ?? []).map((found) => {
    const own = steps.filter(({ link }) => link === found.name);
    if (own.length === 0) return found;
    const addresses = new Set(found.addresses);
    for (const { op, address } of own)
      if (op === 'add-address') addresses.add(address);
      else addresses.delete(address);
    return { ...found, addresses: [...addresses] };
  });
  return { ...wiring, links };
}

/** What one replica was given ahead since its keepalived came to rest, each address with its link. */
export class Ahead {
  readonly #given = new Map<string, string>();

  notes(steps: readonly AddressStep[]): void {
    for (const { op, address, link } of steps)
      if (op === 'add-address') this.#given.set(address, link);
      else this.#given.delete(address);
  }

  /** Once the role is gone. One that has it still, and is at rest, has all of it from its keepalived. */
  async takeBack(host: Host, namespace: string, replica: Replica): Promise<void> {
    if (this.#given.size === 0 || (replica.isActive && !replica.isAtRest)) return;
    const steps = [...this.#given].map(
      ([address, link]) => ({ op: 'delete-address', link, address }) as const,
    );
    this.#given.clear();
    if (!replica.isActive) await host.changeLinks(namespace, steps);
  }
}
