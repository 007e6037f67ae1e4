/** Create, show, list, update and delete of any resource, by its attribute map. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Call, IfMatch } from '../operations/operation.ts';
import {
  missingFault,
  readCreate,
  readUpdate,
  type AttributeMap,
  type ReadBody,
} from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { formatPlace, type Place } from '../resources/place.ts';
import { canonicalUuid, isPlainObject } from '../resources/values.ts';
import type { ListFilter, Tables, Transaction } from '../store/store.ts';
import type { Api } from './app.ts';
import type { Action, Collection } from './collection.ts';
import { readListQuery, type ListRequest } from './list-query.ts';
import { pageLinks } from './paging.ts';
import { type AttributeWrite, checkAttributes, checkProject, forbidden } from './policy.ts';
import { isHidden, mayHideRows, mustGet, permit, permitCreate, readableRows } from './policy-judge.ts';
import { targetFor } from './policy-target.ts';
import { describe, describeAction } from './resource-descriptions.ts';
import { bodyMaker, type Row } from './view.ts';

const badRequest = (message: string): Fault => new Fault('HTTPBadRequest', message);

/** One transaction holds its locks until all are made. */
const MAX_BULK = 10_000;

/** `If-Match: revision_number=N`; other entity tags say nothing to us. */
export function readIfMatch(header: string | undefined): IfMatch {
  const tags = (header ?? '').split(',').map((tag) => tag.trim().replace(/^(W\/)?"(.*)"$/, '$2'));
  const revisions = tags.filter((tag) => tag.startsWith('revision_number='));
  if (revisions.length === 0) return undefined;
  const number = (revisions[0] as string).slice('revision_number='.length);
  if (revisions.length > 1)
    throw new Fault('BadRequest', 'Bad if-match request: Multiple revision_number etags are not supported.');
  if (!/^\d{1,15}$/.test(number))
    throw new Fault(
      'BadRequest',
      'Bad if-match request: Revision number etag must be in the format of revision_number=<int>.',
    );
  return Number(number);
}

/** The id of the path in canonical form; what is no UUID cannot be there. */
export function pathId(map: AttributeMap, request: FastifyRequest, name = 'id'): string {
  const given = (request.params as Record<string, string>)[name] ?? '';
  const id = canonicalUuid(given);
  if (id === undefined) throw missingFault(map, given);
  return id;
}

/** Answers a write, with its place in the change log if it has one. */
export function sendWritten(
  reply: FastifyReply,
  answer: { status: number; place: Place | null; body?: unknown },
) {
  if (answer.place) reply.header('x-deuteron-position', formatPlace(answer.place));
  return reply.code(answer.status).send(answer.body === undefined ? undefined : JSON.stringify(answer.body));
}

export function requireObject(body: unknown): Record<string, unknown> {
  if (body === undefined) throw badRequest('Resource body required');
  if (!isPlainObject(body)) throw badRequest('Body contains invalid data');
  if (Object.keys(body).length === 0) throw badRequest('Resource body required');
  return body;
}

/** The resources that a body of a create holds, and whether it was a bulk. */
function createItems(map: AttributeMap, given: unknown): { items: unknown[]; bulk: boolean } {
  const body = requireObject(given);
  if (Object.hasOwn(body, map.plural)) {
    const items = body[map.plural];
    if (!Array.isArray(items)) throw badRequest('Body contains invalid data');
    if (items.length === 0) throw badRequest('Resources required');
    if (items.length > MAX_BULK)
      throw new Fault('RequestTooLarge', `At most ${MAX_BULK} resources can be created at once.`);
    const unwrap = (item: unknown) =>
      isPlainObject(item) && Object.hasOwn(item, map.singular) ? item[map.singular] : item;
    return { items: items.map(unwrap), bulk: true };
  }
  if (!Object.hasOwn(body, map.singular) || body[map.singular] === null)
    throw badRequest(`Unable to find '${map.singular}' in request body`);
  return { items: [body[map.singular]], bulk: false };
}

