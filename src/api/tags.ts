/** `/tags` below every resource that has tags (Neutron's extension standard-attr-tag). */
import type { FastifyRequest } from 'fastify';
import { changeTags, showTags, tagNotFound, type Tagged, withoutTag, withTag } from '../operations/tags.ts';
import { Fault } from '../resources/errors.ts';
import { tag, tagList } from '../resources/tags.ts';
import { isPlainObject, type ValueType } from '../resources/values.ts';
import type { Api } from './app.ts';
import type { StandardTable } from '../store/store.ts';
import type { Collection } from './collection.ts';
import { permit } from './policy-judge.ts';
import { pathId, readIfMatch, sendWritten } from './resource-routes.ts';
import { type Description, object } from './route.ts';

const TAGS = object({ tags: tagList.schema });

function descriptions({ singular, plural }: Collection['map']): Record<string, Description> {
  const of = `of one of the ${plural.replaceAll('_', ' ')}`;
  return {
    list: { id: `list_${singular}_tags`, summary: `The tags ${of}.`, answer: TAGS },
    replace: { id: `replace_${singular}_tags`, summary: `Sets the tags ${of}.`, body: TAGS, answer: TAGS },
    removeAll: { id: `remove_all_${singular}_tags`, summary: `Takes all tags ${of} away.`, status: 204 },
    check: { id: `check_${singular}_tag`, summary: `Whether the tag is one ${of}.`, status: 204 },
    add: { id: `add_${singular}_tag`, summary: `Adds a tag to those ${of}.`, status: 201 },
    remove: { id: `remove_${singular}_tag`, summary: `Takes a tag ${of} away.`, status: 204 },
  };
}

function readAs(type: ValueType, given: unknown): unknown {
  const reading = type.read(given);
  if ('value' in reading) return reading.value;
  throw new Fault('InvalidInput', `Invalid input for operation: ${reading.reason}.`);
}

function tagsIn(body: unknown): string[] {
  if (!isPlainObject(body) || !('tags' in body))
    throw new Fault('InvalidInput', 'Invalid input for operation: Invalid tags body.');
  return readAs(tagList, body['tags']) as string[];
}

const tagIn = (request: FastifyRequest): string =>
  readAs(tag, (request.params as Record<string, string>)['tag']) as string;

/** The rules that are asked for tags, as Neutron names them. */
export const tagRules = ({ plural }: Collection['map']) => ({
  get: `get_${plural}_tags`,
  update: `update_${plural}_tags`,
  delete: `delete_${plural}_tags`,
});

/** Adds the routes, if the resource has tags. */
export function addTags(api: Api, it: Collection): void {
  const { map, table } = it;
  if (!map.byName.has('tags') || table === undefined) return;
  addTagsAt(api, it, { table, path: map.path, says: descriptions(map) });
  // Neutron has them below the last part of the path, clients also below the whole
  const last = map.path.slice(map.path.lastIndexOf('/') + 1);
  if (last !== map.path) addTagsAt(api, it, { table, path: last, says: null });
}

interface At {
  readonly table: StandardTable;
  readonly path: string;
  /** null: the document does not tell of them. */
  readonly says: Readonly<Record<string, Description>> | null;
}

function addTagsAt(api: Api, it: Collection, { table, path, says: descriptions }: At): void {
  const { map, taggedBySeers } = it;
  const of: Tagged = {
    table,
    plural: map.plural,
    show: it.show,
    ...(taggedBySeers ? { bySeers: true } : {}),
  };
  const says = (verb: string) => descriptions?.[verb] ?? null;
  const all = `/v2.0/${path}/:id/tags`;
  const one = `${all}/:tag`;
  const rules = tagRules(map);
  const read = (request: FastifyRequest) => {
    const call = api.callOf(request);
    const id = pathId(map, request);
    return api.store.view(async (view) => {
      await permit(view, call, { it, id, rule: rules.get });
      return showTags(view, call, { of, id });
    });
  };
  const write = (request: FastifyRequest, change: (tags: readonly string[]) => readonly string[]) => {
    const call = api.callOf(request);
    const rule = request.method === 'DELETE' ? rules.delete : rules.update;
    const asked = { of, id: pathId(map, request), ifMatch: readIfMatch(request.headers['if-match']), change };
    return api.store.transact(async (tx) =>
      changeTags(tx, await permit(tx, call, { it, id: asked.id, rule }), asked),
    );
  };

  api.route({ method: 'GET', url: all, rule: rules.get, says: says('list') }, async (request, reply) =>
    reply.send(JSON.stringify({ tags: await read(request) })),
  );
  api.route(
    { method: 'PUT', url: all, rule: rules.update, says: says('replace') },
    async (request, reply) => {
      const tags = tagsIn(request.body);
      const { result, place } = await write(request, () => tags);
      return sendWritten(reply, { status: 200, place, body: { tags: result } });
    },
  );
  api.route(
    { method: 'DELETE', url: all, rule: rules.delete, says: says('removeAll') },
    async (request, reply) => {
      const { place } = await write(request, () => []);
      return sendWritten(reply, { status: 204, place });
    },
  );
  api.route({ method: 'GET', url: one, rule: rules.get, says: says('check') }, async (request, reply) => {
    const asked = tagIn(request);
    if (!(await read(request)).includes(asked)) throw tagNotFound(asked);
    return reply.code(204).send();
  });
  api.route({ method: 'PUT', url: one, rule: rules.update, says: says('add') }, async (request, reply) => {
    const { place } = await write(request, withTag(tagIn(request)));
    return sendWritten(reply, { status: 201, place });
  });
  api.route(
    { method: 'DELETE', url: one, rule: rules.delete, says: says('remove') },
    async (request, reply) => {
      const { place } = await write(request, withoutTag(tagIn(request)));
      return sendWritten(reply, { status: 204, place });
    },
  );
}
