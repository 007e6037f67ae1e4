import type { Host, StepResult } from '../../host/host.ts';
import type { Outcome, Shortfall } from '../../reconcile/controller.ts';
import type { HostView } from './host-view.ts';
import type { Plan, Planned } from './plan.ts';

/** Performs the steps, in two batches at most; the view knows afterwards what to look at again. */
export async function applyPlan(plan: Plan, host: Host, view: HostView): Promise<Outcome> {
  const failures = new Map<string, Shortfall>();
  const collect = (planned: readonly Planned<unknown>[], results: readonly StepResult[]) => {
    for (const [index, reason] of results.entries()) {
      const object = planned[index]?.object ?? '';
      // The first failure of an object is the cause of those that follow.
      if (reason !== null && !failures.has(object)) failures.set(object, { object, state: 'failed', reason });
    }
  };
  if (plan.links.length > 0) {
    const steps = plan.links.map((planned) => planned.step);
    try {
      collect(plan.links, await host.changeLinks(null, steps));
    } finally {
      for (const step of steps) {
        if (step.op === 'add-address' || step.op === 'delete-address') continue;
        view.linkChanged(step.name);
        if (step.op === 'add-vxlan' || step.op === 'delete-link') view.floodChanged(step.name);
      }
    }
  }
  if (plan.flood.length > 0) {
    const steps = plan.flood.map((planned) => planned.step);
    try {
      collect(plan.flood, await host.changeFloodEntries(steps));
    } finally {
      for (const step of steps) view.floodChanged(step.link);
    }
  }
  const repaired = plan.links.length + plan.flood.length > 0;
  return { shortfalls: [...plan.shortfalls, ...failures.values()], repaired };
}
