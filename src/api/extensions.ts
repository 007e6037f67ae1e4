/** What is announced at `/v2.0/extensions`: only what works. Aliases, names and dates are Neutron's. */
import { Fault } from '../resources/errors.ts';
import { display } from '../resources/values.ts';
import type { Api } from './app.ts';
import { array, object, TEXT } from './route.ts';

interface Extension {
  readonly alias: string;
  readonly name: string;
  readonly description: string;
  readonly updated: string;
}

function extension(...[alias, name, description, updated]: [string, string, string, string]): Extension {
  return { alias, name, description, updated: `${updated}-00:00` };
}

// biome-ignore format: one line each reads as a table
export const EXTENSIONS: readonly Extension[] = [
  extension('address-group', 'Address group', 'Support address group', '2020-07-15T10:00:00'),
  extension('address-scope', 'Address scope', 'Address scopes extension.', '2015-07-26T10:00:00'),
  extension('agent', 'agent', 'The agent management extension.', '2013-02-03T10:00:00'),
  extension('allowed-address-pairs', 'Allowed Address Pairs', 'Provides allowed address pairs', '2013-07-23T10:00:00'),
  extension('availability_zone', 'Availability Zone', 'The availability zone extension.', '2015-01-01T10:00:00'),
  extension('availability_zone_filter', 'Availability Zone Filter Extension', 'Add filter parameters to AvailabilityZone resource', '2018-06-22T10:00:00'),
  extension('binding', 'Port Binding', 'Expose port bindings of a virtual port to external application', '2014-02-03T10:00:00'),
  extension('data-plane-status', 'Port data plane status extension', 'Expose status of underlying data plane', '2017-01-24T10:00:00'),
  extension('default-subnetpools', 'Default Subnetpools', 'Provides ability to mark and use a subnetpool as the default.', '2016-02-18T18:00:00'),
  extension('dhcp_agent_scheduler', 'DHCP Agent Scheduler', 'Schedule networks among dhcp agents', '2013-02-07T10:00:00'),
  extension('dns-domain-ports', 'dns_domain for ports', 'Allows the DNS domain to be specified for a network port.', '2017-04-24T10:00:00'),
  extension('dns-integration', 'DNS Integration', 'Provides integration with DNS.', '2015-08-15T18:00:00'),
  extension('empty-string-filtering', 'Empty String Filtering Extension', 'Allow filtering by attributes with empty string value', '2018-05-01T10:00:00'),
  extension('external-net', 'Neutron external network', 'Adds external network attribute to network resource.', '2013-01-14T10:00:00'),
  extension('expose-port-forwarding-in-fip', 'Expose Floating IP port forwardings', 'Expose port forwarding fields in floating IP response', '2018-06-28T16:00:00'),
  extension('ext-gw-mode', 'Neutron L3 Configurable external gateway mode', 'Extension of the router abstraction for specifying whether SNAT should occur on the external gateway', '2013-03-28T10:00:00'),
  extension('extra_dhcp_opt', 'Neutron Extra DHCP options', 'Options that DHCP gives to the machine of a port', '2013-03-17T12:00:00'),
  extension('extraroute', 'Neutron Extra Route', 'Extra routes configuration for L3 router', '2013-02-01T10:00:00'),
  extension('extraroute-atomic', 'Atomically add/remove extra routes', 'Edit extra routes of a router on server side by atomically adding/removing extra routes', '2019-07-10T00:00:00'),
  extension('filter-validation', 'Filter parameters validation', 'Provides validation on filter parameters.', '2018-07-04T10:00:00'),
  extension('fip-port-details', 'Floating IP Port Details Extension', 'Add port_details attribute to Floating IP resource', '2018-04-09T10:00:00'),
  extension('floating-ip-port-forwarding', 'Floating IP Port Forwarding', 'Allow port forwarding from floating IP port to an internal port', '2018-01-19T10:00:00'),
  extension('floating-ip-port-forwarding-description', 'Floating IP Port Forwarding new attribute description', 'Add a new attribute description to Floating IP Port Forwarding', '2019-11-01T10:00:00'),
  extension('floating-ip-port-forwarding-detail', 'Floating IP port forwarding detail', 'Shows id and internal_port_id of the port forwardings of floating IPs', '2022-05-06T10:00:00'),
  extension('floating-ip-port-forwarding-port-ranges', 'Floating IP Port Forwarding support port ranges', 'Support for port ranges in the floating IP port forwarding', '2021-07-27T10:00:00'),
  extension('floatingip-pools', 'Floating IP Pools Extension', 'Provides a floating IP pools API.', '2018-03-21T10:00:00'),
  extension('ip-substring-filtering', 'IP address substring filtering', 'Provides IP address substring filtering when listing ports', '2017-11-28T09:00:00'),
  extension('ip_allocation', 'IP Allocation', 'IP allocation extension.', '2016-06-10T23:00:00'),
  extension('l2_adjacency', 'L2 Adjacency', 'Display L2 Adjacency for Neutron Networks.', '2016-04-12T16:00:00'),
  extension('l3-ha', 'HA Router extension', 'Adds HA capability to routers.', '2014-04-26T00:00:00'),
  extension('l3-port-ip-change-not-allowed', 'Prevent L3 router ports IP address change extension', 'Prevent change of IP address for some L3 router ports', '2018-10-09T10:00:00'),
  extension('l3_agent_scheduler', 'L3 Agent Scheduler', 'Schedule routers among l3 agents', '2013-02-07T10:00:00'),
  extension('net-mtu', 'Network MTU', 'Provides MTU attribute for a network resource.', '2015-03-25T10:00:00'),
  extension('net-mtu-writable', 'Network MTU (writable)', 'Provides a writable MTU attribute for a network resource.', '2017-07-12T00:00:00'),
  extension('network-ip-availability', 'Network IP Availability', 'Provides IP availability data for each network and subnet.', '2015-09-24T00:00:00'),
  extension('network_availability_zone', 'Network Availability Zone', 'Availability zone support for network.', '2015-01-01T10:00:00'),
  extension('pagination', 'Pagination support', 'Extension that indicates that pagination is enabled.', '2016-06-12T00:00:00'),
  extension('port-device-profile', 'Port device profile', 'Expose the port device profile (Cyborg)', '2020-12-17T10:00:00'),
  extension('port-mac-address-regenerate', 'Neutron Port MAC address regenerate', 'Network port MAC address regenerate', '2018-05-03T10:00:00'),
  extension('port-numa-affinity-policy', 'Port NUMA affinity policy', 'Expose the port NUMA affinity policy', '2020-07-08T10:00:00'),
  extension('port-security', 'Port Security', 'Provides port security', '2012-07-23T10:00:00'),
  extension('port-security-groups-filtering', 'Port filtering on security groups', 'Provides security groups filtering when listing ports', '2018-01-09T09:00:00'),
  extension('port-resource-request', 'Port Resource Request', 'Expose resource request to Port', '2018-05-08T10:00:00'),
  extension('port-resource-request-groups', 'Port Resource Request Groups', 'Support requesting multiple groups of resources and traits from the same RP subtree in resource_request', '2021-08-02T10:00:00'),
  extension('project-id', 'project_id field enabled', 'Extension that indicates that project_id field is enabled.', '2016-09-09T09:09:09'),
  extension('provider', 'Provider Network', 'Expose mapping of virtual networks to physical networks', '2012-09-07T10:00:00'),
  extension('qos', 'Quality of Service', 'The Quality of Service extension.', '2015-06-08T10:00:00'),
  extension('qos-bw-limit-direction', 'Direction for QoS bandwidth limit rule', 'Allow to configure QoS bandwidth limit rule with specific direction: ingress or egress', '2017-04-10T10:00:00'),
  extension('qos-bw-minimum-ingress', 'Ingress direction for QoS minimum bandwidth rule', 'Allow to configure QoS minimum bandwidth rule with ingress direction.', '2018-07-09T10:00:00'),
  extension('qos-default', 'QoS default policy', 'Expose the QoS default policy per project', '2017-04-06T10:00:00'),
  extension('qos-fip', 'Floating IP QoS', 'The floating IP Quality of Service extension', '2017-07-20T00:00:00'),
  extension('qos-gateway-ip', 'Router gateway IP QoS', 'The Router gateway IP Quality of Service extension', '2018-02-24T00:00:00'),
  extension('qos-port-network-policy', 'QoS port network policy ID', 'Adds a the QoS network ID to the port definition', '2019-11-01T10:00:00'),
  extension('qos-pps', 'QoS Rule Type Packet per Second Extension', 'Add QoS Rule Type Packet per Second', '2021-05-12T10:00:00'),
  extension('qos-pps-minimum', 'QoS minimum packet rate rule', 'Allow to configure QoS minimum packet rate rule.', '2021-07-14T10:00:00'),
  extension('qos-pps-minimum-rule-alias', 'QoS minimum packet rate rule alias', 'API to enable GET, PUT and DELETE operations on QoS minimum packet rate rule without specifying policy ID', '2021-10-22T10:00:00'),
  extension('qos-rule-type-details', 'Details of QoS rule types', 'Expose details about QoS rule types supported by loaded backend drivers', '2017-06-22T10:00:00'),
  extension('qos-rule-type-filter', 'Allow to filter the list of QoS rule types', 'Allows to filter the QoS rule type list adding two new flags: all_rules for all implemented types, all_supported for those that are supported', '2022-02-02T10:00:00'),
  extension('qos-rules-alias', 'Quality of Service rules alias API', 'API to enable GET, PUT and DELETE operations on QoS policy rules without specifying policy ID', '2018-10-07T10:00:00'),
  extension('quota-check-limit', 'Quota engine limit check', 'Support for checking the resource usage before applying a new quota limit', '2021-05-31T18:00:00'),
  extension('quota_details', 'Quota details management support', 'Expose functions for quotas usage statistics per project', '2017-02-10T10:00:00'),
  extension('quotas', 'Quota management support', 'Expose functions for quotas management per project', '2012-07-29T10:00:00'),
  extension('rbac-address-group', 'Add address_group type to RBAC', 'Add address_group type to network RBAC', '2020-12-16T00:00:00'),
  extension('rbac-address-scope', 'Add address_scope type to RBAC', 'Add address_scope type to network RBAC', '2020-02-14T10:00:00'),
  extension('rbac-policies', 'RBAC Policies', 'Allows creation and modification of policies that control tenant access to resources.', '2015-06-17T12:15:12'),
  extension('rbac-security-groups', 'Add security_group type to network RBAC', 'Add security_group type to network RBAC', '2019-02-14T00:00:00'),
  extension('rbac-subnetpool', 'Add subnetpool type to RBAC', 'Add subnetpool type to RBAC', '2020-02-05T00:00:00'),
  extension('revision-if-match', 'If-Match constraints based on revision_number', 'Extension indicating that If-Match based on revision_number is supported.', '2016-12-11T00:00:00'),
  extension('router', 'Neutron L3 Router', 'Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway.', '2012-07-20T10:00:00'),
  extension('router_availability_zone', 'Router Availability Zone', 'Availability zone support for router.', '2015-01-01T10:00:00'),
  extension('security-group', 'security-group', 'The security groups extension.', '2012-10-05T10:00:00'),
  extension('security-groups-normalized-cidr', 'Normalized CIDR field for security group rules', 'Add new field with normalized remote_ip_prefix cidr in SG rule', '2020-07-28T10:00:00'),
  extension('security-groups-remote-address-group', 'Remote address group id field for security group rules', 'Add new field of remote address group id in SG rules', '2020-08-25T10:00:00'),
  extension('security-groups-shared-filtering', 'Security group filtering on the shared field', 'Support filtering security groups on the shared field', '2021-10-05T09:00:00'),
  extension('sorting', 'Sorting support', 'Extension that indicates that sorting is enabled.', '2016-06-12T00:00:00'),
  extension('standard-attr-description', 'standard-attr-description', 'Extension to add descriptions to standard attributes', '2016-02-10T10:00:00'),
  extension('standard-attr-revisions', 'Resource revision numbers', 'Shows the revision number of resources with standard attributes.', '2016-04-11T10:00:00'),
  extension('standard-attr-tag', 'Tag support for resources with standard attribute: port, subnet, subnetpool, network, security_group, router, floatingip, policy, trunk', 'Enables to set tag on resources with standard attribute.', '2017-01-01T00:00:00'),
  extension('standard-attr-timestamp', 'Resource timestamps', 'Adds created_at and updated_at to resources with standard attributes.', '2016-09-12T10:00:00'),
  extension('stateful-security-group', 'Stateful security group', 'Indicates if the security group is stateful or not', '2019-11-26T09:00:00'),
  extension('subnet-dns-publish-fixed-ip', 'Subnet DNS publish fixed IP', 'Support choosing to publish DNS records for IPs from a subnet', '2019-05-24T10:00:00'),
  extension('subnet_allocation', 'Subnet Allocation', 'Enables allocation of subnets from a subnet pool', '2015-03-30T10:00:00'),
  extension('subnet-service-types', 'Subnet service types', 'Provides ability to set the subnet service_types field', '2016-03-15T18:00:00'),
  extension('subnet_onboard', 'Subnet Onboard', 'Provides support for onboarding subnets into subnet pools', '2018-12-18T09:00:00'),
  extension('subnetpool-prefix-ops', 'Subnet Pool Prefix Operations', 'Provides support for adjusting the prefix list of subnet pools', '2019-02-08T10:00:00'),
  extension('tag-ports-during-bulk-creation', 'Tag Ports During Bulk Creation', 'Allow to tag ports during bulk creation', '2019-12-29T19:00:00'),
  extension('trunk', 'Trunk Extension', 'Provides support for trunk ports', '2016-01-01T10:00:00'),
  extension('trunk-details', 'Trunk port details', 'Expose trunk port details', '2016-01-01T10:00:00'),
  extension('flavors', 'Neutron Service Flavors', 'Flavor specification for Neutron advanced services.', '2015-09-17T10:00:00'),
  extension('l3-flavors', 'Router Flavor Extension', 'Flavor support for routers.', '2016-05-17T00:00:00'),
  extension('service-type', 'Neutron Service Type Management', 'API for retrieving service providers for Neutron advanced services', '2013-01-20T00:00:00'),
  extension('network-segment-range', 'Neutron Network Segment Range', 'Provides support for the network segment range management', '2018-11-29T00:00:00'),
  extension('uplink-status-propagation', 'Uplink status propagation extension', 'Provides ability to propagate port uplink status.', '2018-05-31T18:00:00'),
  extension('auto-allocated-topology', 'Auto Allocated Topology Services', 'Auto Allocated Topology Services.', '2016-01-01T00:00:00'),
];

const EXTENSION = object({ alias: TEXT, name: TEXT, description: TEXT, updated: TEXT, links: array({}) });
const LIST = {
  id: 'list_extensions',
  summary: 'What there is beside the core resources.',
  answer: object({ extensions: array(EXTENSION) }),
};
const SHOW = {
  id: 'show_extension',
  summary: 'One extension.',
  answer: object({ extension: EXTENSION }),
};

export function addExtensions(api: Api): void {
  api.route({ method: 'GET', url: '/v2.0/extensions', says: LIST }, (_request, reply) => {
    const extensions = EXTENSIONS.map((it) => ({ ...it, links: [] }));
    return reply.send(JSON.stringify({ extensions })) as never;
  });
  api.route({ method: 'GET', url: '/v2.0/extensions/:alias', says: SHOW }, async (request, reply) => {
    const { alias } = request.params as { alias: string };
    const found = EXTENSIONS.find((it) => it.alias === alias);
    if (!found) throw new Fault('HTTPNotFound', `Extension with alias ${display(alias)} does not exist`);
    return reply.send(JSON.stringify({ extension: { ...found, links: [] } }));
  });
}
