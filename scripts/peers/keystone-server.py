"""A private Keystone: keystone-server.py DIR USERS.toml [PORT]

Makes a Keystone with a fresh SQLite database in DIR, serves it on 127.0.0.1 and prints "listening URL" once it answers.
USERS.toml has the tables of docs/identity.md (projects, users, assignments; users have a `password` here), `[[roles]]`
and `[[services]]` with `name`, `type` and `url`. An assignment without `project` is one on the system.

Standard input is its leash: when it ends, so do this process and DIR. A line "GROUP OPTION VALUE" sets an option of
Keystone's while it runs, and is answered with "set".

One process and one thread, as SQLite wants it. Started in .venv-keystone (scripts/install-peers.sh).
"""
import os
import shutil
import sys
import threading
import tomllib

CONFIG = """
[DEFAULT]
log_file = {dir}/keystone.log
public_endpoint = {url}
max_token_size = 4096
[database]
connection = sqlite:///{dir}/keystone.db?timeout=30
sqlite_synchronous = false
[cache]
enabled = true
backend = dogpile.cache.memory
[token]
provider = fernet
expiration = 3600
[fernet_tokens]
key_repository = {dir}/fernet
[fernet_receipts]
key_repository = {dir}/fernet
[credential]
key_repository = {dir}/credential
[identity]
password_hash_algorithm = bcrypt
password_hash_rounds = 4
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
[oslo_messaging_notifications]
driver = noop
"""
DOMAIN = 'default'


def end(directory):
    shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)


def obey(directory, conf):
    """Follows standard input until it ends."""
    for line in sys.stdin:
        group, option, value = line.split()
        current = conf[group][option]
        conf.set_override(option, type(current)(value), group)
        print('set', flush=True)
    end(directory)


def bootstrap(url):
    from keystone.cmd.bootstrap import Bootstrapper
    boot = Bootstrapper()
    boot.admin_username, boot.admin_password = 'admin', 'secret'
    boot.project_name, boot.admin_role_name = 'admin', 'admin'
    boot.service_name, boot.region_id = 'keystone', 'RegionOne'
    boot.public_url = boot.internal_url = boot.admin_url = url + '/v3'
    boot.bootstrap()


def ensure(listed, create, ref):
    """The entity with the name of `ref`; made when there is none."""
    import uuid
    for known in listed():
        if known['name'] == ref['name']:
            return known['id']
    ref = dict(ref, id=ref.get('id') or uuid.uuid4().hex)
    return create(ref)['id']


def people(wanted):
    from keystone.common import provider_api
    api = provider_api.ProviderAPIs
    names = ['admin', 'manager', 'member', 'reader', 'service']
    names += [role['name'] for role in wanted.get('roles', [])]
    roles = {name: ensure(api.role_api.list_roles, lambda r: api.role_api.create_role(r['id'], r), {'name': name})
             for name in names}
    base = {'domain_id': DOMAIN, 'enabled': True}
    projects = {}
    for entry in wanted.get('projects', []):
        ref = dict(base, name=entry['name'], description='', parent_id=DOMAIN, is_domain=False)
        projects[entry['name']] = ensure(
            api.resource_api.list_projects, lambda r: api.resource_api.create_project(r['id'], r), ref)
    known = {user['name']: user['id'] for user in api.identity_api.list_users()}
    for entry in wanted.get('users', []):
        if entry['name'] not in known:
            ref = dict(base, name=entry['name'], password=entry['password'])
            known[entry['name']] = api.identity_api.create_user(ref)['id']
    for entry in wanted.get('assignments', []):
        for role in entry['roles']:
            if 'project' in entry:
                api.assignment_api.create_grant(
                    roles[role], user_id=known[entry['user']], project_id=projects[entry['project']])
            else:
                api.assignment_api.create_system_grant_for_user(known[entry['user']], roles[role])


def services(wanted):
    import uuid
    from keystone.common import provider_api
    catalog = provider_api.ProviderAPIs.catalog_api
    for entry in wanted.get('services', []):
        service = uuid.uuid4().hex
        catalog.create_service(
            service, {'id': service, 'name': entry['name'], 'type': entry['type'], 'enabled': True})
        for interface in ('public', 'internal', 'admin'):
            endpoint = uuid.uuid4().hex
            catalog.create_endpoint(endpoint, {
                'id': endpoint, 'service_id': service, 'interface': interface, 'url': entry['url'],
                'region_id': 'RegionOne', 'enabled': True})


def main():
    directory, users = sys.argv[1], sys.argv[2]
    port = sys.argv[3] if len(sys.argv) > 3 else '0'
    sys.argv = sys.argv[:1]
    os.makedirs(directory, exist_ok=True)
    with open(users, 'rb') as file:
        wanted = tomllib.load(file)

    import waitress
    app = []
    server = waitress.create_server(
        lambda environ, start: app[0](environ, start), listen='127.0.0.1:' + port, threads=1, ident='keystone')
    url = 'http://127.0.0.1:%s' % server.effective_port
    with open(directory + '/keystone.conf', 'w') as file:
        file.write(CONFIG.format(dir=directory, url=url))

    import keystone.conf
    from keystone.common import fernet_utils
    from keystone.common.sql import upgrades
    from keystone.server import configure
    from keystone.server.flask import application, core
    conf = keystone.conf.CONF
    configure(config_files=[directory + '/keystone.conf'])
    threading.Thread(target=obey, args=(directory, conf), daemon=True).start()
    for group in ('fernet_tokens', 'credential'):
        keys = fernet_utils.FernetUtils(conf[group].key_repository, 3, group)
        keys.create_key_directory()
        keys.initialize_key_repository()
    upgrades.offline_sync_database_to_version()
    bootstrap(url)
    people(wanted)
    services(wanted)
    app.append(core.setup_app_middleware(application.application_factory('public')))
    print('listening', url, flush=True)
    server.run()


main()
