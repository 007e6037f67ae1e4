/** `/v2.0/qos/rule-types`: the types of QoS rules that hosts carry out; for admins also what their rules may say. */
import { Fault } from '../resources/errors.ts';
import { ENFORCED, parametersOf, QOS_RULE_TYPES, type QosRuleType } from '../resources/qos-rule.ts';
import { boolean, display } from '../resources/values.ts';
import type { Api } from './app.ts';
import { adminOnly } from './policy.ts';
import { array, object, query, TEXT } from './route.ts';

const TYPE = object({ type: { ...TEXT, enum: QOS_RULE_TYPES } });
const FLAG = { type: 'boolean' } as const;
const LIST = {
  id: 'list_rule_types',
  summary: 'The types of QoS rules that hosts carry out.',
  parameters: [
    query('all_rules', 'All that policies can have, whether or not they are carried out.', FLAG),
    query('all_supported', 'Those that are carried out: the same as without it.', FLAG),
    query('type', 'Only this one; may be repeated.', array(TEXT)),
    query('fields', 'Show these attributes only.', array(TEXT)),
  ],
  answer: object({ rule_types: array(TYPE) }),
};
const SHOW = {
  id: 'show_rule_type',
  summary: 'What carries rules of this type out, and what they may say. For admins.',
  answer: object({ rule_type: object({ type: TEXT, drivers: array({ type: 'object' }) }) }),
};

/** What carries rules out, in the place of Neutron's drivers. */
const DRIVER = 'linuxbridge';

const KNOWN = new Set(['type', 'all_rules', 'all_supported', 'fields']);

function flag(parameters: URLSearchParams, name: string): boolean {
  const given = parameters.get(name);
  if (given === null) return false;
  const reading = boolean.read(given);
  if ('value' in reading) return reading.value as boolean;
  throw new Fault('InvalidInput', `Invalid input for operation: ${reading.reason}.`);
}

function typesAsked(parameters: URLSearchParams): readonly QosRuleType[] {
  const unknown = [...new Set(parameters.keys())].filter((name) => !KNOWN.has(name));
  if (unknown.length > 0) {
    const names = unknown.map((name) => `'${display(name)}'`).join(', ');
    throw new Fault('HTTPBadRequest', `[${names}] is invalid attribute for filtering`);
  }
  const [all, supported] = [flag(parameters, 'all_rules'), flag(parameters, 'all_supported')];
  if (all && supported)
    throw new Fault(
      'InvalidInput',
      'Invalid input for operation: all_rules and all_supported exclude each other.',
    );
  const named = parameters.getAll('type');
  return (all ? QOS_RULE_TYPES : ENFORCED).filter((type) => named.length === 0 || named.includes(type));
}

export function addQosRuleTypes(api: Api): void {
  api.route({ method: 'GET', url: '/v2.0/qos/rule-types', says: LIST }, async (request, reply) => {
    const rule_types = typesAsked(request.query as URLSearchParams).map((type) => ({ type }));
    return reply.send(JSON.stringify({ rule_types }));
  });
  api.route(
    { method: 'GET', url: '/v2.0/qos/rule-types/:type', rule: 'get_rule_type', says: SHOW },
    async (request, reply) => {
      adminOnly(api.callOf(request).caller, 'get_rule_type');
      const { type: asked } = request.params as { type: string };
      const type = QOS_RULE_TYPES.find((one) => one === asked);
      if (type === undefined)
        throw new Fault('HTTPNotFound', `QoS rule type ${display(asked)} could not be found.`);
      const driver = { name: DRIVER, supported_parameters: parametersOf(type) };
      const drivers = ENFORCED.includes(type) ? [driver] : [];
      return reply.send(JSON.stringify({ rule_type: { type, drivers } }));
    },
  );
}
