"""Lets tempest's suites, written for a whole cloud, run where there are no routers.

Python imports this by its name. It changes nothing about the requests under test: clean-ups find no routers and floating
IPs instead of a 404; a project made for a test is just a new id, as the identity service reads its
projects from a file; and classes that insist on users of their own share the prepared ones.
"""
import os
import sys
import uuid

ABSENT = ('routers', 'floatingips')


def install():
    from tempest import test
    from tempest.api.network import test_tags
    from tempest.lib import exceptions
    from tempest.lib.common import preprov_creds
    from tempest.lib.services.identity.v3 import projects_client
    from tempest.lib.services.network import floating_ips_client, routers_client, subnetpools_client
    from neutron_tempest_plugin.services.network.json import network_client

    def or_empty(method, collection):
        def call(*args, **kwargs):
            try:
                return method(*args, **kwargs)
            except exceptions.NotFound:
                return {collection: []}
        return call

    for owner, collection in ((routers_client.RoutersClient, 'routers'),
                              (floating_ips_client.FloatingIPsClient, 'floatingips')):
        name = 'list_' + collection
        setattr(owner, name, or_empty(getattr(owner, name), collection))
    generic = network_client.NetworkClientJSON.__getattr__

    def getattr_or_empty(self, name):
        method = generic(self, name)
        absent = name.startswith('list_') and name[5:] in ABSENT
        return or_empty(method, name[5:]) if absent else method
    network_client.NetworkClientJSON.__getattr__ = getattr_or_empty

    # Of users prepared beforehand tempest takes any that is free as the other project's: a reader, say, or one of the
    # same project. With projects of its own, as the tests are meant to run, it is a member of another one.
    def other_member(self):
        if not self._creds.get('alt'):
            self._creds['alt'] = self._get_creds(['member'])
        return self._creds['alt']
    preprov_creds.PreProvisionedCredentialProvider.get_alt_creds = other_member

    projects = projects_client.ProjectsClient
    projects.create_project = lambda self, name, **_: {'project': {'id': uuid.uuid4().hex, 'name': name}}
    projects.delete_project = lambda self, project_id: {}

    tags = test_tags.TagsExtTest
    tags.SUPPORTED_RESOURCES = ['subnets', 'ports', 'networks']
    tags.create_router = classmethod(lambda cls, *_, **__: {'id': 'none'})
    subnetpools_client.SubnetpoolsClient.create_subnetpool = lambda self, **_: {'subnetpool': {'id': 'none'}}
    subnetpools_client.SubnetpoolsClient.delete_subnetpool = lambda self, subnetpool_id: {}

    set_up = test.BaseTestCase.setUpClass.__func__

    def set_up_shared(cls):
        cls.force_tenant_isolation = False
        return set_up(cls)
    test.BaseTestCase.setUpClass = classmethod(set_up_shared)


if os.environ.get('CONFORMANCE') == 'tempest' and any('stestr' in word for word in sys.orig_argv):
    install()
