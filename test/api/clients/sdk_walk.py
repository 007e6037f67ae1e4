"""openstacksdk against a server: every resource made, listed, found, shown, changed and deleted, as a caller would write it.

Prints one line of JSON for each walk: {"walk": name, "error": null or what went wrong}. Run by test/api/clients.test.ts.
"""
import contextlib
import json
import traceback

import openstack

admin = openstack.connect(cloud='root')
net = admin.network
member = openstack.connect(cloud='red').network


class Wrong(Exception):
    pass


def same(found, expected, what=''):
    if found != expected:
        raise Wrong(f'{what}: found {found!r}, expected {expected!r}')


def ids(found):
    return sorted(one.id for one in found)


@contextlib.contextmanager
def made(kind, as_=net, **attributes):
    """One more of that kind (`network`), gone at the end."""
    it = getattr(as_, f'create_{kind}')(**attributes)
    delete = getattr(as_, f'delete_{kind}')
    try:
        yield it
    except Exception:
        # What went wrong first is told; what is left then may be in use.
        with contextlib.suppress(openstack.exceptions.SDKException):
            delete(it)
        raise
    delete(it, ignore_missing=False)
    same(getattr(as_, f'find_{kind}')(it.id), None, f'{kind} after its deletion')


def round_trip(kind, plural, it, change, as_=net, filters=()):
    """Show, find by id and name, list by filters, update, for what is there."""
    same(getattr(as_, f'get_{kind}')(it.id).id, it.id)
    same(getattr(as_, f'find_{kind}')(it.id, ignore_missing=False).id, it.id)
    if getattr(it, 'name', None):
        same(getattr(as_, f'find_{kind}')(it.name, ignore_missing=False).id, it.id, 'by name')
    every = getattr(as_, plural)
    if it.id not in ids(every()):
        raise Wrong(f'{it.id} is not listed')
    for name in filters:
        same(it.id in ids(every(**{name: getattr(it, name)})), True, f'listed by {name}')
    if change:
        changed = getattr(as_, f'update_{kind}')(it, **change)
        for name, value in change.items():
            same(getattr(changed, name), value, f'{name} after the update')
            same(getattr(getattr(as_, f'get_{kind}')(it.id), name), value, name)


def tags(it, plural, as_=net):
    """Every verb of tags, and the filters."""
    as_.set_tags(it, ['a', 'b'])
    every = getattr(as_, plural)
    same(sorted(it.fetch_tags(as_).tags), ['a', 'b'])
    it.add_tag(as_, 'c')
    it.remove_tag(as_, 'a')
    it.check_tag(as_, 'c')
    try:
        it.check_tag(as_, 'a')
        raise Wrong('a tag that was removed is there')
    except openstack.exceptions.NotFoundException:
        pass
    same(ids(every(tags='b,c')), [it.id], 'tags')
    same(ids(every(any_tags='c,z')), [it.id], 'any_tags')
    same(it.id in ids(every(not_tags='b,c')), False, 'not_tags')
    same(it.id in ids(every(not_any_tags='c,z')), False, 'not_any_tags')
    it.remove_all_tags(as_)
    same(it.fetch_tags(as_).tags, [])


walks = []


def walk(function):
    walks.append(function)
    return function


@walk
def networks():
    with made('network', member, name='n', description='d') as it:
        same((it.status, it.is_admin_state_up, it.is_shared), ('ACTIVE', True, False))
        round_trip('network', 'networks', it, {'name': 'n2', 'mtu': 1400}, member, ['name', 'description', 'status', 'project_id'])
        tags(it, 'networks', member)
        fresh = member.get_network(it.id)
        member.update_network(fresh, if_revision=fresh.revision_number, description='e')
        try:
            member.update_network(fresh, if_revision=1, description='f')
            raise Wrong('an old revision was taken')
        except openstack.exceptions.HttpException as error:
            same(error.status_code, 412)
        with made('network', member, name='m'):
            same(len(list(member.networks(limit=1))), 2, 'page by page')
            same(len(list(member.networks(limit=1, paginated=False))), 1)
    with made('network', name='p', provider_network_type='vxlan', provider_segmentation_id=77) as it:
        same((it.provider_network_type, it.provider_segmentation_id), ('vxlan', 77))
        same(ids(net.networks(provider_segmentation_id=77)), [it.id])


