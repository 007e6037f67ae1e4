/** `/healthz`: the process answers. `/readyz`: it can serve, or says why not. Neither asks who calls. */
import type { Api } from './app.ts';

export function addHealth(api: Api, ready: () => Promise<string | null>): void {
  api.route(
    'GET',
    '/healthz',
    async (_request, reply) => reply.send(JSON.stringify({ status: 'ok' })),
    'open',
  );
  api.route(
    'GET',
    '/readyz',
    async (_request, reply) => {
      const reason = await ready();
      if (reason === null) return reply.send(JSON.stringify({ status: 'ok' }));
      return reply
        .code(503)
        .header('retry-after', '1')
        .send(JSON.stringify({ status: 'unavailable', reason }));
    },
    'open',
  );
}
