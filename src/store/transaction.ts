/** `transact` and `view`: begin, work, commit; again after a collision; the truth after a lost answer. */
import type { Pool, PoolClient } from 'pg';
import { type Clock, sleep } from '../lib/clock.ts';
import { integerBetween, type Random } from '../lib/random.ts';
import type { Place } from '../resources/place.ts';
import { appendAndCommit, changesFrom, head } from './change-log.ts';
import { Collision, ConnectionLost, translate } from './faults.ts';
import { learnFate } from './lost-commit.ts';
import { scopes } from './scopes.ts';
import { fleet, sightings } from './sightings.ts';
import { Session, type StatementNames } from './session.ts';
import { type Log, RunAgain, StoreUnavailable, type Tables, type Transaction, type View } from './store.ts';
import { openTable, type Row, type TableDescription } from './table.ts';
import { DESCRIPTIONS } from './tables.ts';
import type { Vigil } from './vigil.ts';

export interface TransactionContext {
  readonly pool: Pool;
  readonly vigil: Vigil;
  readonly clock: Clock;
  readonly random: Random;
  readonly names: StatementNames;
  readonly commitPatienceMs: number;
}

const MOST_ATTEMPTS = 50;
const READ_WRITE = 'begin isolation level read committed';
const READ_ONLY = 'begin isolation level repeatable read read only';

export interface Committed<Result> {
  readonly result: Result;
  readonly place: Place | null;
}

/** The contract's `transact`. */
export function transact<Result>(
  context: TransactionContext,
  work: (tx: Transaction) => Promise<Result>,
): Promise<Committed<Result>> {
  return retryCollisions(context, async () => {
    const session = await openSession(context, READ_WRITE);
    const tag = context.random.tag();
    return closing(session, async () => {
      const result = await work({
        ...openTables(session),
        ...openLog(session),
        tag,
        alone: aloneIn(session),
      });
      if (session.failure) throw session.failure;
      return { result, place: await commit(context, session, tag) };
    });
  });
}

/** The contract's `view`. */
export function view<Result>(
  context: TransactionContext,
  work: (view: View) => Promise<Result>,
): Promise<Result> {
  return retryCollisions(context, async () => {
    const session = await openSession(context, READ_ONLY);
    return closing(session, async () => {
      const result = await work({
        ...openTables(session),
        ...openLog(session),
        scopes: (hosts) => scopes(session, hosts),
        sightings: (servers, died) => sightings(session, servers, died),
        fleet: () => fleet(session),
      });
      if (session.failure) throw session.failure;
      session.leave();
      return result;
    });
  });
}

/** Runs `statements` in a transaction that needs no place: the store's own housekeeping. */
export function housekeeping<Result>(
  context: TransactionContext,
  statements: (session: Session) => Promise<Result>,
): Promise<Result> {
  return retryCollisions(context, async () => {
    const session = await openSession(context, READ_WRITE);
    return closing(session, async () => {
      const result = await statements(session);
      await session.finish('commit');
      return result;
    });
  });
}

async function openSession(context: TransactionContext, begin: string): Promise<Session> {
  const { pool, vigil } = context;
  const connecting = pool.connect();
  let client: PoolClient;
  try {
    client = await vigil.unlessSilent(connecting);
  } catch (error) {
    // it may still come, after nobody waits for it any more
    connecting.then(
      (late) => late.release(),
      () => undefined,
    );
    throw translate(error);
  }
  return new Session(client, context.names, begin);
}

/** The contract's `alone`. The number keeps its locks apart from others by text. */
const aloneIn = (session: Session) => async (words: string) => {
  const text = 'select pg_advisory_xact_lock(hashtextextended($1, 4952))';
  await session.read({ text, values: [words], prepare: true });
};

function openLog(session: Session): Log {
  return {
    head: () => head(session),
    changesFrom: (position, limit) => changesFrom(session, position, limit),
  };
}

const ALL = Object.entries(DESCRIPTIONS) as [string, TableDescription<Row>][];

/** Each table by its name; the cast ends where the generic ones get the types of their rows. */
function openTables(session: Session): Tables {
  const tables = ALL.map(([name, description]) => [name, openTable(session, description)] as const);
  return Object.fromEntries(tables) as unknown as Tables;
}

/** Gives the connection back whatever happens; undoes an unfinished transaction. A collision outranks what came of it. */
async function closing<Result>(session: Session, body: () => Promise<Result>): Promise<Result> {
  try {
    return await body();
  } catch (error) {
    await session.rollback();
    throw session.failure instanceof Collision ? session.failure : error;
  } finally {
    session.release();
  }
}

async function retryCollisions<Result>(
  context: TransactionContext,
  attempt: () => Promise<Result>,
): Promise<Result> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Collision || error instanceof RunAgain)) throw error;
      if (attempts === MOST_ATTEMPTS) {
        throw new StoreUnavailable(`collided with other transactions ${attempts} times`, { cause: error });
      }
      await sleep(context.clock, integerBetween(context.random, 1, Math.min(2 ** attempts, 100)));
    }
  }
}

async function commit(context: TransactionContext, session: Session, tag: number): Promise<Place | null> {
  if (!session.begun) return null;
  const { writer } = session;
  if (writer === undefined) {
    await session.rollback(); // read and locked, but no row written: nothing to keep, nothing to be told
    return null;
  }
  try {
    const [appended, ended] = await session.finish<{ position: number | null }>(appendAndCommit(tag));
    if (ended?.command !== 'COMMIT')
      throw new StoreUnavailable(`PostgreSQL answered COMMIT with ${ended?.command}`);
    const position = appended?.rows[0]?.position ?? null;
    return position === null ? null : { position, tag };
  } catch (error) {
    if (!(error instanceof ConnectionLost)) throw error;
    session.abandon();
    const fate = await learnFate({
      clock: context.clock,
      tag,
      writer,
      patienceMs: context.commitPatienceMs,
      ask: (statements) => housekeeping(context, statements),
    });
    if (!fate.committed) throw error;
    return fate.position === null ? null : { position: fate.position, tag };
  }
}