@walk
def subnets():
    with made('network', member, name='n') as network:
        with made('subnet', member, network_id=network.id, name='s', ip_version=4, cidr='10.1.0.0/24',
                  dns_nameservers=['192.0.2.1'], host_routes=[{'destination': '10.9.0.0/24', 'nexthop': '10.1.0.9'}],
                  allocation_pools=[{'start': '10.1.0.10', 'end': '10.1.0.20'}]) as it:
            same((it.gateway_ip, it.is_dhcp_enabled), ('10.1.0.1', True))
            round_trip('subnet', 'subnets', it, {'name': 's2', 'is_dhcp_enabled': False, 'gateway_ip': None}, member,
                       ['name', 'cidr', 'ip_version', 'network_id', 'gateway_ip'])
            tags(it, 'subnets', member)
            same(member.get_network(network.id).subnet_ids, [it.id])
        with made('subnet', member, network_id=network.id, ip_version=6, cidr='fd00:1::/64',
                  ipv6_ra_mode='slaac', ipv6_address_mode='slaac') as it:
            same(ids(member.subnets(ipv6_ra_mode='slaac')), [it.id])


@contextlib.contextmanager
def wired(as_=member, cidr='10.1.0.0/24', **attributes):
    """A network with a subnet."""
    with made('network', as_, name='wired', **attributes) as network:
        with made('subnet', as_, network_id=network.id, ip_version=4, cidr=cidr) as subnet:
            yield network, subnet


@walk
def ports():
    with wired() as (network, subnet), made('port', member, network_id=network.id, name='p') as it:
        address = it.fixed_ips[0]['ip_address']
        round_trip('port', 'ports', it, {'name': 'p2', 'device_id': 'vm', 'is_admin_state_up': False}, member,
                   ['name', 'network_id', 'mac_address', 'status'])
        tags(it, 'ports', member)
        same(ids(member.ports(fixed_ips=f'ip_address={address}')), [it.id])
        same(ids(member.ports(fixed_ips=[f'subnet_id={subnet.id}', f'ip_address={address}'])), [it.id])
        same(it.id in ids(member.get_subnet_ports(subnet.id)), True)
        member.update_port(it, allowed_address_pairs=[{'ip_address': '10.1.0.99'}], dns_name='vm',
                           extra_dhcp_opts=[{'opt_name': 'tftp-server', 'opt_value': '10.1.0.5', 'ip_version': 4}])
        it = member.get_port(it.id)
        same(it.allowed_address_pairs, [{'ip_address': '10.1.0.99', 'mac_address': it.mac_address}])
        same(it.dns_assignment[0]['hostname'], 'vm')
        member.update_port(it, allowed_address_pairs=[], security_group_ids=[], is_port_security_enabled=False)
        same(member.get_port(it.id).is_port_security_enabled, False)
        net.update_port(it.id, binding_host_id='h1', binding_vnic_type='normal', binding_profile={})
        same(net.get_port(it.id).binding_host_id, 'h1')
        bulk = list(member.create_ports([{'network_id': network.id, 'name': f'b{at}'} for at in range(2)]))
        same([p.name for p in bulk], ['b0', 'b1'])
        for port in bulk:
            member.delete_port(port)