function updateItem(map: AttributeMap, given: unknown): unknown {
  const body = requireObject(given);
  if (Object.hasOwn(body, map.plural)) throw badRequest('Bulk operation not supported');
  if (!Object.hasOwn(body, map.singular) || body[map.singular] === null)
    throw badRequest(`Unable to find '${map.singular}' in request body`);
  return body[map.singular];
}

function networkOwnership(
  it: Collection,
  tables: Tables,
  asked: { call: Call; row: Record<string, unknown> },
) {
  let answer: Promise<boolean> | undefined;
  return () => {
    answer ??= it.ownsNetwork?.(tables, asked.call, asked.row) ?? Promise.resolve(false);
    return answer;
  };
}

/** Throws Fault PolicyNotAuthorized unless the caller may give each attribute of the body; the row is what there is so far. */
async function checkWritten(
  it: Collection,
  tx: Transaction,
  call: Call,
  { verb, body, row }: Pick<AttributeWrite, 'verb' | 'body'> & { readonly row: Record<string, unknown> },
): Promise<void> {
  const read = new Map();
  const about = { map: it.map, row: { ...row, ...body.values }, read };
  await checkAttributes(call.caller, {
    ...{ verb, body, map: it.map, isOpened: it.adminOnly },
    ownsNetwork: networkOwnership(it, tx, { call, row }),
    target: (rule) => targetFor(tx, call, { ...about, rule }),
  });
}

async function createRows(
  it: Collection,
  tx: Transaction,
  call: Call,
  bodies: readonly ReadBody[],
): Promise<Row[]> {
  const permitted = await permitCreate(tx, call, { it, bodies });
  for (const body of bodies) await checkWritten(it, tx, call, { verb: 'create', body, row: body.values });
  return (
    it.create?.(
      tx,
      permitted,
      bodies.map((body) => body.values),
    ) ?? []
  );
}

async function updateRow(
  it: Collection & Required<Pick<Collection, 'update'>>,
  tx: Transaction,
  call: Call,
  write: { id: string; ifMatch: IfMatch; body: ReadBody },
): Promise<Row> {
  const { id, body } = write;
  const rule = `update_${it.map.singular}`;
  const permitted = await permit(tx, call, { it, id, rule, changed: body.values });
  if (!call.caller.isAdmin) {
    const row = await it.show(tx, call, id);
    await checkWritten(it, tx, call, { verb: 'update', body, row });
  }
  return it.update(tx, permitted, { id: write.id, ifMatch: write.ifMatch, changes: write.body.values });
}

const BY_ID = { column: 'id', descending: false } as const;

/** Whether a row passes the filters that are not asked of the store. */
function passes(request: ListRequest, computed: Record<string, unknown>): boolean {
  return request.computed.every(({ attribute, values }) => {
    const value = 'constant' in attribute.type ? attribute.type.constant : computed[attribute.name];
    return values.includes(value);
  });
}

/** The rows of a list, in the order in which they are shown. */
async function listRows(it: Collection, tables: Tables, call: Call, request: ListRequest) {
  const marker =
    request.marker === undefined || request.limit === 0 ? undefined : canonicalUuid(request.marker);
  if (request.marker !== undefined && request.limit > 0 && marker === undefined)
    throw missingFault(it.map, request.marker);
  const after = marker === undefined ? undefined : await it.show(tables, call, marker);
  const filters: ListFilter<Row>[] = [...request.filters, ...((await it.narrow?.(tables, request)) ?? [])];
  if (request.impossible || filters.some(({ operator, values }) => operator === 'in' && values.length === 0))
    return { rows: [], computed: () => ({}) };
  const backwards = request.reverse && request.limit > 0;
  const order = [...request.sort, ...(request.sort.some(({ column }) => column === 'id') ? [] : [BY_ID])];
  // what a policy file hides is found out row by row
  const lateFilters = request.computed.length > 0 || mayHideRows(it, call.caller);
  const found = await it.list(tables, call, {
    filters,
    sort: backwards ? order.map(({ column, descending }) => ({ column, descending: !descending })) : order,
    ...(after ? { after } : {}),
    ...(request.limit > 0 && !lateFilters ? { limit: request.limit } : {}),
  });
  const readable = await readableRows(tables, call, { it, rows: found });
  const computed = await it.compute(tables, call, readable);
  let rows = lateFilters ? readable.filter((row) => passes(request, computed(row))) : [...readable];
  if (request.limit > 0) rows = rows.slice(0, request.limit);
  return { rows: backwards ? rows.reverse() : rows, computed };
}

