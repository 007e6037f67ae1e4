/** From rows to bodies: the attributes that the caller may see and asked for, under their API names. */
import type { Caller } from '../operations/operation.ts';
import type { Attribute, AttributeMap } from '../resources/attribute.ts';
import type { ConstantType } from '../resources/values.ts';
import { maySee } from './policy.ts';
import { targetOf } from './policy-target.ts';

export type Row = Readonly<Record<string, unknown>> & { readonly id: string };
export type Body = Record<string, unknown>;

/** What is not a column, by attribute name, for one row. */
export type Computed = (row: Row) => Readonly<Record<string, unknown>>;

/** Makes bodies of rows for this caller; `fields` (empty: all) are API names, unknown ones are ignored as Neutron does. */
export function bodyMaker(map: AttributeMap, caller: Caller, fields: readonly string[]): MakeBody {
  const asked = map.attributes.filter(({ name }) => fields.length === 0 || fields.includes(name));
  const isJudged = ({ name }: Attribute) => caller.overrides?.changes(`get_${map.singular}:${name}`) === true;
  if (caller.isAdmin || !asked.some(isJudged))
    return makerOf(asked.filter((attribute) => maySee(caller, { map, attribute })));
  return (row, computed) => {
    const target = targetOf(map, row);
    const seen = asked.filter((attribute) => maySee(caller, { map, attribute, target }));
    return makerOf(seen)(row, computed);
  };
}

type MakeBody = (row: Row, computed: Computed) => Body;

function makerOf(seen: readonly Attribute[]): MakeBody {
  const columns = seen.filter((attribute) => attribute.column !== null);
  const constants: Body = {};
  const others: string[] = [];
  for (const attribute of seen) {
    if (attribute.column !== null) continue;
    const type = attribute.type as Partial<ConstantType>;
    if ('constant' in type) constants[attribute.name] = type.constant;
    else others.push(attribute.name);
  }
  return (row, computed) => {
    const body: Body = {};
    for (const { name, column, showAs } of columns) {
      const value = row[column as string];
      body[name] = showAs ? showAs.of(value) : value;
    }
    if (others.length > 0) {
      const facts = computed(row);
      for (const name of others) body[name] = facts[name];
    }
    return Object.assign(body, constants);
  };
}