@walk
def routers():
    with wired(net, '203.0.113.0/24', is_router_external=True) as (external, _), \
            wired() as (network, subnet), wired(cidr='10.2.0.0/24') as (other, _), made('router', member, name='r') as it:
        round_trip('router', 'routers', it, {'name': 'r2', 'is_admin_state_up': False}, member, ['name', 'status'])
        tags(it, 'routers', member)
        same(member.add_interface_to_router(it, subnet_id=subnet.id)['subnet_id'], subnet.id)
        port = member.create_port(network_id=other.id)
        same(member.add_interface_to_router(it, port_id=port.id)['port_id'], port.id)
        same(len(list(member.ports(device_id=it.id, device_owner='network:router_interface'))), 2)
        member.update_router(it, external_gateway_info={'network_id': external.id})
        same(member.get_router(it.id).external_gateway_info['network_id'], external.id)
        routes = [{'destination': f'10.9.{at}.0/24', 'nexthop': '10.1.0.9'} for at in range(2)]
        member.update_router(it, routes=routes[:1])
        same(member.get_router(it.id).routes, routes[:1])
        member.add_extra_routes_to_router(it, {'router': {'routes': routes[1:]}})
        same(len(member.get_router(it.id).routes), 2)
        member.remove_extra_routes_from_router(it, {'router': {'routes': routes[:1]}})
        same(member.get_router(it.id).routes, routes[1:])
        member.update_router(it, routes=[])
        net.update_router(it.id, external_gateway_info={'network_id': external.id, 'enable_snat': False})
        same(net.get_router(it.id).external_gateway_info['enable_snat'], False)
        member.update_router(it.id, external_gateway_info={})
        same(member.get_router(it.id).external_gateway_info, None)
        member.remove_interface_from_router(it, subnet_id=subnet.id)
        member.remove_interface_from_router(it, port_id=port.id)


@walk
def floating_ips():
    with wired(net, '203.0.113.0/24', is_router_external=True) as (external, _), \
            wired() as (network, subnet), made('router', member, name='r') as router:
        member.update_router(router, external_gateway_info={'network_id': external.id})
        member.add_interface_to_router(router, subnet_id=subnet.id)
        with made('port', member, network_id=network.id, name='p') as port, \
                made('ip', member, floating_network_id=external.id) as it:
            same(it.status, 'DOWN')
            round_trip('ip', 'ips', it, {'description': 'd'}, member, ['floating_ip_address', 'floating_network_id', 'status'])
            tags(it, 'ips', member)
            same(member.find_ip(it.floating_ip_address, ignore_missing=False).id, it.id)
            same(member.find_available_ip().id, it.id)
            same(member.add_ip_to_port(port, it).fixed_ip_address, port.fixed_ips[0]['ip_address'])
            same(ids(member.ips(port_id=port.id, router_id=router.id)), [it.id])
            same(member.remove_ip_from_port(it).fixed_ip_address, None)
            asked = {'internal_port_id': port.id, 'internal_ip_address': port.fixed_ips[0]['ip_address'],
                     'internal_port': 22, 'external_port': 2222, 'protocol': 'tcp'}
            forwarding = member.create_floating_ip_port_forwarding(it, **asked)
            same(ids(member.floating_ip_port_forwardings(it, protocol='tcp')), [forwarding.id])
            same(member.get_floating_ip_port_forwarding(it, forwarding).internal_port, 22)
            same(member.find_floating_ip_port_forwarding(it, forwarding.id).id, forwarding.id)
            member.update_floating_ip_port_forwarding(it, forwarding, external_port=2223)
            same(member.get_port_forwarding(forwarding, it).external_port, 2223)
            member.delete_floating_ip_port_forwarding(it, forwarding, ignore_missing=False)
        member.remove_interface_from_router(router, subnet_id=subnet.id)


@walk
def address_groups():
    with made('address_group', member, name='g', addresses=['10.0.0.0/24']) as it:
        round_trip('address_group', 'address_groups', it, {'name': 'g2', 'description': 'd'}, member, ['name'])
        member.add_addresses_to_address_group(it, ['10.0.1.0/24'])
        same(sorted(member.get_address_group(it.id).addresses), ['10.0.0.0/24', '10.0.1.0/24'])
        member.remove_addresses_from_address_group(it, ['10.0.0.0/24'])
        same(member.get_address_group(it.id).addresses, ['10.0.1.0/24'])