function addReads(api: Api, it: Collection): void {
  const { map } = it;
  const says = describe(it);
  const fieldsOf = (parameters: URLSearchParams) =>
    parameters.getAll('fields').filter((field) => field !== '');
  const rule = `get_${map.singular}`;
  api.route({ method: 'GET', url: `/v2.0/${map.path}`, rule, says: says.list }, async (request, reply) => {
    const call = api.callOf(request);
    if (isHidden(it, call.caller)) return reply.send(JSON.stringify({ [map.plural]: [] }));
    const parameters = request.query as URLSearchParams;
    const asked = readListQuery(map, parameters, call.caller);
    const found = await api.store.view(
      async (view) => (await it.beforeList?.(view, call, asked)) ?? listRows(it, view, call, asked),
    );
    if (typeof found === 'function') await api.store.transact(found);
    const { rows, computed } =
      typeof found === 'function' ? await api.store.view((view) => listRows(it, view, call, asked)) : found;
    const toBody = bodyMaker(map, call.caller, asked.fields);
    const answer: Record<string, unknown> = { [map.plural]: rows.map((row) => toBody(row, computed)) };
    if (asked.limit > 0) {
      const url = api.urlOf(request);
      const page = { url, parameters, limit: asked.limit, reverse: asked.reverse };
      answer[`${map.plural}_links`] = pageLinks(
        page,
        rows.map((row) => row.id),
      );
    }
    return reply.send(JSON.stringify(answer));
  });
  const url = `/v2.0/${map.path}/:id`;
  api.route({ method: 'GET', url, rule, says: says.show }, async (request, reply) => {
    const call = api.callOf(request);
    const id = pathId(map, request);
    if (isHidden(it, call.caller)) throw missingFault(map, id);
    const toBody = bodyMaker(map, call.caller, fieldsOf(request.query as URLSearchParams));
    const body = await api.store.view(async (view) => {
      const row = await it.show(view, call, id);
      await mustGet(view, call, { it, row });
      return toBody(row, await it.compute(view, call, [row]));
    });
    return reply.send(JSON.stringify({ [map.singular]: body }));
  });
}

function addCreate(api: Api, it: Collection): void {
  const { map } = it;
  const says = describe(it).create;
  if (!it.create && it.noCreate === undefined) return;
  const rule = `create_${map.singular}`;
  api.route({ method: 'POST', url: `/v2.0/${map.path}`, rule, says }, async (request, reply) => {
    const call = api.callOf(request);
    if (isHidden(it, call.caller, rule)) throw forbidden(rule);
    if (it.noCreate !== undefined) throw new Fault('BadRequest', `Bad ${map.plural} request: ${it.noCreate}`);
    const { items, bulk } = createItems(map, request.body);
    const bodies = items.map((item) => readCreate(map, item, call.caller.projectId));
    for (const body of bodies) checkProject(call.caller, body.values);
    const toBody = bodyMaker(map, call.caller, []);
    const { result, place } = await api.store.transact(async (tx) => {
      const rows = await createRows(it, tx, call, bodies);
      const computed = await it.compute(tx, call, rows);
      return rows.map((row) => toBody(row, computed));
    });
    const body = bulk ? { [map.plural]: result } : { [map.singular]: result[0] };
    return sendWritten(reply, { status: 201, place, body });
  });
}

