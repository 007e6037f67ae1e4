/** `/healthz`: the process answers. `/readyz`: it can serve, or says why not. Neither asks who calls. */
import type { Api } from './app.ts';
import { object, TEXT } from './route.ts';

export function addHealth(api: Api, ready: () => Promise<string | null>): void {
  const alive = { id: 'show_health', summary: 'The process answers.', answer: object({ status: TEXT }) };
  const able = {
    id: 'show_readiness',
    summary: 'It can serve; 503 if not.',
    answer: object({ status: TEXT }),
  };
  api.route({ method: 'GET', url: '/healthz', open: true, says: alive }, async (_request, reply) =>
    reply.send(JSON.stringify({ status: 'ok' })),
  );
  api.route({ method: 'GET', url: '/readyz', open: true, says: able }, async (_request, reply) => {
    const reason = await ready();
    if (reason === null) return reply.send(JSON.stringify({ status: 'ok' }));
    return reply
      .code(503)
      .header('retry-after', '1')
      .send(JSON.stringify({ status: 'unavailable', reason }));
  });
}