@walk
def address_scopes_and_subnet_pools():
    with made('address_scope', member, name='s', ip_version=4) as scope:
        round_trip('address_scope', 'address_scopes', scope, {'name': 's2'}, member, ['name', 'ip_version'])
        with made('subnet_pool', member, name='p', prefixes=['10.0.0.0/16'], default_prefix_length=26,
                  address_scope_id=scope.id) as pool:
            same((pool.default_prefix_length, pool.minimum_prefix_length, pool.ip_version), (26, 8, 4))
            round_trip('subnet_pool', 'subnet_pools', pool, {'name': 'p2', 'description': 'd'}, member,
                       ['name', 'address_scope_id', 'ip_version'])
            tags(pool, 'subnet_pools', member)
            member.update_subnet_pool(pool, prefixes=['10.0.0.0/15'])
            same(member.get_subnet_pool(pool.id).prefixes, ['10.0.0.0/15'])
            with made('network', member) as network, \
                    made('subnet', member, network_id=network.id, ip_version=4, subnet_pool_id=pool.id, prefix_length=24) as subnet:
                same(subnet.cidr.endswith('/24'), True)
                same(ids(member.subnets(subnet_pool_id=pool.id)), [subnet.id])
                same(member.get_network(network.id).ipv4_address_scope_id, scope.id)


@walk
def network_segment_ranges():
    with made('network_segment_range', name='r', network_type='vxlan', shared=False, project_id='red', minimum=500, maximum=509) as it:
        same(it.available, list(range(500, 510)))
        round_trip('network_segment_range', 'network_segment_ranges', it, {'name': 'r2', 'maximum': 511}, filters=['name', 'network_type', 'project_id'])


@walk
def rbac_policies():
    with made('network', member, name='n') as network, \
            made('rbac_policy', member, object_type='network', object_id=network.id, action='access_as_shared', target_project_id='blue') as it:
        same(ids(openstack.connect(cloud='blue').network.networks(is_shared=True)), [network.id])
        round_trip('rbac_policy', 'rbac_policies', it, {'target_project_id': 'green'}, member, ['object_id', 'object_type', 'action'])


@walk
def security_groups():
    with made('security_group', member, name='g', description='d') as it:
        same(len(it.security_group_rules), 2)
        round_trip('security_group', 'security_groups', it, {'name': 'g2'}, member, ['name', 'description'])
        tags(it, 'security_groups', member)
        with made('security_group_rule', member, security_group_id=it.id, direction='ingress', protocol='tcp',
                  port_range_min=22, port_range_max=23, remote_ip_prefix='10.0.0.0/8', description='ssh') as rule:
            same((rule.ether_type, rule.port_range_max), ('IPv4', 23))
            round_trip('security_group_rule', 'security_group_rules', rule, None, member,
                       ['security_group_id', 'direction', 'protocol', 'description'])
        rules = list(member.create_security_group_rules([
            {'security_group_id': it.id, 'direction': 'ingress', 'protocol': name} for name in ('udp', 'icmp')]))
        same(len(member.get_security_group(it.id).security_group_rules), 4)
        for rule in rules:
            member.delete_security_group_rule(rule)
    with made('security_group', member, name='g', stateful=False) as it:
        same(it.stateful, False)
    same([g.name for g in member.security_groups(project_id='red')], ['default'])


@walk
def qos():
    with made('qos_policy', name='q', description='d', is_shared=False) as policy:
        round_trip('qos_policy', 'qos_policies', policy, {'name': 'q2', 'is_shared': True}, filters=['name', 'description'])
        tags(policy, 'qos_policies')
        for kind, attributes, change in (
            ('bandwidth_limit', {'max_kbps': 1000, 'max_burst_kbps': 100, 'direction': 'ingress'}, {'max_kbps': 2000}),
            ('dscp_marking', {'dscp_mark': 26}, {'dscp_mark': 28}),
            ('minimum_bandwidth', {'min_kbps': 10, 'direction': 'egress'}, {'min_kbps': 20}),
            ('minimum_packet_rate', {'min_kpps': 10, 'direction': 'egress'}, {'min_kpps': 20}),
        ):
            verb = lambda name: getattr(net, f'{name}_qos_{kind}_rule')
            rule = verb('create')(policy, **attributes)
            for name, value in attributes.items():
                same(getattr(verb('get')(rule, policy), name), value, f'{kind} {name}')
            same(verb('find')(rule.id, policy).id, rule.id)
            same(ids(getattr(net, f'qos_{kind}_rules')(policy)), [rule.id])
            verb('update')(rule, policy, **change)
            for name, value in change.items():
                same(getattr(verb('get')(rule, policy), name), value)
            same([r['id'] for r in net.get_qos_policy(policy.id).rules], [rule.id])
            verb('delete')(rule, policy, ignore_missing=False)
        with made('network', member, qos_policy_id=policy.id) as network:
            same(network.qos_policy_id, policy.id)
    types = [one.type for one in net.qos_rule_types()]
    same('bandwidth_limit' in types, True)
    same(net.get_qos_rule_type('bandwidth_limit').type, 'bandwidth_limit')
    same(net.find_qos_rule_type('dscp_marking').type, 'dscp_marking')


