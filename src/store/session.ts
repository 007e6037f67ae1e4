/**
 * One transaction on one connection, in few round trips: BEGIN travels with the first statement (the client pipelines),
 * statements of a fixed shape are prepared once a connection, and the end is one message.
 */
import type { Writable } from 'node:stream';
import type { PoolClient, QueryResult } from 'pg';
import { assert } from '../lib/assert.ts';
import { translate } from './faults.ts';

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  /** Its shape recurs, so it is prepared under a name. */
  readonly prepare?: boolean;
}

/** Who writes, as long as the server lives: enough to end it from outside. */
export interface Writer {
  /** The transaction's id, in decimal. */
  readonly xid: string;
  /** The server process. */
  readonly pid: number;
}

const WHO: Statement = {
  text: 'select pg_current_xact_id()::xid::text as xid, pg_backend_pid() as pid',
  prepare: true,
};

/** Where pg writes what it sends. */
interface Wired {
  readonly connection: { readonly stream: Pick<Writable, 'cork' | 'uncork'> };
}

/** Texts to names of prepared statements, the same on every connection. Bounded: what comes later goes unnamed. */
const MOST_NAMES = 500;
export type StatementNames = Map<string, string>;

export class Session {
  readonly #client: PoolClient;
  readonly #names: StatementNames;
  readonly #begin: string;
  #begun: Promise<unknown> | undefined;
  /** A write waits for BEGIN's answer, and whatever is asked after it does too: statements keep their order. */
  #writing = false;
  #confirmed = false;
  #who: Promise<Writer> | undefined;
  #writer: Writer | undefined;
  #rowsWritten = 0;
  #failure: Error | undefined;
  #ended = false;
  #broken = false;
  #released = false;
  /** It is given back as soon as the end has been answered. */
  #isLeaving = false;
  #isGathering = false;

  constructor(client: PoolClient, names: StatementNames, begin: string) {
    this.#client = client;
    this.#names = names;
    this.#begin = begin;
  }

  /** The first error of any statement. PostgreSQL undoes the whole transaction for it, so it must not be swallowed. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get begun(): boolean {
    return this.#begun !== undefined;
  }

  /** Set once a row was written. */
  get writer(): Writer | undefined {
    return this.#rowsWritten > 0 ? this.#writer : undefined;
  }

  async read<Row extends object>(statement: Statement): Promise<Row[]> {
    this.#assertOpen();
    if (this.#writing && !this.#confirmed) await this.#confirmBegun();
    return (await this.#settle(Promise.all([this.#ensureBegun(), this.#send<Row>(statement)])))[1].rows;
  }

  /** As `read`, and makes sure that the transaction is known by its id before it may commit. */
  async write<Row extends object>(statement: Statement): Promise<Row[]> {
    this.#assertOpen();
    // A write must not travel with BEGIN: were BEGIN refused, the write would commit on its own.
    this.#writing = true;
    if (!this.#confirmed) await this.#confirmBegun();
    this.#who ??= this.#send<Writer>(WHO).then((result) => {
      this.#writer = result.rows[0] as Writer;
      return this.#writer;
    });
    const [, result] = await this.#settle(Promise.all([this.#who, this.#send<Row>(statement)]));
    this.#rowsWritten += result.rowCount ?? 0;
    return result.rows;
  }

  /** Sends the last message of the transaction, a simple query of one or more statements; errors come translated. */
  async finish<Row extends object>(text: string): Promise<QueryResult<Row>[]> {
    this.#assertOpen();
    this.#ended = true;
    const results: unknown = await this.#settle(this.#client.query<Row>(text));
    return (Array.isArray(results) ? results : [results]) as QueryResult<Row>[];
  }

  /** Undoes what was done. Never throws: a connection that cannot even do this is given up. */
  async rollback(): Promise<void> {
    this.#ended = true;
    if (this.#begun === undefined || this.#released) return;
    try {
      await this.#client.query('rollback');
    } catch {
      this.#broken = true; // the server rolls back when the connection ends
    }
  }

  /** As `rollback` and `release`, with nobody waiting for it: of what was only read nothing is to be undone. */
  leave(): void {
    if (this.#begun === undefined || this.#released) return;
    this.#isLeaving = true;
    void this.rollback().then(() => {
      this.#isLeaving = false;
      this.release();
    });
  }

  /** Gives the connection back, once. */
  release(): void {
    this.#ended = true;
    if (this.#released || this.#isLeaving) return;
    this.#released = true;
    this.#client.release(this.#broken);
  }

  /** Ends the connection: whatever it still does, nobody hears of it. */
  abandon(): void {
    this.#broken = true;
    this.release();
  }

  #assertOpen(): void {
    assert(!this.#ended, 'a transaction was used after its end');
    if (this.#failure) throw this.#failure;
  }

  #ensureBegun(): Promise<unknown> {
    this.#gather();
    this.#begun ??= this.#client.query(this.#begin);
    return this.#begun;
  }

  /** What is asked for at once is written at once: each write is a system call, and wakes PostgreSQL. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    const { stream } = (this.#client as unknown as Wired).connection;
    stream.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      stream.uncork();
    });
  }

  async #confirmBegun(): Promise<void> {
    await this.#settle(this.#ensureBegun());
    this.#confirmed = true;
  }

  #send<Row extends object>(statement: Statement): Promise<QueryResult<Row>> {
    this.#gather();
    const name = statement.prepare ? this.#nameOf(statement.text) : undefined;
    return this.#client.query<Row>({
      text: statement.text,
      values: (statement.values ?? []) as unknown[],
      ...(name === undefined ? {} : { name }),
    });
  }

  #nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= MOST_NAMES) return known;
    const name = `d${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }

  async #settle<Result>(pending: Promise<Result>): Promise<Result> {
    try {
      return await pending;
    } catch (error) {
      this.#failure ??= translate(error);
      throw this.#failure;
    }
  }
}
