"""What people type, by the client's own entry point in one process: each command would else take a second to start.

Prints one line of JSON for each walk: {"walk": name, "error": null or what went wrong}. Run by test/api/clients.test.ts.
"""
import contextlib
import io
import json
import shlex
import subprocess
import traceback

from openstackclient.shell import main


class Wrong(Exception):
    pass


def run(line):
    """The exit code of `openstack LINE` and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(shlex.split(line))
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), err.getvalue()


def do(line):
    code, _, err = run(line)
    if code != 0:
        raise Wrong(f'openstack {line}: {code} {err}')


def ask(line):
    """What it prints, of `create`, `list` and `show`."""
    code, out, err = run(f'{line} -f json')
    if code != 0:
        raise Wrong(f'openstack {line}: {code} {err}')
    return json.loads(out)


def same(found, expected, what=''):
    if found != expected:
        raise Wrong(f'{what}: found {found!r}, expected {expected!r}')


def column(line, name):
    return sorted(row[name] for row in ask(line))


walks = []


def walk(function):
    walks.append(function)
    return function


@walk
def networks_and_subnets():
    ask('network create --description d --mtu 1400 --tag blue --disable-port-security net-1')
    same(column('network list --name net-1', 'Name'), ['net-1'])
    same(column('network list --tags blue --internal --enable --long', 'Name'), ['net-1'])
    do('network set --name n2 --tag green --no-share net-1')
    do('network unset --tag blue n2')
    same(ask('network show n2')['tags'], ['green'])
    ask('subnet create --network n2 --subnet-range 10.1.0.0/24 --dhcp --dns-nameserver 192.0.2.1 --gateway 10.1.0.9 '
        '--allocation-pool start=10.1.0.10,end=10.1.0.20 --host-route destination=10.8.0.0/24,gateway=10.1.0.8 s')
    do('subnet set --no-dhcp --dns-nameserver 192.0.2.2 --tag x s')
    do('subnet unset --dns-nameserver 192.0.2.1 --host-route destination=10.8.0.0/24,gateway=10.1.0.8 --tag x s')
    shown = ask('subnet show s')
    same((shown['dns_nameservers'], shown['host_routes'], shown['tags']), (['192.0.2.2'], [], []))
    same(column('subnet list --network n2 --ip-version 4 --subnet-range 10.1.0.0/24 --no-dhcp', 'Name'), ['s'])
    do('subnet delete s')
    do('network create --external --provider-network-type vxlan --provider-segment 90 --share p')
    same(column('network list --external --provider-segment 90', 'Name'), ['p'])
    do('network delete p')
    do('network delete n2')


@walk
def ports():
    do('network create net-2')
    do('subnet create --network net-2 --subnet-range 10.1.0.0/24 s')
    do('security group create g-2')
    ask('port create --network net-2 --fixed-ip subnet=s,ip-address=10.1.0.7 --security-group g-2 --dns-name vm --tag x p')
    same(column('port list --network net-2 --fixed-ip subnet=s --tags x --long', 'Name'), ['p'])
    do('port set --fixed-ip subnet=s,ip-address=10.1.0.8 --allowed-address ip-address=10.1.0.99 --description d '
       '--extra-dhcp-option name=mtu,value=1400 --disable p')
    mac = ask('port show p')['mac_address']
    do('port unset --fixed-ip subnet=s,ip-address=10.1.0.7 --security-group g-2 --tag x '
       f'--allowed-address ip-address=10.1.0.99,mac-address={mac} p')
    shown = ask('port show p')
    same([a['ip_address'] for a in shown['fixed_ips']], ['10.1.0.8'])
    same((shown['allowed_address_pairs'], shown['security_group_ids'], shown['tags']), ([], [], []))
    do('port set --no-security-group --disable-port-security p')
    do('port set --host h1 --binding-profile a=b p')
    same(ask('port show p')['binding_profile'], {'a': 'b'})
    do('port unset --binding-profile a --host p')
    do('port delete p')
    do('security group delete g-2')
    do('network delete net-2')


@walk
def routers_and_floating_ips():
    do('network create --external ext')
    do('subnet create --network ext --subnet-range 203.0.113.0/24 --no-dhcp exts')
    do('network create net-3')
    do('subnet create --network net-3 --subnet-range 10.1.0.0/24 s')
    do('network create m')
    do('subnet create --network m --subnet-range 10.2.0.0/24 t')
    do('port create --network m rp')
    do('port create --network net-3 p')
    ask('router create --description d --tag x r')
    same(column('router list --name r --tags x --long', 'Name'), ['r'])
    do('router add subnet r s')
    do('router add port r rp')
    do('router set --external-gateway ext --tag y --route destination=10.9.0.0/24,gateway=10.1.0.9 r')
    do('router add route --route destination=10.9.1.0/24,gateway=10.1.0.9 r')
    do('router remove route --route destination=10.9.0.0/24,gateway=10.1.0.9 r')
    shown = ask('router show r')
    same([route['destination'] for route in shown['routes']], ['10.9.1.0/24'])
    same(len(shown['interfaces_info']), 2)
    same(sorted(shown['tags']), ['x', 'y'])
    floating = ask('floating ip create --description d --tag x ext')
    address = floating['floating_ip_address']
    do(f'floating ip set --port p {address}')
    same(column(f'floating ip list --port p --router r --tags x', 'Floating IP Address'), [address])
    do(f'floating ip unset --port --tag x {address}')
    same(ask(f'floating ip show {address}')['port_id'], None)
    forwarding = ask(f'floating ip port forwarding create --internal-ip-address {ask("port show p")["fixed_ips"][0]["ip_address"]} '
                     f'--port p --internal-protocol-port 22 --external-protocol-port 2222 --protocol tcp {address}')['id']
    do(f'floating ip port forwarding set --external-protocol-port 2223 {address} {forwarding}')
    same(ask(f'floating ip port forwarding show {address} {forwarding}')['external_port'], 2223)
    same(column(f'floating ip port forwarding list --protocol tcp {address}', 'ID'), [forwarding])
    do(f'floating ip port forwarding delete {address} {forwarding}')
    do(f'floating ip delete {address}')
    do('router unset --external-gateway --all-tag --route destination=10.9.1.0/24,gateway=10.1.0.9 r')
    do('router remove port r rp')
    do('router remove subnet r s')
    do('router delete r')
    do('port delete p')
    do('network delete net-3 m ext')


@walk
def address_groups_scopes_pools():
    ask('address group create --address 10.0.0.0/24 ag-4')
    do('address group set --address 10.0.1.0/24 --description d ag-4')
    do('address group unset --address 10.0.0.0/24 ag-4')
    same(ask('address group show ag-4')['addresses'], ['10.0.1.0/24'])
    same(column('address group list --name ag-4', 'Name'), ['ag-4'])
    ask('address scope create --ip-version 4 as')
    do('address scope set --name as2 as')
    same(ask('address scope show as2')['ip_version'], 4)
    same(column('address scope list --ip-version 4', 'Name'), ['as2'])
    ask('subnet pool create --pool-prefix 10.0.0.0/16 --default-prefix-length 26 --address-scope as2 --tag x sp')
    do('subnet pool set --pool-prefix 10.1.0.0/16 --default-prefix-length 25 --min-prefix-length 24 --tag y sp')
    do('subnet pool unset --tag x sp')
    shown = ask('subnet pool show sp')
    same((shown['prefixes'], shown['tags'], str(shown['default_prefixlen'])), (['10.0.0.0/15'], ['y'], '25'))
    same(column('subnet pool list --address-scope as2 --long', 'Name'), ['sp'])
    do('network create net-4')
    same(ask('subnet create --network net-4 --subnet-pool sp --prefix-length 27 s')['cidr'][-3:], '/27')
    do('network delete net-4')
    do('subnet pool delete sp')
    do('address scope delete as2')
    do('address group delete ag-4')


@walk
def security_groups():
    ask('security group create --description d --tag x g-5')
    do('security group create --stateless other')
    do('address group create --address 10.0.0.0/24 ag-5')
    do('security group set --name g2 --description e g-5')
    do('security group unset --tag x g2')
    rules = [ask(f'security group rule create {words} g2')['id'] for words in (
        '--protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8',
        '--egress --ethertype IPv6 --protocol ipv6-icmp --icmp-type 128',
        '--remote-group other --description d',
        '--remote-address-group ag-5 --protocol udp')]
    same(ask(f'security group rule show {rules[0]}')['port_range_max'], 23)
    same(set(rules) <= set(column('security group rule list g2', 'ID')), True)
    same(column('security group rule list --protocol tcp --ingress g2', 'ID'), [rules[0]])
    do(f'security group rule delete {" ".join(rules)}')
    same('g2' in column('security group list', 'Name'), True)
    do('security group delete g2 other')
    do('address group delete ag-5')


@walk
def qos():
    do('network qos policy create --share q')
    rules = [ask(f'network qos rule create {words} q')['id'] for words in (
        '--type bandwidth-limit --max-kbps 1000 --max-burst-kbits 100 --egress', '--type dscp-marking --dscp-mark 26',
        '--type minimum-bandwidth --min-kbps 10 --ingress', '--type minimum-packet-rate --min-kpps 10 --ingress')]
    do(f'network qos rule set --max-kbps 2000 q {rules[0]}')
    same(ask(f'network qos rule show q {rules[0]}')['max_kbps'], 2000)
    same(column('network qos rule list q', 'ID'), sorted(rules))
    do('network create --qos-policy q net-6')
    do('network set --no-qos-policy net-6')
    do('network delete net-6')
    for rule in rules:
        do(f'network qos rule delete q {rule}')
    do('network qos policy set --no-share --name q2 --description d q')
    same(ask('network qos policy show q2')['shared'], False)
    same(column('network qos policy list', 'Name'), ['q2'])
    do('network qos policy delete q2')
    same('dscp_marking' in column('network qos rule type list', 'Type'), True)
    same(ask('network qos rule type show bandwidth_limit')['rule_type_name'], 'bandwidth_limit')


@walk
def trunks():
    if 'trunk' not in run('help network')[1]:
        return  # they are commands of python3-neutronclient or of later clients
    do('network create net-7')
    do('port create --network net-7 a')
    do('port create --network net-7 b')
    ask('network trunk create --parent-port a t')
    do('network trunk set --subport port=b,segmentation-type=vlan,segmentation-id=101 t')
    same([s['Segmentation ID'] for s in ask('network subport list --trunk t')], [101])
    do('network trunk unset --subport b t')
    same(column('network trunk list', 'Name'), ['t'])
    do('network trunk delete t')
    do('port delete a b')
    do('network delete net-7')


@walk
def flavors():
    ask('network flavor create --service-type L3_ROUTER_NAT f')
    profile = ask('network flavor profile create --description d --metainfo {}')['id']
    do(f'network flavor add profile f {profile}')
    do('network flavor set --name f2 --disable f')
    same(ask('network flavor show f2')['service_profile_ids'], [profile])
    do(f'network flavor remove profile f2 {profile}')
    do(f'network flavor profile set --description e {profile}')
    same(ask(f'network flavor profile show {profile}')['description'], 'e')
    same(column('network flavor list', 'Name'), ['f2'])
    same(column('network flavor profile list', 'ID'), [profile])
    do(f'network flavor profile delete {profile}')
    do('network flavor delete f2')
    same(column('network service provider list', 'Name'), ['ha', 'single_node'])


@walk
def network_segment_ranges():
    ask('network segment range create --shared --network-type vxlan --minimum 600 --maximum 609 sr')
    do('network segment range set --name sr2 --minimum 600 --maximum 619 sr')
    same(ask('network segment range show sr2')['maximum'], 619)
    same(column('network segment range list --available --long', 'Name'), ['sr2'])
    do('network segment range delete sr2')


@walk
def metering():
    ask('network meter create --description d --share m')
    rule = ask('network meter rule create --ingress --exclude --remote-ip-prefix 192.0.2.0/24 m')['id']
    same(ask(f'network meter rule show {rule}')['direction'], 'ingress')
    same(column('network meter rule list', 'ID'), [rule])
    same(ask('network meter show m')['shared'], True)
    same(column('network meter list', 'Name'), ['m'])
    do(f'network meter rule delete {rule}')
    do('network meter delete m')


@walk
def agents():
    agents = {(a['Host'], a['Agent Type']): a for a in ask('network agent list --long')}
    l2, dhcp, l3 = (agents['h1', kind]['ID'] for kind in ('Linux bridge agent', 'DHCP agent', 'L3 agent'))
    same(column('network agent list --agent-type dhcp --host h1', 'ID'), [dhcp])
    do(f'network agent set --description d --enable {l2}')
    same(ask(f'network agent show {l2}')['description'], 'd')
    do('network create net-10')
    do('subnet create --network net-10 --subnet-range 10.1.0.0/24 s')
    do('port create --network net-10 p')
    for host in column('network agent list --network net-10', 'Host'):
        do(f'network agent remove network --dhcp {agents[host, "DHCP agent"]["ID"]} net-10')
    do(f'network agent add network --dhcp {dhcp} net-10')
    same(column(f'network list --agent {dhcp}', 'Name'), ['net-10'])
    do('router create r')
    for host in column('network agent list --router r', 'Host'):
        do(f'network agent remove router --l3 {agents[host, "L3 agent"]["ID"]} r')
    do(f'network agent add router --l3 {l3} r')
    same(column(f'router list --agent {l3}', 'Name'), ['r'])
    do('router delete r')
    do('port delete p')
    do('network delete net-10')


@walk
def projects():
    """Whoever names a project asks Keystone for it first."""
    same(ask('network create --project red net-11')['project_id'], 'red')
    same(column('network list --project red', 'Name'), ['net-11'])
    policy = ask('network rbac create --type network --action access_as_shared --target-project blue --project red net-11')['id']
    do(f'network rbac set --target-project green {policy}')
    same(ask(f'network rbac show {policy}')['target_project_id'], 'green')
    same(policy in column('network rbac list --type network --action access_as_shared', 'ID'), True)
    do(f'network rbac delete {policy}')
    do('network delete net-11')
    do('quota set --networks 7 --secgroups 8 red')
    # `quota show` wants Nova and Cinder too
    same([(row['Project ID'], row['Networks'], row['Security Groups']) for row in ask('quota list --network')], [('red', 7, 8)])
    do('quota set --networks -1 --secgroups -1 red')


@walk
def what_there_is():
    do('network create net-12')
    do('subnet create --network net-12 --subnet-range 10.1.0.0/24 s')
    same(column('ip availability list', 'Network Name'), ['net-12'])
    same(ask('ip availability show net-12')['total_ips'], 253)
    do('network delete net-12')
    same('router' in column('extension list --network', 'Alias'), True)
    same(ask('extension show router')['alias'], 'router')
    same(set(column('availability zone list --network', 'Zone Name')), {'nova'})


@walk
def the_program_itself():
    ended = subprocess.run(['/usr/bin/openstack', 'network', 'show', 'nothing'], capture_output=True, text=True)
    same((ended.returncode, ended.stderr), (1, 'Error while executing command: No Network found for nothing\n'))


for function in walks:
    error = None
    try:
        function()
    except Exception:
        error = traceback.format_exc(limit=-2, chain=False)
    print(json.dumps({'walk': function.__name__, 'error': error}), flush=True)
