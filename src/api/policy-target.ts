/** What rules of policy files are told: attributes of what they are about, and of what that belongs to. */
import type { Target } from '../policy/evaluate.ts';
import type { Call } from '../operations/operation.ts';
import { sharedWithCaller } from '../operations/sharing.ts';
import { standardTable } from '../operations/standard.ts';
import type { AttributeMap } from '../resources/attribute.ts';
import type { Tables } from '../store/store.ts';
import { collections } from './collections.ts';

type Values = Readonly<Record<string, unknown>>;

/** Attributes of a row (or of a body as it was read, which has the row's columns), by their names in the API. */
export function targetOf(map: AttributeMap, row: Values): Target {
  const target: Record<string, unknown> = {};
  for (const { name, column } of map.attributes)
    if (column !== null && Object.hasOwn(row, column)) target[name] = row[column];
  return target;
}

/** What a row belongs to, by what it is called (`network`); each is read once, for all rows that are asked about together. */
export type Read = Map<string, Promise<Target>>;

async function readBeside(tables: Tables, call: Call, named: { what: string; id: string }): Promise<Target> {
  const it = collections.find(({ map, table }) => map.singular === named.what && table !== undefined);
  if (!it?.table) return {};
  const row = (await standardTable(tables, it.table).get({ id: named.id })) as unknown as Values | undefined;
  if (!row) return {};
  const target = targetOf(it.map, row);
  const type = named.what;
  if (target['shared'] !== false) return target;
  return { ...target, shared: (await sharedWithCaller(tables, call, { type, id: named.id })).length > 0 };
}

export interface AboutRow {
  readonly map: AttributeMap;
  readonly row: Values;
  /** What is known of what it belongs to: `ext_parent`. */
  readonly known?: Readonly<Record<string, Target>>;
  readonly read?: Read;
}

/** What the rule is to be told of a row. */
export async function targetFor(
  tables: Tables,
  call: Call,
  { rule, map, row, known = {}, read = new Map() }: AboutRow & { readonly rule: string },
): Promise<Target> {
  const target: Record<string, unknown> = { ...targetOf(map, row) };
  for (const what of call.caller.overrides?.beside(rule) ?? []) {
    const id = row[`${what}_id`];
    let found: Target | undefined = what === map.singular ? target : known[what];
    if (found === undefined && typeof id === 'string') {
      const name = `${what}/${id}`;
      const reading = read.get(name) ?? readBeside(tables, call, { what, id });
      read.set(name, reading);
      found = await reading;
    }
    for (const [name, value] of Object.entries(found ?? {})) target[`${what}:${name}`] = value;
  }
  return target;
}
