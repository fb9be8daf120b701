"""setup.py DIR: configuration of a server with many users, and of the clients that test it.

Users are made beforehand, as the built-in identity service reads them from a file: eight projects with a member, a
reader and a manager each and eight admins with projects of their own for tempest, and those of a devstack for the
clients. HASH is that of "secret".
"""
import hashlib
import json
import os
import sys

root, password_hash = sys.argv[1], os.environ['HASH']
IDENTITY = 'http://127.0.0.1:15000/v3'


def project_id(name):
    return hashlib.md5(name.encode()).hexdigest()


users = [('admin', {'admin': 'admin', 'demo': 'admin'}), ('demo', {'demo': 'member'}),
         ('demo_reader', {'demo': 'reader'}), ('alt_demo', {'alt_demo': 'member'}),
         ('nova', {'service': 'service'})]
accounts = []
for n in range(8):
    for role in ('member', 'reader', 'manager', 'admin'):
        user, project = '%s%d' % (role, n), 'tempest%s%d' % ('_admin' if role == 'admin' else '', n)
        users.append((user, {project: role}))
        accounts.append({
            'username': user, 'password': 'secret', 'project_name': project,
            'project_id': project_id(project), 'domain_name': 'Default', 'user_domain_name': 'Default',
            'project_domain_name': 'Default', 'roles': [role], **({'types': ['admin']} if role == 'admin' else {})})

toml = []
for name in sorted({p for _, assignments in users for p in assignments}):
    toml.append('[[projects]]\nid = "%s"\nname = "%s"\n' % (project_id(name), name))
for name, assignments in users:
    toml.append('[[users]]\nname = "%s"\npassword_hash = "%s"\n' % (name, password_hash))
    for project, role in assignments.items():
        toml.append('[[assignments]]\nuser = "%s"\nproject = "%s"\nroles = ["%s"]\n' % (name, project, role))


def cloud(user, project):
    return {'auth': {'auth_url': IDENTITY, 'username': user, 'password': 'secret', 'user_domain_id': 'default',
                     'project_name': project, 'project_domain_id': 'default'},
            'region_name': 'RegionOne', 'identity_api_version': '3', 'interface': 'public'}


clouds = {'devstack-admin': cloud('admin', 'admin'), 'devstack-admin-demo': cloud('admin', 'demo'),
          'devstack-system-admin': cloud('admin', 'admin'), 'devstack': cloud('demo', 'demo'),
          'devstack-alt': cloud('alt_demo', 'alt_demo'), 'devstack-reader': cloud('demo_reader', 'demo')}

server = '''[DEFAULT]
auth_strategy = local
bind_host = 127.0.0.1
bind_port = 19696
state_path = {root}
# prepare.py makes agents that nobody sends heartbeats for.
agent_down_time = 100000
[database]
connection = sqlite:///{root}/neutron.db
[local_identity]
config_file = {root}/identity.toml
bind_host = 127.0.0.1
bind_port = 15000
identity_endpoint = {identity}
network_endpoint = http://127.0.0.1:19696
token_expiration = 86400
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
# Projects outlive the tests that use them, and some of these leave policies.
quota_rbac_policy = 100
quota_security_group = 150
quota_security_group_rule = 1000
'''
files = {'identity.toml': ''.join(toml), 'accounts.yaml': json.dumps(accounts),
         'clouds.yaml': json.dumps({'clouds': clouds}), 'neutron.conf': server.format(root=root, identity=IDENTITY)}
for name, text in files.items():
    with open(os.path.join(root, name), 'w') as f:
        f.write(text)
