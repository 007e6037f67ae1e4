/** The `Table`s of transactions and views, over the generic rows. */
import { assert } from '../../lib/assert.ts';
import type { AgentRow } from '../../resources/agent.ts';
import { ROUTER_PORT_OWNERS } from '../../resources/router.ts';
import { StoreUnavailable } from '../store.ts';
import type { Fleet, ListQuery, Log, Sighting, Table, Tables, Transaction, View } from '../store.ts';
import type { Database } from './database.ts';
import type { AnyRow } from './rows.ts';
import { copy, listRows } from './rows.ts';
import type { TableName, TableSchema } from './table-schema.ts';
import { SCHEMA } from './schema.ts';
import { rowsAt } from './table-state.ts';
import type { MemoryTransaction } from './transaction.ts';

type Reads = Pick<Table<AnyRow>, 'find' | 'get' | 'list' | 'count'>;

/** The four reads of a table, over one that selects. */
function readsOf(schema: TableSchema, select: (where: AnyRow) => Promise<readonly AnyRow[]>): Reads {
  return {
    find: async (where) => copy(await select(where)) as AnyRow[],
    async get(where) {
      const rows = await select(where);
      assert(rows.length <= 1, `one row of ${schema.name}`);
      return copy(rows[0]);
    },
    list: async (query) => copy(listRows(await select({}), query as ListQuery<AnyRow>, schema.primaryKey)),
    count: async (where) => (await select(where)).length,
  };
}

/**
 * `own`, and a table for each schema, made when it is asked for: few of them are. The casts end where the generic rows get
 * their types.
 */
function withTables<Own extends object>(
  own: Own,
  make: (schema: TableSchema) => Table<AnyRow>,
): Own & Tables {
  const get = (known: Own, name: string) =>
    name in SCHEMA ? make(SCHEMA[name as TableName]) : known[name as keyof Own];
  return new Proxy(own, { get: get as ProxyHandler<Own>['get'] & object }) as Own & Tables;
}

/** The log as of the commit that each read is given. */
function openLog(db: Database, read: () => Promise<number>): Log {
  return {
    async head() {
      const { position, tag } = db.head(await read());
      return { position, tag };
    },
    async changesFrom(position, limit) {
      const entries = db.entriesFrom(position, await read()).slice(0, limit);
      return entries.map(({ position, tag, refs, hosts, at }) =>
        copy({ position, tag, refs, hosts, ageMs: db.clock.now() - at }),
      );
    },
  };
}

/** Each call is one statement of `tx`. */
export function openTransaction(tx: MemoryTransaction, db: Database): Transaction {
  const log = openLog(db, () => tx.statement('select changes', () => db.lastCommit()));
  const alone = (words: string) => tx.statement('wait to be alone', () => tx.alone(words));
  return withTables({ tag: tx.tag, alone, ...log }, (schema) => {
    const { name } = schema;
    return {
      ...readsOf(schema, (where) => tx.statement(`select ${name}`, () => tx.select(schema, where))),
      lock: (where) =>
        tx.statement(`lock ${name}`, async () => copy(await tx.lock(schema, where, 'no-key-update'))),
      insert: (rows) => tx.statement(`insert ${name}`, () => tx.insert(schema, rows)),
      update: (where, changes) =>
        tx.statement(`update ${name}`, async () => copy(await tx.update(schema, where, changes))),
      remove: (where) => tx.statement(`delete ${name}`, async () => copy(await tx.remove(schema, where))),
    };
  });
}

/** A REPEATABLE READ view, of the commit that was the last one at its first read. */
export function openView(db: Database, pause: (point: string) => Promise<void>): View {
  const { term } = db;
  let snapshot: number | undefined;
  const read = async (): Promise<number> => {
    await pause('read');
    if (db.term !== term) throw new StoreUnavailable('the connection was lost');
    snapshot ??= db.commit;
    return snapshot;
  };
  const refuse = () => Promise.reject(new Error('cannot write in a read-only transaction'));
  const own: Omit<View, keyof Tables> = {
    ...openLog(db, read),
    scopes: async (hosts) => scopesAt(db, await read(), hosts),
    sightings: async (servers, died) =>
      sightingsAt(
        db,
        await read(),
        (it) =>
          it.liveness !== 'alive' || servers.includes(it.server_id) || (died !== undefined && it.deaths > 0),
      ),
    fleet: async () => fleetAt(db, await read()),
  };
  return withTables(own, (schema) => ({
    ...readsOf(schema, async (where) => rowsAt(db.tables[schema.name], where, await read())),
    lock: refuse,
    insert: refuse,
    update: refuse,
    remove: refuse,
  }));
}

