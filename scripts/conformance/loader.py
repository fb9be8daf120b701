"""Test modules of the suite that CONFORMANCE names, for stestr."""
import importlib
import os
import pkgutil
import unittest


def packages(kind):
    if kind == 'sdk':
        yield 'openstack.tests.functional.cloud.test_network'
        root = 'openstack.tests.functional.network.v2'
    else:
        root = 'openstackclient.tests.functional.network.v2'
    for module in pkgutil.iter_modules(importlib.import_module(root).__path__):
        if module.name.startswith('test_'):
            yield root + '.' + module.name


def load_tests(loader, tests, pattern):
    kind = os.environ['CONFORMANCE']
    if kind != 'tempest':
        return loader.suiteClass(loader.loadTestsFromModule(importlib.import_module(n)) for n in packages(kind))
    suite = loader.suiteClass()
    for module, part in (('tempest', 'api/network'), ('neutron_tempest_plugin', 'api')):
        base = os.path.dirname(importlib.import_module(module).__file__)
        suite.addTests(unittest.TestLoader().discover(os.path.join(base, part), top_level_dir=os.path.dirname(base)))
    return suite
