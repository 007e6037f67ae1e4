/** What a route is: where it answers, and what the OpenAPI document says of it. */
import type { HTTPMethods } from 'fastify';
import type { JsonSchema } from '../resources/values.ts';

export interface Description {
  /** The document's name of it, e.g. `list_ports`. */
  readonly id: string;
  readonly summary: string;
  /** Beside those of the path, which its url names. */
  readonly parameters?: readonly JsonSchema[];
  readonly body?: JsonSchema;
  /** 200 if not given. */
  readonly status?: number;
  /** Of JSON; absent: the answer has no body. */
  readonly answer?: JsonSchema;
}

export interface Route {
  readonly method: HTTPMethods & string;
  /** With parameters as `:name`. */
  readonly url: string;
  /** The rule of policy files that it asks, if it asks one. */
  readonly rule?: string;
  /** Answered without identity. */
  readonly open?: true;
  /** null: it is there only to say why it cannot be used. */
  readonly says: Description | null;
}

export const TEXT = { type: 'string' } as const satisfies JsonSchema;

/** The schema of one of the document's own. */
export const ref = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** An object that has all of these. */
export const object = (properties: Readonly<Record<string, JsonSchema>>): JsonSchema => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
});

export const array = (items: JsonSchema): JsonSchema => ({ type: 'array', items });

/** A parameter in the query string. */
export function query(name: string, description: string, schema: JsonSchema): JsonSchema {
  return { name, in: 'query', description, schema, explode: true };
}