const byHostAndRole = (one: Sighting, other: Sighting) => {
  const [first, second] = [`${one.host}\u0000${one.role}`, `${other.host}\u0000${other.role}`];
  return first < second ? -1 : 1;
};

function sightingsAt(db: Database, commit: number, isSought: (row: AgentRow) => boolean): Sighting[] {
  const rows = rowsAt(db.tables.agents, {}, commit) as unknown as AgentRow[];
  const hosts = new Set(rows.filter(isSought).map((row) => row.host));
  const found = rows.flatMap((row): Sighting[] => {
    const { id, host, role, server_id, liveness, deaths, availability_zone, heartbeat_at } = row;
    return hosts.has(host)
      ? [{ id, host, role, server_id, liveness, deaths, availability_zone, heartbeat_at }]
      : [];
  });
  return found.sort(byHostAndRole);
}

function fleetAt(db: Database, commit: number): Fleet {
  const zones = new Map<string, string>();
  for (const row of rowsAt(db.tables.agents, {}, commit) as unknown as AgentRow[]) {
    const known = zones.get(row.host);
    if (known === undefined || row.availability_zone < known) zones.set(row.host, row.availability_zone);
  }
  const hosts = new Map<string, number>();
  for (const zone of zones.values()) hosts.set(zone, (hosts.get(zone) ?? 0) + 1);
  return new Map([...hosts].sort());
}

function scopesAt(db: Database, commit: number, hosts?: readonly string[]): Map<string, string[]> {
  const where: AnyRow = hosts === undefined ? {} : { host: hosts };
  const groups = new Map<string, Set<string>>((hosts ?? []).map((host) => [host, new Set()]));
  const add = (row: AnyRow, kinds: readonly string[]) => {
    const host = row.host as string;
    if (host === '') return;
    const known = groups.get(host) ?? new Set<string>();
    for (const kind of kinds) known.add(`${kind}/${row.network_id as string}`);
    groups.set(host, known);
  };
  for (const row of rowsAt(db.tables.ports, where, commit)) add(row, ['network']);
  for (const row of rowsAt(db.tables.dhcpBindings, where, commit)) add(row, ['network', 'dhcp']);
  const bindings = rowsAt(db.tables.routerBindings, where, commit);
  const networks = bindings.length === 0 ? new Map<string, string[]>() : networksOfRouters(db, commit);
  for (const { host, router_id } of bindings) {
    const known = groups.get(host as string) ?? new Set<string>();
    known.add(`router/${router_id as string}`);
    for (const id of networks.get(router_id as string) ?? []) known.add(`network/${id}`);
    groups.set(host as string, known);
  }
  addSecurity(db, commit, { where, groups });
  return new Map([...groups].sort().map(([host, names]) => [host, [...names].sort()]));
}

/** The security groups of each host's ports, and the remotes of their rules. */
function addSecurity(
  db: Database,
  commit: number,
  { where, groups }: { where: AnyRow; groups: Map<string, Set<string>> },
): void {
  const bound = rowsAt(db.tables.ports, where, commit).filter(({ host }) => host !== '');
  const hostOf = new Map(bound.map(({ id, host }) => [id as string, host as string]));
  const rules = Map.groupBy(
    rowsAt(db.tables.securityGroupRules, {}, commit),
    (rule) => rule.security_group_id,
  );
  for (const { port_id, security_group_id } of rowsAt(db.tables.portSecurityGroups, {}, commit)) {
    const host = hostOf.get(port_id as string);
    if (host === undefined) continue;
    const known = groups.get(host) as Set<string>;
    known.add(`security-group/${security_group_id as string}`);
    for (const { remote_group_id, remote_address_group_id } of rules.get(security_group_id) ?? []) {
      if (remote_group_id !== null) known.add(`members/${remote_group_id as string}`);
      if (remote_address_group_id !== null) known.add(`address-group/${remote_address_group_id as string}`);
    }
  }
}

function networksOfRouters(db: Database, commit: number): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const port of rowsAt(db.tables.ports, { device_owner: ROUTER_PORT_OWNERS }, commit)) {
    const router = port.device_id as string;
    found.set(router, [...(found.get(router) ?? []), port.network_id as string]);
  }
  return found;
}
