/** All that a server shows at `/metrics`; docs/operate/metrics.md lists it, and a test holds one to the other. */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { PolicyFile } from './policy-file.ts';
import type { Feed } from '../watch/feed.ts';
import { type ConvergenceSources, registerConvergenceMetrics } from './convergence-metrics.ts';
import { registerFeedMetrics } from './feed-metrics.ts';
import { type FleetSources, registerFleetMetrics } from './fleet-metrics.ts';
import { registerRouterMetrics, type RouterSources } from './router-metrics.ts';

export function createMetrics(
  sources: ConvergenceSources &
    FleetSources &
    RouterSources & { readonly feed: Feed; readonly policyFile: Pick<PolicyFile, 'isRefused'> | null },
): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerFeedMetrics(registry, sources.feed);
  registerConvergenceMetrics(registry, sources);
  registerFleetMetrics(registry, sources);
  registerRouterMetrics(registry, sources);
  new Gauge({
    name: 'deuteron_policy_file_refused',
    help: '1 while the policy file is wrong and older rules hold',
    registers: [registry],
    collect() {
      this.set(sources.policyFile?.isRefused ? 1 : 0);
    },
  });
  return registry;
}
