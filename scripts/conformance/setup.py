"""setup.py DIR: configuration of a Keystone and of a server that trusts it, and of the clients that test it.

Users are those of a devstack; tempest makes its own.
"""
import json
import os
import sys

root = sys.argv[1]
IDENTITY = 'http://127.0.0.1:15000/v3'

users = [('demo', {'demo': 'member'}), ('demo_reader', {'demo': 'reader'}), ('alt_demo', {'alt_demo': 'member'}),
         ('neutron', {'service': 'service'}), ('nova', {'service': 'service'})]
toml = ['[[services]]\nname = "neutron"\ntype = "network"\nurl = "http://127.0.0.1:19696"\n']
for name in ('demo', 'alt_demo', 'service'):
    toml.append('[[projects]]\nname = "%s"\n' % name)
for name, assignments in users + [('admin', {'demo': 'admin', 'alt_demo': 'admin'})]:
    if name != 'admin':
        toml.append('[[users]]\nname = "%s"\npassword = "secret"\n' % name)
    for project, role in assignments.items():
        toml.append('[[assignments]]\nuser = "%s"\nproject = "%s"\nroles = ["%s"]\n' % (name, project, role))
toml.append('[[assignments]]\nuser = "admin"\nroles = ["admin"]\n')


def cloud(user, project):
    return {'auth': {'auth_url': IDENTITY, 'username': user, 'password': 'secret', 'user_domain_id': 'default',
                     'project_name': project, 'project_domain_id': 'default'},
            'region_name': 'RegionOne', 'identity_api_version': '3', 'interface': 'public'}


clouds = {'devstack-admin': cloud('admin', 'admin'), 'devstack-admin-demo': cloud('admin', 'demo'),
          'devstack-system-admin': cloud('admin', 'admin'), 'devstack': cloud('demo', 'demo'),
          'devstack-alt': cloud('alt_demo', 'alt_demo'), 'devstack-reader': cloud('demo_reader', 'demo')}

server = '''[DEFAULT]
auth_strategy = keystone
bind_host = 127.0.0.1
bind_port = 19696
state_path = {root}
# prepare.py makes agents that nobody sends heartbeats for.
agent_down_time = 100000
[database]
connection = sqlite:///{root}/neutron.db
[keystone_authtoken]
www_authenticate_uri = {identity}
auth_type = password
auth_url = {identity}
username = neutron
password = secret
user_domain_name = Default
project_name = service
project_domain_name = Default
service_type = network
[embedded_bus]
bind_host = 127.0.0.1
bind_port = 19695
secret = conformance
[ml2]
type_drivers = flat,vlan,vxlan,gre,local,geneve
tenant_network_types = vxlan
mechanism_drivers = openvswitch,l2population
extension_drivers = port_security
[ml2_type_flat]
flat_networks = public
[ml2_type_vlan]
network_vlan_ranges = foo:1:10
[ml2_type_vxlan]
vni_ranges = 1:2000
[ml2_type_gre]
tunnel_id_ranges = 1:1000
[ml2_type_geneve]
vni_ranges = 1:1000
[quotas]
quota_network = 500
quota_subnet = 500
quota_port = 1000
quota_router = 100
quota_floatingip = 500
quota_rbac_policy = 100
quota_security_group = 150
quota_security_group_rule = 1000
'''
files = {'users.toml': ''.join(toml), 'clouds.yaml': json.dumps({'clouds': clouds}),
         'neutron.conf': server.format(root=root, identity=IDENTITY)}
for name, text in files.items():
    with open(os.path.join(root, name), 'w') as f:
        f.write(text)
