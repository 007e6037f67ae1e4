/** What the OpenAPI document says of a resource, from the attribute map that requests are checked against. */
import { schemaOf, type AttributeMap } from '../resources/attribute.ts';
import { TAG_FILTERS } from '../resources/tags.ts';
import type { JsonSchema } from '../resources/values.ts';
import type { Action, Collection } from './collection.ts';
import type { Row } from './view.ts';
import { array, type Description, object, query, ref, TEXT } from './route.ts';

const IF_MATCH: JsonSchema = {
  name: 'If-Match',
  in: 'header',
  description: '`revision_number=N`: 412 if the resource has another revision.',
  schema: TEXT,
};

/** The document's name for the schema of what such a resource looks like. */
export const schemaName = (map: AttributeMap): string =>
  map.singular.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase());

const FIELDS = 'Show these attributes only.';
const namesOf = (which: readonly { name: string }[]): JsonSchema =>
  array({ ...TEXT, enum: which.map((attribute) => attribute.name) });

function listParameters(map: AttributeMap): JsonSchema[] {
  const filters = map.attributes
    .filter((attribute) => attribute.filter && attribute.name !== 'tags')
    .map(({ name }) => query(name, `Only those with this ${name}; may be repeated.`, array(TEXT)));
  const tags = Object.entries(map.byName.has('tags') ? TAG_FILTERS : {});
  const since = map.byName.get('updated_at')?.column
    ? [query('changed_since', 'Only those changed then (YYYY-MM-DDTHH:MM:SSZ) or later.', TEXT)]
    : [];
  return [
    ...filters,
    ...tags.map(([name, { description }]) => query(name, description, TEXT)),
    ...since,
    query('fields', FIELDS, namesOf(map.attributes.filter(({ see }) => see !== 'nobody'))),
    query(
      'sort_key',
      'Sort by this attribute.',
      namesOf(map.attributes.filter((attribute) => attribute.sort)),
    ),
    query('sort_dir', 'One for each sort_key.', array({ ...TEXT, enum: ['asc', 'desc'] })),
    query('limit', 'At most this many; 0 for all.', { type: 'integer', minimum: 0 }),
    query('marker', 'The id after which the page begins.', { ...TEXT, format: 'uuid' }),
    query('page_reverse', 'The page before the marker.', { type: 'boolean' }),
  ];
}

export type Verb = 'list' | 'show' | 'create' | 'update' | 'delete';

/** What to say of a resource's five routes. */
export function describe({ map, noCreate }: Collection): Readonly<Record<Verb, Description | null>> {
  const { singular, plural } = map;
  const name = schemaName(map);
  const one = object({ [singular]: ref(name) });
  const oneOrMany = (schema: JsonSchema): JsonSchema => ({
    oneOf: [object({ [singular]: schema }), object({ [plural]: array(schema) })],
  });
  return {
    list: {
      id: `list_${plural}`,
      summary: 'A page of those that the caller may see.',
      parameters: listParameters(map),
      answer: object({ [plural]: array(ref(name)) }),
    },
    show: {
      id: `show_${singular}`,
      summary: 'The one with that id.',
      parameters: [query('fields', FIELDS, namesOf(map.attributes.filter(({ see }) => see !== 'nobody')))],
      answer: one,
    },
    create:
      noCreate === undefined
        ? {
            id: `create_${singular}`,
            summary: 'Creates one or several; of several, all or none.',
            body: oneOrMany(ref(`${name}Create`)),
            status: 201,
            answer: oneOrMany(ref(name)),
          }
        : null,
    update: {
      id: `update_${singular}`,
      summary: 'Changes what is named; answers with what it is now.',
      parameters: [IF_MATCH],
      body: object({ [singular]: ref(`${name}Update`) }),
      answer: one,
    },
    delete: { id: `delete_${singular}`, summary: 'Deletes it.', parameters: [IF_MATCH], status: 204 },
  };
}

/** What to say of an action. */
export function describeAction(
  { map }: Collection,
  { name, summary, body, wrapped, isBare, answer }: Omit<Action<Row>, 'run'>,
): Description {
  const asked = object(
    Object.fromEntries(Object.entries(body).map(([part, type]): [string, JsonSchema] => [part, type.schema])),
  );
  const shown = ref(schemaName(map));
  return {
    id: name,
    summary,
    parameters: [IF_MATCH],
    body: wrapped ? object({ [map.singular]: asked }) : asked,
    answer: answer?.schema ?? (isBare ? shown : object({ [map.singular]: shown })),
  };
}

/** The schemas that those descriptions refer to. */
export function schemasOf({ map, create, update }: Collection): Record<string, JsonSchema> {
  const name = schemaName(map);
  return {
    [name]: schemaOf(map, 'shown'),
    ...(create ? { [`${name}Create`]: schemaOf(map, 'post') } : {}),
    ...(update ? { [`${name}Update`]: schemaOf(map, 'put') } : {}),
  };
}
