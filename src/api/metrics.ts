/** How long requests take, by route; `/metrics` shows all that is registered, in Prometheus' text form. */
import type { FastifyInstance } from 'fastify';
import { Histogram, type Registry } from 'prom-client';
import type { Api } from './app.ts';

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function addMetrics(app: FastifyInstance, api: Api, registry: Registry): void {
  const name = 'deuteron_http_request_duration_seconds';
  const known = registry.getSingleMetric(name) as Histogram | undefined;
  const durations =
    known ??
    new Histogram({
      name,
      help: 'Time from the request head to the end of the answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: BUCKETS,
      registers: [registry],
    });
  app.addHook('onResponse', (request, reply, done) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
    };
    durations.observe(labels, reply.elapsedTime / 1000);
    done();
  });
  // it answers with text, which the document leaves out
  const says = { id: 'show_metrics', summary: "Everything that is measured, in Prometheus' text form." };
  api.route({ method: 'GET', url: '/metrics', open: true, says }, async (_request, reply) =>
    reply.header('content-type', registry.contentType).send(await registry.metrics()),
  );
}
