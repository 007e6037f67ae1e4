import type { FloodStep, Host, LinkStep, StepResult } from '../../host/host.ts';
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
  const links = plan.links.map((planned) => planned.step);
  if (links.length > 0) collect(plan.links, await changeLinks(links, host, view));
  const flood = plan.flood.map((planned) => planned.step);
  if (flood.length > 0) collect(plan.flood, await changeFlood(flood, host, view));
  const repaired = plan.links.length + plan.flood.length > 0;
  return { shortfalls: [...plan.shortfalls, ...failures.values()], repaired };
}

async function changeLinks(steps: readonly LinkStep[], host: Host, view: HostView): Promise<StepResult[]> {
  for (const step of steps)
    if (step.op === 'add-vxlan' || step.op === 'delete-link') view.floodEmpty(step.name);
  let results: StepResult[] = [];
  try {
    results = await host.changeLinks(null, steps);
    return results;
  } finally {
    for (const [index, step] of steps.entries()) {
      if (step.op === 'add-address' || step.op === 'delete-address') continue;
      view.linkChanged(step.name);
      if (step.op !== 'set-link' && results[index] !== null) view.floodUnknown(step.name);
    }
  }
}

/** The view is told first: what another hand does meanwhile is told by events, and must come after. */
async function changeFlood(steps: readonly FloodStep[], host: Host, view: HostView): Promise<StepResult[]> {
  for (const step of steps) view.floodIs(step, step.op === 'add');
  let results: StepResult[] = [];
  try {
    results = await host.changeFloodEntries(steps);
    return results;
  } finally {
    for (const [index, step] of steps.entries()) if (results[index] !== null) view.floodUnknown(step.link);
  }
}
