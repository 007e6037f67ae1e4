/** All rows of a database at one moment, and what its invariants are made of. */
import type { AgentObjects } from '../../../src/store/agent-objects.ts';
import { agentObjects } from '../../../src/store/agent-objects.ts';
import { type Address, type Cidr, parseAddress, parseCidr } from '../../../src/ipam/address.ts';
import type { Store, Table, Tables } from '../../../src/store/store.ts';
import { DESCRIPTIONS } from '../../../src/store/tables.ts';

type RowOf<Name extends keyof Tables> = Tables[Name] extends Table<infer Row> ? Row : never;

type Groups = Awaited<ReturnType<AgentObjects['groups']>>;

export type World = { readonly [Name in keyof Tables]: readonly RowOf<Name>[] } & {
  /** The groups of each host's scope, and what is in all of them: what agents hear. */
  readonly scopes: ReadonlyMap<string, readonly string[]>;
  readonly heard: Groups;
};

/** Each sentence that it gives is one that is broken. */
export type Invariant = (world: World) => Iterable<string>;

/** One consistent state. */
export async function readWorld(store: Store): Promise<World> {
  return store.view(async (view) => {
    const names = Object.keys(DESCRIPTIONS) as (keyof Tables)[];
    const rows: Partial<Record<keyof Tables, readonly unknown[]>> = {};
    for (const name of names) rows[name] = await view[name].find({});
    const objects = agentObjects(view);
    const scopes = await objects.scopes();
    const own = [...scopes.keys()].map((host) => `host/${host}`);
    const heard = await objects.groups([...own, ...new Set([...scopes.values()].flat())] as never);
    return { ...rows, scopes, heard } as unknown as World;
  });
}

/** What occurs more than once, by its key. */
export function* twice<Item>(
  items: Iterable<Item>,
  keyOf: (item: Item) => string | null | undefined,
): Iterable<string> {
  const seen = new Set<string>();
  for (const item of items) {
    const key = keyOf(item);
    if (key === null || key === undefined) continue;
    if (seen.has(key)) yield key;
    seen.add(key);
  }
}

/** Every two of them. */
export function* pairs<Item>(items: readonly Item[]): Iterable<readonly [Item, Item]> {
  for (const [at, one] of items.entries()) for (const other of items.slice(at + 1)) yield [one, other];
}

export const byId = <Row extends { readonly id: string }>(rows: readonly Row[]): Map<string, Row> =>
  new Map(rows.map((row) => [row.id, row]));

export function cidrOf(text: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(`${text} is no CIDR`);
  return cidr;
}

export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return address;
}
