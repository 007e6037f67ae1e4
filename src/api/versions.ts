/** Version discovery, answered without identity: `/` and `/v2.0`. */
import type { Api } from './app.ts';
import type { Collection } from './collection.ts';
import { array, object, TEXT } from './route.ts';

export function addVersions(api: Api, collections: readonly Collection[]): void {
  const link = object({ rel: TEXT, href: TEXT });
  const version = object({ id: TEXT, status: TEXT, links: array(link) });
  const versions = { id: 'list_versions', summary: 'The versions of the API.' };
  api.route(
    {
      method: 'GET',
      url: '/',
      open: true,
      says: { ...versions, answer: object({ versions: array(version) }) },
    },
    (request, reply) => {
      const links = [{ rel: 'self', href: `${api.urlOf(request)}v2.0/` }];
      return reply.send(JSON.stringify({ versions: [{ id: 'v2.0', status: 'CURRENT', links }] })) as never;
    },
  );
  const resource = object({ name: TEXT, collection: TEXT, links: array(link) });
  const known = { id: 'show_version', summary: 'The resources of this version.' };
  api.route(
    {
      method: 'GET',
      url: '/v2.0',
      open: true,
      says: { ...known, answer: object({ resources: array(resource) }) },
    },
    (request, reply) => {
      const base = api.urlOf(request);
      const resources = collections.map(({ map }) => ({
        name: map.singular,
        collection: map.plural,
        links: [{ rel: 'self', href: `${base}/${map.path}` }],
      }));
      return reply.send(JSON.stringify({ resources })) as never;
    },
  );
}
