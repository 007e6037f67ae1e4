/**
 * The rules of QoS policies: `/v2.0/qos/policies/<id>/bandwidth_limit_rules` and the like, Neutron's aliases of single ones
 * (`/v2.0/qos/alias-bandwidth-limit-rules/<id>`), and the types of which hosts carry rules out.
 */
import type { FastifyRequest } from 'fastify';
import {
  createRule,
  deleteRule,
  listRules,
  mayCreateRule,
  type RuleRequest,
  showRule,
  updateRule,
} from '../operations/qos-rule.ts';
import { type AttributeMap, readCreate, readUpdate, schemaOf } from '../resources/attribute.ts';
import { Fault } from '../resources/errors.ts';
import { qosPolicyMap } from '../resources/qos-policy.ts';
import {
  ALIASED,
  QOS_RULE_TYPES,
  qosAliasMaps,
  qosRuleMaps,
  type QosRuleType,
  type QosRuleView,
} from '../resources/qos-rule.ts';
import { isPlainObject } from '../resources/values.ts';
import type { Api } from './app.ts';
import { pick } from './few.ts';
import { readListQuery } from './list-query.ts';
import { pageLinks } from './paging.ts';
import { permittedBy } from './policy.ts';
import { pathId, requireObject, sendWritten } from './resource-routes.ts';
import { array, type Description, object } from './route.ts';
import { bodyMaker, type Row } from './view.ts';

function descriptions(
  map: AttributeMap,
): Record<'list' | 'show' | 'create' | 'update' | 'delete', Description> {
  const { singular, plural } = map;
  const shown = schemaOf(map, 'shown');
  const one = object({ [singular]: shown });
  return {
    list: {
      id: `list_${plural}`,
      summary: 'Those of a QoS policy.',
      answer: object({ [plural]: array(shown) }),
    },
    show: { id: `show_${singular}`, summary: 'The one with that id.', answer: one },
    create: {
      id: `create_${singular}`,
      summary: 'Adds a rule to the policy, which has no other of this type and direction.',
      body: object({ [singular]: schemaOf(map, 'post') }),
      status: 201,
      answer: one,
    },
    update: {
      id: `update_${singular}`,
      summary: 'Changes what is named.',
      body: object({ [singular]: schemaOf(map, 'put') }),
      answer: one,
    },
    delete: { id: `delete_${singular}`, summary: 'Deletes it.', status: 204 },
  };
}

function bodyIn({ singular }: AttributeMap, given: unknown): unknown {
  const body = requireObject(given)[singular];
  if (!isPlainObject(body)) throw new Fault('HTTPBadRequest', `Unable to find '${singular}' in request body`);
  return body;
}

const fieldsOf = (request: FastifyRequest): string[] =>
  (request.query as URLSearchParams).getAll('fields').filter((field) => field !== '');

interface Place {
  readonly type: QosRuleType;
  readonly map: AttributeMap;
  readonly of: 'policy' | 'alias';
  /** Where one is, with `:id`. */
  readonly url: string;
  /** What is asked for; a Fault for an id that can be none. */
  readonly asked: (request: FastifyRequest) => RuleRequest;
}

/** The rule of policy files for a verb of one type's, below their policy or by alias. */
export const ruleOfRules = (verb: string, type: QosRuleType, of: 'policy' | 'alias' = 'policy'): string =>
  `${verb}_${of}_${type}_rule`;

function addOne(api: Api, { type, map, of, url, asked }: Place): void {
  const ruleOf = (verb: string) => ruleOfRules(verb, type, of);
  const says = descriptions(map);
  const shown = (request: FastifyRequest, rule: QosRuleView, fields: readonly string[] = []) => ({
    [map.singular]: bodyMaker(map, api.callOf(request).caller, fields)(rule as Row, () => ({})),
  });
  api.route({ method: 'GET', url, rule: ruleOf('get'), says: says.show }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), ruleOf('get'));
    const rule = await api.store.view((view) => showRule(view, call, asked(request)));
    return reply.send(JSON.stringify(shown(request, rule, fieldsOf(request))));
  });
  api.route({ method: 'PUT', url, rule: ruleOf('update'), says: says.update }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), ruleOf('update'));
    const change = { ...asked(request), changes: readUpdate(map, bodyIn(map, request.body)).values };
    const { result, place } = await api.store.transact((tx) => updateRule(tx, call, change));
    return sendWritten(reply, { status: 200, place, body: shown(request, result) });
  });
  api.route({ method: 'DELETE', url, rule: ruleOf('delete'), says: says.delete }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), ruleOf('delete'));
    const { place } = await api.store.transact((tx) => deleteRule(tx, call, asked(request)));
    return sendWritten(reply, { status: 204, place });
  });
}

function addAll(api: Api, type: QosRuleType): void {
  const map = qosRuleMaps[type];
  const says = descriptions(map);
  const url = `/v2.0/qos/policies/:policy/${map.path}`;
  const rules = { get: ruleOfRules('get', type), create: ruleOfRules('create', type) };
  const policyIn = (request: FastifyRequest) => pathId(qosPolicyMap, request, 'policy');
  api.route({ method: 'GET', url, rule: rules.get, says: says.list }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), rules.get);
    const parameters = request.query as URLSearchParams;
    const asked = readListQuery(map, parameters, call.caller);
    const policyId = policyIn(request);
    const all = await api.store.view((view) => listRules(view, call, { type, policyId }));
    const rows = asked.impossible ? [] : pick(map, all as unknown as Row[], asked);
    const toBody = bodyMaker(map, call.caller, asked.fields);
    const answer: Record<string, unknown> = { [map.plural]: rows.map((row) => toBody(row, () => ({}))) };
    if (asked.limit > 0) {
      const page = { url: api.urlOf(request), parameters, limit: asked.limit, reverse: asked.reverse };
      answer[`${map.plural}_links`] = pageLinks(
        page,
        rows.map((row) => row.id),
      );
    }
    return reply.send(JSON.stringify(answer));
  });
  api.route({ method: 'POST', url, rule: rules.create, says: says.create }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), rules.create);
    mayCreateRule(call, type);
    const { values } = readCreate(map, bodyIn(map, request.body), call.caller.projectId);
    const policyId = policyIn(request);
    const { result, place } = await api.store.transact((tx) =>
      createRule(tx, call, { type, policyId, values }),
    );
    const body = { [map.singular]: bodyMaker(map, call.caller, [])(result as Row, () => ({})) };
    return sendWritten(reply, { status: 201, place, body });
  });
  const asked = (request: FastifyRequest) => ({
    type,
    policyId: policyIn(request),
    id: pathId(map, request),
  });
  addOne(api, { ...{ type, map, asked, of: 'policy' }, url: `${url}/:id` });
}

export function addQosRules(api: Api): void {
  for (const type of QOS_RULE_TYPES) addAll(api, type);
  for (const type of ALIASED) {
    const map = qosAliasMaps[type];
    const asked = (request: FastifyRequest) => ({ type, id: pathId(map, request) });
    addOne(api, { ...{ type, map, asked, of: 'alias' }, url: `/v2.0/${map.path}/:id` });
  }
}
