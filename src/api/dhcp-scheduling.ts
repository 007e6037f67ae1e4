/** Which DHCP agents serve which networks (Neutron's DHCP agent scheduler, admins only), and the availability zones. */
import { type AvailabilityZone, listZones } from '../operations/availability-zone.ts';
import { agentView } from '../operations/agent.ts';
import {
  addNetworkToDhcpAgent,
  dhcpAgentsOfNetwork,
  networksOfDhcpAgent,
  removeNetworkFromDhcpAgent,
} from '../operations/dhcp-bindings.ts';
import { showNetwork } from '../operations/network.ts';
import { agentMap } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import { networkMap } from '../resources/network.ts';
import { canonicalUuid, display } from '../resources/values.ts';
import type { Api } from './app.ts';
import { agentCollection, networkCollection } from './collections.ts';
import { adminOnly } from './policy.ts';
import { pathId, requireObject, sendWritten } from './resource-routes.ts';
import { array, object, query, ref, TEXT } from './route.ts';
import { bodyMaker, type Row } from './view.ts';

const ZONE_FIELDS = ['name', 'resource', 'state'] as const;

const SAYS = {
  networks: {
    id: 'list_networks_on_dhcp_agent',
    summary: 'The networks that a DHCP agent serves.',
    answer: object({ networks: array(ref('Network')) }),
  },
  agents: {
    id: 'list_dhcp_agents_hosting_network',
    summary: 'The DHCP agents that serve a network.',
    answer: object({ agents: array(ref('Agent')) }),
  },
  zones: {
    id: 'list_availability_zones',
    summary: 'The zones in which there are agents.',
    parameters: ZONE_FIELDS.map((name) =>
      query(name, `Only those with this ${name}; may be repeated.`, array(TEXT)),
    ).concat(query('fields', 'Show these attributes only.', array(TEXT))),
    answer: object({ availability_zones: array(object({ name: TEXT, resource: TEXT, state: TEXT })) }),
  },
  add: {
    id: 'add_network_to_dhcp_agent',
    summary: 'Lets a DHCP agent serve a network.',
    body: object({ network_id: { ...TEXT, format: 'uuid' } }),
    status: 201,
    answer: { type: 'null' },
  },
  remove: {
    id: 'remove_network_from_dhcp_agent',
    summary: 'Lets a DHCP agent serve a network no longer.',
    status: 204,
  },
};

function networkIdIn(given: unknown): string {
  const body = requireObject(given);
  const { network_id, ...others } = body;
  if (Object.keys(others).length > 0)
    throw new Fault(
      'HTTPBadRequest',
      `Unrecognized attribute(s) '${display(Object.keys(others).join(', '))}'`,
    );
  const id = canonicalUuid(network_id);
  if (id === undefined)
    throw new Fault(
      'HTTPBadRequest',
      `Invalid input for network_id. Reason: '${display(network_id)}' is not a valid UUID.`,
    );
  return id;
}

/** Whether a query string asks for a zone. Throws HTTPBadRequest if it filters by what zones have not. */
function zoneFilter(parameters: URLSearchParams): (zone: AvailabilityZone) => boolean {
  const unknown = [...new Set(parameters.keys())].filter(
    (name) => name !== 'fields' && !ZONE_FIELDS.includes(name as never),
  );
  if (unknown.length > 0) {
    const names = unknown.map((name) => `'${display(name)}'`).join(', ');
    throw new Fault('HTTPBadRequest', `[${names}] is invalid attribute for filtering`);
  }
  const asked = ZONE_FIELDS.filter((name) => parameters.has(name));
  return (zone) => asked.every((name) => parameters.getAll(name).includes(zone[name]));
}

function addReads(api: Api): void {
  api.route(
    { method: 'GET', url: '/v2.0/agents/:id/dhcp-networks', rule: 'get_dhcp-networks', says: SAYS.networks },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'get_dhcp-networks');
      const agentId = pathId(agentMap, request);
      const networks = await api.store.view(async (view) => {
        const rows = await networksOfDhcpAgent(view, call, agentId);
        const shown = rows as unknown as Row[];
        const computed = await networkCollection.compute(view, call, shown);
        const toBody = bodyMaker(networkMap, call.caller, []);
        return shown.map((row) => toBody(row, computed));
      });
      return reply.send(JSON.stringify({ networks }));
    },
  );
  api.route(
    { method: 'GET', url: '/v2.0/networks/:id/dhcp-agents', rule: 'get_dhcp-agents', says: SAYS.agents },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'get_dhcp-agents');
      const networkId = pathId(networkMap, request);
      const agents = await api.store.view(async (view) => {
        await showNetwork(view, call, networkId);
        const rows = await dhcpAgentsOfNetwork(view, call, networkId);
        const shown = rows.map((row) => agentView(call, row)) as unknown as Row[];
        const computed = await agentCollection.compute(view, call, shown);
        const toBody = bodyMaker(agentMap, call.caller, []);
        return shown.map((row) => toBody(row, computed));
      });
      return reply.send(JSON.stringify({ agents }));
    },
  );
  api.route({ method: 'GET', url: '/v2.0/availability_zones', says: SAYS.zones }, async (request, reply) => {
    const call = api.callOf(request);
    const parameters = request.query as URLSearchParams;
    const isAsked = zoneFilter(parameters);
    const zones = await api.store.view((view) => listZones(view, call));
    const fields = parameters.getAll('fields');
    // As the keys of the answer: what is left out is not written.
    const shown = fields.length === 0 ? undefined : ['availability_zones', ...fields];
    return reply.send(JSON.stringify({ availability_zones: zones.filter(isAsked) }, shown));
  });
}

export function addDhcpScheduling(api: Api): void {
  addReads(api);
  api.route(
    { method: 'POST', url: '/v2.0/agents/:id/dhcp-networks', rule: 'create_dhcp-network', says: SAYS.add },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'create_dhcp-network');
      const asked = { agentId: pathId(agentMap, request), networkId: networkIdIn(request.body) };
      const { place } = await api.store.transact((tx) => addNetworkToDhcpAgent(tx, call, asked));
      return sendWritten(reply, { status: 201, place, body: null });
    },
  );
  const one = '/v2.0/agents/:id/dhcp-networks/:network';
  api.route(
    { method: 'DELETE', url: one, rule: 'delete_dhcp-network', says: SAYS.remove },
    async (request, reply) => {
      const call = api.callOf(request);
      adminOnly(call.caller, 'delete_dhcp-network');
      const asked = { agentId: pathId(agentMap, request), networkId: pathId(networkMap, request, 'network') };
      const { place } = await api.store.transact((tx) => removeNetworkFromDhcpAgent(tx, call, asked));
      return sendWritten(reply, { status: 204, place });
    },
  );
}
