/** Version discovery, answered without identity: `/` and `/v2.0`. */
import type { Api } from './app.ts';
import type { Collection } from './collection.ts';

export function addVersions(api: Api, collections: readonly Collection[]): void {
  api.route(
    'GET',
    '/',
    (request, reply) => {
      const links = [{ rel: 'self', href: `${api.urlOf(request)}v2.0/` }];
      return reply.send(JSON.stringify({ versions: [{ id: 'v2.0', status: 'CURRENT', links }] })) as never;
    },
    'open',
  );
  api.route(
    'GET',
    '/v2.0',
    (request, reply) => {
      const base = api.urlOf(request);
      const resources = collections.map(({ map }) => ({
        name: map.singular,
        collection: map.plural,
        links: [{ rel: 'self', href: `${base}/${map.plural}` }],
      }));
      return reply.send(JSON.stringify({ resources })) as never;
    },
    'open',
  );
}
