/** From a query string to what a list operation is asked: filters, order, page, fields. Refusals are Neutron's. */
import type { Caller } from '../operations/operation.ts';
import type { Attribute, AttributeMap } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { TAG_FILTERS, type TagFilter } from '../resources/tags.ts';
import type { ListFilter } from '../store/store.ts';
import { mayAskBy } from './policy.ts';
import type { Row } from './view.ts';

export interface ListRequest {
  readonly filters: readonly ListFilter<Row>[];
  /** Filters on attributes that are no columns, with the values as read. */
  readonly computed: readonly { readonly attribute: Attribute; readonly values: readonly unknown[] }[];
  /** The values that are asked for of each attribute that narrows. */
  readonly narrowing: ReadonlyMap<string, readonly unknown[]>;
  /** `fixed_ips=ip_address=...`: values by key. */
  readonly fixedIps: ReadonlyMap<string, readonly string[]>;
  /** A filter that no row can pass was given: the answer is empty. */
  readonly impossible: boolean;
  readonly sort: readonly { readonly column: string; readonly descending: boolean }[];
  /** 0: all. */
  readonly limit: number;
  readonly marker: string | undefined;
  readonly reverse: boolean;
  readonly fields: readonly string[];
}

const CONTROL = new Set([
  'fields',
  'sort_key',
  'sort_dir',
  'limit',
  'marker',
  'page_reverse',
  'changed_since',
]);
const FIXED_IP_KEYS = new Set(['ip_address', 'subnet_id', 'ip_address_substr']);

const quoted = (names: readonly string[]): string => `[${names.map((name) => `'${name}'`).join(', ')}]`;
const badRequest = (message: string): Fault => new Fault('HTTPBadRequest', message);
const badInput = (reason: string): Fault =>
  new Fault('InvalidInput', `Invalid input for operation: ${reason}.`);

/** `limit`; 0 where it is not given: all. */
export function readLimit(parameters: URLSearchParams): number {
  const given = parameters.get('limit') ?? '0';
  if (!/^\+?\d{1,9}$/.test(given.trim()))
    throw new Fault(
      'BadRequest',
      `Bad limit request: Limit must be an integer 0 or greater and not '${given.slice(0, 100)}'.`,
    );
  return Number(given);
}

function readSort(map: AttributeMap, parameters: URLSearchParams, caller: Caller): ListRequest['sort'] {
  const keys = parameters.getAll('sort_key').filter((key) => key !== '');
  const directions = parameters.getAll('sort_dir').filter((direction) => direction !== '');
  if (keys.length !== directions.length)
    throw badRequest('The number of sort_keys and sort_dirs must be same');
  const sortable = (key: string) => {
    const attribute = map.byName.get(key);
    return attribute?.sort && mayAskBy(caller, { map, attribute })
      ? (attribute.column ?? undefined)
      : undefined;
  };
  const absent = keys.filter((key) => sortable(key) === undefined);
  if (absent.length > 0) throw badRequest(`${quoted(absent)} is invalid attribute for sort_keys`);
  const wrong = directions.filter((direction) => direction !== 'asc' && direction !== 'desc');
  if (wrong.length > 0)
    throw badRequest(`${quoted(wrong)} is invalid value for sort_dirs, valid value is 'asc' and 'desc'`);
  const seen = new Set<string>();
  return keys.flatMap((key, at) => {
    const column = sortable(key) as string;
    if (seen.has(column)) return [];
    seen.add(column);
    return [{ column, descending: directions[at] === 'desc' }];
  });
}

function readFixedIps(values: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const text of values) {
    const equals = text.indexOf('=');
    const key = text.slice(0, Math.max(equals, 0)).trim();
    if (key === '') throw badInput(`'${text.slice(0, 100)}' is not of the form <key>=[value]`);
    if (!FIXED_IP_KEYS.has(key)) throw badInput(`'${key.slice(0, 100)}' is not a key of fixed_ips`);
    found.set(key, [...(found.get(key) ?? []), text.slice(equals + 1).trim()]);
  }
  return found;
}

/** `changed_since=YYYY-MM-DDTHH:MM:SSZ`: only what changed then or later. */
function readChangedSince(map: AttributeMap, parameters: URLSearchParams): ListFilter<Row>[] {
  const given = parameters.get('changed_since');
  if (given === null || !map.byName.get('updated_at')?.column) return [];
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z?$/.exec(given);
  if (!match || Number.isNaN(Date.parse(`${match[1]}Z`)))
    throw badInput('The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SSZ');
  return [{ column: 'updated_at', operator: 'from', values: [`${match[1]}Z`] }];
}

const isTagFilter = (map: AttributeMap, name: string): name is TagFilter =>
  Object.hasOwn(TAG_FILTERS, name) && map.byName.has('tags');

function readTagFilter(name: TagFilter, texts: readonly string[]): ListFilter<Row> {
  const words = texts.flatMap((text) => text.split(',')).filter((word) => word !== '');
  return { column: 'tags', operator: TAG_FILTERS[name].operator, values: [...new Set(words)] };
}

/** The values that a filter names, as stored; undefined where none of them can ever be. */
function readFilter(attribute: Attribute, texts: readonly string[]): unknown[] | undefined {
  const values: unknown[] = [];
  for (const text of texts) {
    const reading = attribute.type.filter(text);
    if (reading === undefined) continue;
    if ('reason' in reading) throw badInput(reading.reason);
    values.push(reading.value);
  }
  return values.length > 0 ? values : undefined;
}

/** Reads a list's query string. Throws Fault for what it cannot mean. */
export function readListQuery(map: AttributeMap, parameters: URLSearchParams, caller: Caller): ListRequest {
  const names = [...new Set(parameters.keys())].filter((name) => !CONTROL.has(name));
  const mayFilter = (name: string) => {
    const attribute = map.byName.get(name);
    return attribute?.filter && mayAskBy(caller, { map, attribute }) ? attribute : undefined;
  };
  const unknown = names.filter((name) => !mayFilter(name) && !isTagFilter(map, name));
  if (unknown.length > 0)
    throw badRequest(`${quoted(unknown).slice(0, 500)} is invalid attribute for filtering`);
  const filters = readChangedSince(map, parameters);
  const computed: ListRequest['computed'][number][] = [];
  const narrowing = new Map<string, unknown[]>();
  let fixedIps = new Map<string, string[]>();
  let impossible = false;
  for (const name of names) {
    const texts = parameters.getAll(name);
    if (isTagFilter(map, name)) {
      filters.push(readTagFilter(name, texts));
      continue;
    }
    const attribute = mayFilter(name) as Attribute;
    if (name === 'fixed_ips') {
      fixedIps = readFixedIps(texts);
      continue;
    }
    const values = readFilter(attribute, texts);
    if (values === undefined) impossible = true;
    else if (attribute.narrows) narrowing.set(name, values);
    else if (attribute.column === null) computed.push({ attribute, values });
    else filters.push({ column: attribute.column, operator: 'in', values });
  }
  return {
    filters,
    computed,
    narrowing,
    fixedIps,
    impossible,
    sort: readSort(map, parameters, caller),
    limit: readLimit(parameters),
    marker: parameters.get('marker') || undefined,
    reverse: parameters.get('page_reverse')?.toLowerCase() === 'true',
    fields: parameters.getAll('fields').filter((field) => field !== ''),
  };
}