@walk
def trunks():
    with made('network', member) as one, made('network', member) as other, \
            made('port', member, network_id=one.id) as parent, made('port', member, network_id=other.id) as child:
        with made('trunk', member, name='t', port_id=parent.id) as it:
            round_trip('trunk', 'trunks', it, {'name': 't2', 'description': 'd'}, member, ['name', 'port_id'])
            tags(it, 'trunks', member)
            sub = {'port_id': child.id, 'segmentation_type': 'vlan', 'segmentation_id': 101}
            member.add_trunk_subports(it, [sub])
            same(member.get_trunk_subports(it)['sub_ports'], [sub])
            same(member.get_trunk(it.id).sub_ports, [sub])
            same(member.get_port(parent.id).trunk_details['trunk_id'], it.id)
            member.delete_trunk_subports(it, [{'port_id': child.id}])
            same(member.get_trunk_subports(it)['sub_ports'], [])


@walk
def flavors():
    with made('flavor', name='f', service_type='L3_ROUTER_NAT', description='d', is_enabled=True) as it, \
            made('service_profile', description='d', driver='', meta_info='{}', is_enabled=True) as profile:
        round_trip('flavor', 'flavors', it, {'name': 'f2', 'is_enabled': False}, filters=['name', 'service_type'])
        round_trip('service_profile', 'service_profiles', profile, {'description': 'e'}, filters=['description'])
        net.associate_flavor_with_service_profile(it, profile)
        same(net.get_flavor(it.id).service_profile_ids, [profile.id])
        net.disassociate_flavor_from_service_profile(it, profile)
        same(net.get_flavor(it.id).service_profile_ids, [])
    same(sorted(p.name for p in net.service_providers()), ['ha', 'single_node'])


@walk
def auto_allocated_topology():
    with wired(net, '203.0.113.0/24', is_router_external=True, is_default=True), \
            made('subnet_pool', name='auto', prefixes=['10.7.0.0/16'], default_prefix_length=24, is_default=True, is_shared=True):
        same(member.validate_auto_allocated_topology('red').id, 'dry-run=pass')
        it = member.get_auto_allocated_topology('red')
        same((it.project_id, member.get_network(it.id).project_id), ('red', 'red'))
        same(member.get_auto_allocated_topology('red').id, it.id)
        member.delete_auto_allocated_topology('red')
        same(list(member.networks(project_id='red')), [])


@walk
def metering():
    with made('metering_label', name='m', description='d', is_shared=True) as it:
        round_trip('metering_label', 'metering_labels', it, None, filters=['name', 'description'])
        for prefix in ('remote', 'destination'):
            with made('metering_label_rule', metering_label_id=it.id, direction='egress', is_excluded=False,
                      **{f'{prefix}_ip_prefix': '192.0.2.0/24'}) as rule:
                same((rule.direction, rule.is_excluded), ('egress', False))
                round_trip('metering_label_rule', 'metering_label_rules', rule, None, filters=['metering_label_id', 'direction'])


