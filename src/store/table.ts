/** Any table, from its description: the contract's verbs as SQL. */
import { assert } from '../lib/assert.ts';
import { afterRow, ascending, condition, filterCondition, orderBy, Parameters, quote } from './conditions.ts';
import type { Session } from './session.ts';
import type { ListQuery, Table, Where } from './store.ts';

/** What a column holds, and so how values travel: jsonb as JSON text, bigint as a safe integer. */
export type Kind = 'uuid' | 'text' | 'boolean' | 'integer' | 'bigint' | 'jsonb';

export type Row = object;

export interface TableDescription<R extends Row> {
  readonly name: string;
  /** The primary key's columns, in its order. */
  readonly key: readonly (keyof R & string)[];
  readonly columns: { readonly [Column in keyof R & string]: Kind };
}

function encode(kind: Kind, value: unknown): unknown {
  return kind === 'jsonb' ? JSON.stringify(value) : value;
}

/** The parts of SQL text that depend on the description only. */
interface Compiled<R extends Row> {
  readonly description: TableDescription<R>;
  readonly columns: readonly (keyof R & string)[];
  readonly table: string;
  readonly selected: string;
  readonly keyOrder: string;
  readonly insertOne: string;
  readonly insertMany: string;
}

const compiled = new WeakMap<object, unknown>();

function compile<R extends Row>(description: TableDescription<R>): Compiled<R> {
  const known = compiled.get(description);
  if (known !== undefined) return known as Compiled<R>;
  const columns = Object.keys(description.columns) as (keyof R & string)[];
  const table = quote(description.name);
  const selected = columns.map(quote).join(', ');
  const numbered = columns.map((_, at) => `$${at + 1}`).join(', ');
  const arrays = columns.map((column, at) => `$${at + 1}::${description.columns[column]}[]`).join(', ');
  const made: Compiled<R> = {
    description,
    columns,
    table,
    selected,
    keyOrder: orderBy(ascending(description.key)),
    insertOne: `insert into ${table} (${selected}) values (${numbered})`,
    insertMany: `insert into ${table} (${selected}) select ${selected} from unnest(${arrays}) as given (${selected})`,
  };
  compiled.set(description, made);
  return made;
}

/** The table, within one transaction. */
export function openTable<R extends Row>(session: Session, description: TableDescription<R>): Table<R> {
  return new SqlTable(session, compile(description));
}

class SqlTable<R extends Row> implements Table<R> {
  readonly #session: Session;
  readonly #sql: Compiled<R>;

  constructor(session: Session, sql: Compiled<R>) {
    this.#session = session;
    this.#sql = sql;
  }

  find(where: Where<R>): Promise<R[]> {
    return this.#select(where, '');
  }

  async get(where: Where<R>): Promise<R | undefined> {
    const rows = await this.#select(where, ' limit 2');
    assert(rows.length < 2, `two rows of ${this.#sql.description.name} where one was meant`);
    return rows[0];
  }

  lock(where: Where<R>): Promise<R[]> {
    return this.#select(where, ' for no key update');
  }

  async list(query: ListQuery<R>): Promise<R[]> {
    const { description, selected, table } = this.#sql;
    const parameters = new Parameters();
    const keyColumns = description.key.filter((column) => !query.sort.some((s) => s.column === column));
    const order = [...query.sort, ...ascending(keyColumns)];
    const parts: string[] = [];
    for (const filter of query.filters) {
      const part = filterCondition(description, filter, parameters);
      if (part === null) return [];
      parts.push(part);
    }
    if (query.anyOf !== undefined) {
      const either = query.anyOf.map((filter) => filterCondition(description, filter, parameters));
      const possible = either.filter((part) => part !== null);
      if (possible.length === 0) return [];
      parts.push(`(${possible.join(' or ')})`);
    }
    if (query.after !== undefined) parts.push(afterRow(description, order, query.after, parameters));
    const where = parts.length > 0 ? ` where ${parts.join(' and ')}` : '';
    const limit = query.limit === undefined ? '' : ` limit ${parameters.add(query.limit)}`;
    return this.#session.read<R>({
      text: `select ${selected} from ${table}${where} order by ${orderBy(order)}${limit}`,
      values: parameters.values,
    });
  }

  async count(where: Where<R>): Promise<number> {
    const parameters = new Parameters();
    const matching = condition(this.#sql.description, where, parameters);
    if (matching === null) return 0;
    const rows = await this.#session.read<{ rows: number }>({
      text: `select count(1) as rows from ${this.#sql.table} where ${matching}`,
      values: parameters.values,
      prepare: true,
    });
    return (rows[0] as { rows: number }).rows;
  }

  async insert(rows: readonly R[]): Promise<void> {
    const { columns, description, insertOne, insertMany } = this.#sql;
    const first = rows[0];
    if (first === undefined) return;
    const cell = (row: R, column: keyof R & string) => {
      assert(row[column] !== undefined, `${description.name}.${column} is undefined`);
      return encode(description.columns[column], row[column]);
    };
    const values =
      rows.length === 1
        ? columns.map((column) => cell(first, column))
        : columns.map((column) => rows.map((row) => cell(row, column)));
    await this.#session.write({ text: rows.length === 1 ? insertOne : insertMany, values, prepare: true });
  }

  async update(where: Where<R>, changes: Partial<R>): Promise<R[]> {
    const { columns, description, selected, table } = this.#sql;
    const parameters = new Parameters();
    const sets = columns
      .filter((column) => changes[column] !== undefined)
      .map(
        (column) =>
          `${quote(column)} = ${parameters.add(encode(description.columns[column], changes[column]))}`,
      );
    if (sets.length === 0) return this.find(where);
    const matching = condition(description, where, parameters);
    if (matching === null) return [];
    const rows = await this.#session.write<R>({
      text: `update ${table} set ${sets.join(', ')} where ${matching} returning ${selected}`,
      values: parameters.values,
      prepare: true,
    });
    return this.#inKeyOrder(rows);
  }

  async remove(where: Where<R>): Promise<R[]> {
    const { description, selected, table } = this.#sql;
    const parameters = new Parameters();
    const matching = condition(description, where, parameters);
    if (matching === null) return [];
    const rows = await this.#session.write<R>({
      text: `delete from ${table} where ${matching} returning ${selected}`,
      values: parameters.values,
      prepare: true,
    });
    return this.#inKeyOrder(rows);
  }

  async #select(where: Where<R>, ending: string): Promise<R[]> {
    const { description, selected, table, keyOrder } = this.#sql;
    const parameters = new Parameters();
    const matching = condition(description, where, parameters);
    if (matching === null) return [];
    return this.#session.read<R>({
      text: `select ${selected} from ${table} where ${matching} order by ${keyOrder}${ending}`,
      values: parameters.values,
      prepare: true,
    });
  }

  /** RETURNING has no order of its own. */
  #inKeyOrder(rows: R[]): R[] {
    const compare = (a: R, b: R): number => {
      for (const column of this.#sql.description.key) {
        const left = a[column] as string | number;
        const right = b[column] as string | number;
        if (left !== right) return left < right ? -1 : 1;
      }
      return 0;
    };
    return rows.length > 1 ? rows.sort(compare) : rows;
  }
}
