/**
 * Attribute maps: one table for each resource says what its attributes are called, where they are stored, who may set
 * and see them, their defaults, and by what one may filter and sort. Validation, policy, query strings, answers and the
 * OpenAPI document all come from it.
 */
import { Fault, type FaultType } from './errors.ts';
import { display, isPlainObject, type JsonSchema, type ValueType } from './values.ts';

/** Who may set an attribute. owner: whoever may write the resource; network owner: the project of its network. */
export type Setter = 'owner' | 'network owner' | 'admin';

export interface Attribute {
  /** As in the API, e.g. `binding:host_id`. */
  readonly name: string;
  /** The row's column; null: computed, the api room fills it in (or it is the type's constant). */
  readonly column: string | null;
  readonly type: ValueType;
  readonly description: string;
  /** Who may give it when creating; absent: nobody ("not allowed in POST"). */
  readonly post?: Setter;
  /** Who may change it; absent: read-only. */
  readonly put?: Setter;
  readonly required?: true;
  /** Stored when a create does not say. */
  readonly default?: unknown;
  /** The setter's limit holds only for values that match (texts), or for these parts of them (objects, and lists of such). */
  readonly limitedTo?: RegExp | readonly string[];
  /** nobody: it is only asked for. */
  readonly see?: 'admin' | 'nobody';
  /** How it is shown, where that is not as it is stored and asked for. */
  readonly showAs?: { readonly schema: JsonSchema; readonly of: (stored: unknown) => unknown };
  readonly filter?: true;
  /** Its filter is answered by the resource's collection, which turns it into others. */
  readonly narrows?: true;
  readonly sort?: true;
}

export interface AttributeMap {
  readonly singular: string;
  readonly plural: string;
  /** Its name in URLs: `security-groups`. */
  readonly path: string;
  /** The fault for an id that is not there, and the words before it: "Network <id> could not be found." */
  readonly missing: { readonly type: FaultType; readonly title: string; readonly end?: '' };
  readonly attributes: readonly Attribute[];
  readonly byName: ReadonlyMap<string, Attribute>;
}

/** The parts that the row's type checks: a column must be one of the row's. */
export type AttributeOf<Row> = Omit<Attribute, 'column'> & { readonly column: (keyof Row & string) | null };

/** Makes a map; its `path`, if not given, is its plural with hyphens, as Neutron mostly has it. */
export function attributeMap<Row>(
  map: Omit<AttributeMap, 'attributes' | 'byName' | 'path'> & {
    readonly attributes: readonly AttributeOf<Row>[];
    readonly path?: string;
  },
): AttributeMap {
  const byName = new Map(map.attributes.map((attribute) => [attribute.name, attribute]));
  return { path: map.plural.replaceAll('_', '-'), ...map, byName };
}

export function missingFault(map: AttributeMap, id: string): Fault {
  return new Fault(
    map.missing.type,
    `${map.missing.title} ${display(id)} could not be found${map.missing.end ?? '.'}`,
  );
}

/** What a body asks for: values by column (or by API name where there is no column), and which attributes it names. */
export interface ReadBody {
  readonly values: Record<string, unknown>;
  /** The attributes that the client gave, with their values as read. */
  readonly given: ReadonlyMap<Attribute, unknown>;
}

const badRequest = (message: string): Fault => new Fault('HTTPBadRequest', message);

/** `project_id` and `tenant_id` are two names of one thing; both may be given if they agree. */
function joinProject(body: Record<string, unknown>): Record<string, unknown> {
  if (!('tenant_id' in body)) return body;
  const { tenant_id, ...rest } = body;
  if ('project_id' in rest && rest['project_id'] !== tenant_id)
    throw badRequest("'project_id' and 'tenant_id' do not match");
  return { ...rest, project_id: tenant_id };
}

