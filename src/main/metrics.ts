/** All that a server shows at `/metrics`; docs/operate/metrics.md lists it, and a test holds one to the other. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Feed } from '../watch/feed.ts';
import { type ConvergenceSources, registerConvergenceMetrics } from './convergence-metrics.ts';
import { registerFeedMetrics } from './feed-metrics.ts';
import { type FleetSources, registerFleetMetrics } from './fleet-metrics.ts';
import { registerRouterMetrics, type RouterSources } from './router-metrics.ts';

export function createMetrics(
  sources: ConvergenceSources & FleetSources & RouterSources & { readonly feed: Feed },
): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerFeedMetrics(registry, sources.feed);
  registerConvergenceMetrics(registry, sources);
  registerFleetMetrics(registry, sources);
  registerRouterMetrics(registry, sources);
  return registry;
}