function addUpdate(api: Api, it: Collection): void {
  const { map, update } = it;
  if (!update) return;
  const says = describe(it);
  const url = `/v2.0/${map.path}/:id`;
  const rule = `update_${map.singular}`;
  api.route({ method: 'PUT', url, rule, says: says.update }, async (request, reply) => {
    const call = api.callOf(request);
    const id = pathId(map, request);
    if (isHidden(it, call.caller, rule)) throw missingFault(map, id);
    const ifMatch = readIfMatch(request.headers['if-match']);
    const body = readUpdate(map, updateItem(map, request.body));
    const toBody = bodyMaker(map, call.caller, []);
    const { result, place } = await api.store.transact(async (tx) => {
      const row = await updateRow({ ...it, update }, tx, call, { id, ifMatch, body });
      return toBody(row, await it.compute(tx, call, [row]));
    });
    return sendWritten(reply, { status: 200, place, body: { [map.singular]: result } });
  });
}

function addDelete(api: Api, it: Collection): void {
  const { map, remove } = it;
  if (!remove) return;
  const says = describe(it);
  const url = `/v2.0/${map.path}/:id`;
  const rule = `delete_${map.singular}`;
  api.route({ method: 'DELETE', url, rule, says: says.delete }, async (request, reply) => {
    const call = api.callOf(request);
    const id = pathId(map, request);
    if (isHidden(it, call.caller, rule)) throw missingFault(map, id);
    if (request.body !== undefined) throw badRequest('Request body is not supported in DELETE.');
    const ifMatch = readIfMatch(request.headers['if-match']);
    const { place } = await api.store.transact(async (tx) =>
      remove(tx, await permit(tx, call, { it, id, rule }), { id, ifMatch }),
    );
    return sendWritten(reply, { status: 204, place });
  });
}

/** What the body of an action holds. Throws Fault for what is missing, unknown or wrong. */
function actionValues({ map }: Collection, action: Action<Row>, given: unknown): Record<string, unknown> {
  const outer = requireObject(given);
  const body = action.wrapped ? outer[map.singular] : outer;
  const values: Record<string, unknown> = {};
  for (const [name, type] of Object.entries(action.body)) {
    if (!isPlainObject(body) || !Object.hasOwn(body, name))
      throw badRequest(`Unable to find '${name}' in request body`);
    const reading = type.read(body[name]);
    if ('reason' in reading) throw badRequest(`Invalid input for ${name}. Reason: ${reading.reason}.`);
    values[name] = reading.value;
  }
  return values;
}

function addAction(api: Api, it: Collection, action: Action<Row>): void {
  const { map } = it;
  const says = describeAction(it, action);
  const url = `/v2.0/${map.path}/:id/${action.name}`;
  const rule = action.name;
  api.route({ method: 'PUT', url, rule, says }, async (request, reply) => {
    const call = api.callOf(request);
    const asked = {
      id: pathId(map, request),
      ifMatch: readIfMatch(request.headers['if-match']),
      values: actionValues(it, action, request.body),
    };
    const toBody = bodyMaker(map, call.caller, []);
    const { result, place } = await api.store.transact(async (tx) => {
      const row = await action.run(tx, await permit(tx, call, { it, id: asked.id, rule }), asked);
      if (action.answer) return action.answer.of(row);
      const body = toBody(row, await it.compute(tx, call, [row]));
      return action.isBare ? body : { [map.singular]: body };
    });
    return sendWritten(reply, { status: 200, place, body: result });
  });
}

/** Adds the routes of one resource. */
export function addResource(api: Api, it: Collection): void {
  addReads(api, it);
  addCreate(api, it);
  addUpdate(api, it);
  addDelete(api, it);
  for (const action of it.actions) addAction(api, it, action);
}
