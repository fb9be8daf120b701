"""prepare.py DIR: what the suites expect to find: an external network, a private one, default subnet pools, agents of two hosts; then tempest.conf."""
import json
import os
import sqlite3
import sys
import time
import uuid

import requests

root = sys.argv[1]
IDENTITY, NETWORK = 'http://127.0.0.1:15000/v3', 'http://127.0.0.1:19696'


def login(user, project):
    deadline = time.monotonic() + 60
    scope = {'project': {'name': project, 'domain': {'id': 'default'}}}
    password = {'user': {'name': user, 'domain': {'id': 'default'}, 'password': 'secret'}}
    body = {'auth': {'identity': {'methods': ['password'], 'password': password}, 'scope': scope}}
    while True:
        try:
            answer = requests.post(IDENTITY + '/auth/tokens', json=body, timeout=60)
            answer.raise_for_status()
            return {'X-Auth-Token': answer.headers['X-Subject-Token']}
        except requests.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def create(token, collection, **attributes):
    answer = requests.post('%s/v2.0/%ss' % (NETWORK, collection), headers=token, json={collection: attributes}, timeout=60)
    answer.raise_for_status()
    return answer.json()[collection]['id']


admin, demo = login('admin', 'admin'), login('demo', 'demo')
public = create(admin, 'network', **{'name': 'public', 'router:external': True})
create(admin, 'subnet', name='public-subnet', network_id=public, ip_version=4, cidr='172.24.4.0/24', enable_dhcp=False)
create(admin, 'subnet', name='ipv6-public-subnet', network_id=public, ip_version=6, cidr='2001:db8::/64',
       gateway_ip='2001:db8::2', enable_dhcp=False)
for version, prefix, length in ((4, '10.0.0.0/22', 26), (6, 'fd1f:ac2d:1b2f::/56', 64)):
    create(admin, 'subnetpool', name='shared-default-subnetpool-v%d' % version, prefixes=[prefix], default_prefixlen=length,
           is_default=True, shared=True)
private = create(demo, 'network', name='private')
create(demo, 'subnet', name='private-subnet', network_id=private, ip_version=4, cidr='10.1.0.0/26')

# Agents report over the server's own bus, which Python does not speak: their rows are written as a report writes them.
now = time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())
with sqlite3.connect(root + '/neutron.db', timeout=30) as db:
    for n in (0, 1):
        openvswitch = {'bridge_mappings': {'public': 'br-ex', 'foo': 'br-foo'}, 'datapath_type': 'system',
                       'tunnel_types': ['vxlan', 'gre'], 'tunneling_ip': '192.0.2.%d' % n, 'l2_population': True,
                       'integration_bridge': 'br-int'}
        dhcp = {'dhcp_driver': 'neutron.agent.linux.dhcp.Dnsmasq', 'dhcp_lease_duration': 86400, 'networks': 0,
                'subnets': 0, 'ports': 0, 'notifies_port_ready': True}
        l3 = {'agent_mode': 'dvr_snat', 'handle_internal_only_routers': True, 'interface_driver': 'openvswitch',
              'log_agent_heartbeats': False, 'extensions': [], 'routers': 0, 'ex_gw_ports': 0, 'interfaces': 0,
              'floating_ips': 0}
        for agent_type, name, topic, zone, configurations in (
                ('Open vSwitch agent', 'openvswitch', 'N/A', None, openvswitch),
                ('DHCP agent', 'dhcp', 'dhcp_agent', 'nova', dhcp),
                ('L3 agent', 'l3', 'l3_agent', 'nova', l3)):
            row = {'id': str(uuid.uuid4()), 'agent_type': agent_type, 'binary': 'neutron-%s-agent' % name, 'topic': topic,
                   'host': 'compute%d' % n, 'availability_zone': zone, 'admin_state_up': True, 'created_at': now,
                   'started_at': now, 'heartbeat_timestamp': now, 'configurations': json.dumps(configurations)}
            names = ','.join('"%s"' % column for column in row)
            db.execute('INSERT INTO agents (%s) VALUES (%s)' % (names, ','.join('?' * len(row))), list(row.values()))

listed = requests.get(NETWORK + '/v2.0/extensions', headers=admin, timeout=60).json()['extensions']
os.makedirs(root + '/lock')
with open(root + '/tempest.conf', 'w') as f:
    f.write('''[DEFAULT]
log_dir = {root}
log_file = tempest.log
use_stderr = false
[oslo_concurrency]
lock_path = {root}/lock
[identity]
auth_version = v3
uri = {identity}
uri_v3 = {identity}
region = RegionOne
v3_endpoint_type = public
[identity-feature-enabled]
api_v2 = false
api_v3 = true
[auth]
use_dynamic_credentials = true
admin_username = admin
admin_password = secret
admin_project_name = admin
admin_domain_name = Default
tempest_roles = member
default_credentials_domain_name = Default
[service_available]
neutron = true
nova = false
glance = false
cinder = false
swift = false
[network]
region = RegionOne
endpoint_type = public
public_network_id = {public}
floating_network_name = public
project_network_cidr = 10.100.0.0/16
project_network_mask_bits = 28
project_network_v6_cidr = 2003::/48
project_network_v6_mask_bits = 64
build_interval = 1
[network-feature-enabled]
api_extensions = {extensions}
ipv6 = true
ipv6_subnet_attributes = true
port_security = true
[enforce_scope]
neutron = true
[validation]
run_validation = false
[neutron_plugin_options]
provider_vlans = foo
provider_net_base_segm_id = 1
available_type_drivers = flat,vlan,vxlan,gre,local
q_agent = ovs
agent_availability_zone = nova
max_mtu = 1500
create_shared_resources = true
default_image_is_advanced = true
'''.format(root=root, identity=IDENTITY, public=public, extensions=','.join(e['alias'] for e in listed)))