function readValue(attribute: Attribute, value: unknown): unknown {
  const reading = attribute.type.read(value);
  if ('value' in reading) return reading.value;
  if (reading.fault) throw new Fault(reading.fault, reading.reason);
  if (reading.conversion) throw new Fault('InvalidInput', `Invalid input for operation: ${reading.reason}.`);
  throw badRequest(`Invalid input for ${attribute.name}. Reason: ${reading.reason}.`);
}

function refuseUnknown(map: AttributeMap, body: Record<string, unknown>): void {
  const unknown = Object.keys(body).filter((name) => !map.byName.has(name));
  if (unknown.length > 0) throw badRequest(`Unrecognized attribute(s) '${display(unknown.join(', '))}'`);
}

/** Reads one resource of a create: refuses what may not be given, fills in defaults. Throws Fault. */
export function readCreate(map: AttributeMap, given: unknown, projectId: string): ReadBody {
  if (!isPlainObject(given)) throw badRequest(`Object '${map.singular}' contains invalid data`);
  const body = joinProject(given);
  refuseUnknown(map, body);
  const values: Record<string, unknown> = {};
  const named = new Map<Attribute, unknown>();
  for (const attribute of map.attributes) {
    const present = Object.hasOwn(body, attribute.name);
    if (present && !attribute.post) throw badRequest(`Attribute '${attribute.name}' not allowed in POST`);
    if (!attribute.post) continue;
    const value = present ? readValue(attribute, body[attribute.name]) : undefined;
    if (value === undefined) {
      if (attribute.required)
        throw badRequest(`Failed to parse request. Required attribute '${attribute.name}' not specified`);
      if (attribute.name === 'project_id') values['project_id'] = projectId;
      else if (attribute.default !== undefined && attribute.column !== null)
        values[attribute.column] = structuredClone(attribute.default);
      continue;
    }
    named.set(attribute, value);
    if (!('constant' in attribute.type)) values[attribute.column ?? attribute.name] = value;
  }
  return { values, given: named };
}

/** Reads an update: only what is named changes. Throws Fault. */
export function readUpdate(map: AttributeMap, given: unknown): ReadBody {
  if (!isPlainObject(given)) throw badRequest(`Object '${map.singular}' contains invalid data`);
  const body = joinProject(given);
  refuseUnknown(map, body);
  const values: Record<string, unknown> = {};
  const named = new Map<Attribute, unknown>();
  for (const attribute of map.attributes) {
    if (!Object.hasOwn(body, attribute.name)) continue;
    if (!attribute.put) throw badRequest(`Cannot update read-only attribute ${attribute.name}`);
    const value = readValue(attribute, body[attribute.name]);
    named.set(attribute, value);
    if (!('constant' in attribute.type)) values[attribute.column ?? attribute.name] = value;
  }
  return { values, given: named };
}

/** The JSON Schema of a resource as it is shown, created or updated. */
export function schemaOf(map: AttributeMap, use: 'shown' | 'post' | 'put'): JsonSchema {
  const attributes = map.attributes.filter((attribute) =>
    use === 'shown' ? attribute.see !== 'nobody' : attribute[use] !== undefined,
  );
  const properties = attributes.map((attribute) => {
    const setter = use === 'shown' ? undefined : attribute[use];
    return [
      attribute.name,
      {
        ...(use === 'shown' ? (attribute.showAs?.schema ?? attribute.type.schema) : attribute.type.schema),
        description: attribute.description,
        ...(use === 'post' && attribute.default !== undefined ? { default: attribute.default } : {}),
        ...(use === 'shown' && !attribute.post && !attribute.put ? { readOnly: true } : {}),
        ...(setter === undefined || setter === 'owner' ? {} : { 'x-set-by': setter }),
        ...(attribute.see === 'admin' ? { 'x-seen-by': attribute.see } : {}),
      },
    ];
  });
  const required = attributes.filter((attribute) => use === 'post' && attribute.required);
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(use === 'shown' ? {} : { additionalProperties: false }),
    ...(required.length > 0 ? { required: required.map((attribute) => attribute.name) } : {}),
  };
}