@walk
def ip_availability():
    with wired() as (network, subnet), made('port', member, network_id=network.id):
        it = net.get_network_ip_availability(network.id)
        same((it.used_ips > 0, it.total_ips), (True, 253))  # DHCP has addresses too
        same(net.find_network_ip_availability(network.id).network_id, network.id)
        same([one.network_id for one in net.network_ip_availabilities(network_name=network.name)], [network.id])


@walk
def agents():
    found = list(net.agents(host='h1'))
    same(sorted(a.agent_type for a in found), ['DHCP agent', 'L3 agent', 'Linux bridge agent'])
    same(all(a.is_alive for a in found), True)
    by_host = lambda kind: {a.host: a for a in net.agents(agent_type=kind)}
    same(net.get_agent(found[0].id).binary, found[0].binary)
    same(net.update_agent(found[0], description='d').description, 'd')
    same(ids(net.agents(description='d')), [found[0].id])
    dhcp = by_host('DHCP agent')
    with wired() as (network, subnet), made('port', member, network_id=network.id):
        [first] = list(net.network_hosting_dhcp_agents(network))
        other = dhcp['h2' if first.host == 'h1' else 'h1']
        net.add_dhcp_agent_to_network(other, network)
        same(network.id in ids(net.dhcp_agent_hosting_networks(other)), True)
        net.remove_dhcp_agent_from_network(dhcp[first.host], network)
    l3 = by_host('L3 agent')
    with made('router', member, name='r') as router:
        first = list(net.routers_hosting_l3_agents(router))
        for agent in first:
            net.remove_router_from_agent(l3[agent.host], router)
        net.add_router_to_agent(l3['h2'], router)
        same([a.host for a in net.routers_hosting_l3_agents(router)], ['h2'])
        same(ids(net.agent_hosted_routers(l3['h2'])), [router.id])
    zones = {(z.name, z.resource) for z in net.availability_zones()}
    same({('nova', 'network'), ('nova', 'router')} <= zones, True, f'zones {zones}')


@walk
def agent_deleted():
    [gone] = net.agents(host='h3')
    net.delete_agent(gone, ignore_missing=False)
    same(list(net.agents(host='h3')), [])


@walk
def quotas():
    net.update_quota('red', networks=7, security_groups=8)
    it = net.get_quota('red')
    same((it.networks, it.security_groups), (7, 8))
    same([q.networks for q in net.quotas() if q.project_id == 'red'], [7])
    same(net.get_quota('red', details=True).networks['limit'], 7)
    same(member.get_quota('red').networks, 7)
    default = net.get_quota_default('red').networks
    net.delete_quota('red')
    same(net.get_quota('red').networks, default)


@walk
def extensions():
    aliases = [one.alias for one in net.extensions()]
    same('router' in aliases and 'trunk' in aliases, True)
    same(net.find_extension('router').alias, 'router')
    same(net.find_extension('nonsense'), None)


@walk
def cloud_layer():
    """What openstacksdk has above the proxy: names in, dictionaries out."""
    cloud = openstack.connect(cloud='red')
    network = cloud.create_network('n')
    subnet = cloud.create_subnet('n', cidr='10.2.0.0/24', subnet_name='s')
    same([s.id for s in cloud.search_subnets('s')], [subnet.id])
    router = cloud.create_router('r')
    cloud.add_router_interface(router, subnet_id=subnet.id)
    same(len(list(cloud.list_router_interfaces(router))), 1)
    cloud.remove_router_interface(router, subnet_id=subnet.id)
    port = cloud.create_port(network.id, name='p')
    same(cloud.get_port('p').id, port.id)
    group = cloud.create_security_group('g', 'd')
    rule = cloud.create_security_group_rule('g', port_range_min=80, port_range_max=80, protocol='tcp')
    same([cloud.delete_security_group_rule(rule.id), cloud.delete_security_group('g'), cloud.delete_port('p'),
          cloud.delete_router('r'), cloud.delete_subnet('s'), cloud.delete_network('n')], [True] * 6)


for function in walks:
    error = None
    try:
        function()
    except Exception:
        error = traceback.format_exc(limit=-4, chain=False)
    print(json.dumps({'walk': function.__name__, 'error': error}), flush=True)
