#!/usr/bin/env python3
"""Print every option of Neutron's server and ML2/OVS agents, one `group name` per line.

Run it with the Python of an environment that has Neutron. Older names that Neutron still accepts
are options, too. crates/conf/tests/cases/neutron29-options.txt is what it printed for 29.0.0.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

NAMESPACES = """
    neutron neutron.agent neutron.db neutron.experimental neutron.extensions neutron.az.agent
    neutron.base.agent neutron.dhcp.agent neutron.l3.agent neutron.metadata.agent neutron.ml2
    neutron.ml2.ovn neutron.ml2.ovs.agent nova.auth ironic.auth placement.auth designate.auth
    keystonemiddleware.auth_token keystonemiddleware.audit oslo.cache oslo.concurrency oslo.db
    oslo.log oslo.messaging oslo.middleware.cors oslo.middleware.healthcheck
    oslo.middleware.http_proxy_to_wsgi oslo.policy oslo.privsep oslo.reports
    oslo.service.periodic_task oslo.service.service oslo.versionedobjects osprofiler
""".split()


def main():
    generator = Path(sys.executable).with_name("oslo-config-generator")
    with tempfile.NamedTemporaryFile() as out:
        command = [generator, "--format", "json", "--output-file", out.name]
        for namespace in NAMESPACES:
            command += ["--namespace", namespace]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        groups = json.load(open(out.name))["options"]
    names = set()
    for group, content in groups.items():
        for option in content["opts"]:
            names.add((group, option["name"].replace("-", "_")))
            for old in option["deprecated_opts"]:
                names.add((old["group"] or group, old["name"].replace("-", "_")))
    for group, name in sorted(names):
        print(group, name)


main()
