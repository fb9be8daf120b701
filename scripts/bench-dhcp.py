#!/usr/bin/env python3
"""Measures the DHCP agent of this lab host. Runs on a lab host.

  bench-dhcp.py build API N    make N networks with a subnet each; time until each has its dnsmasq
  bench-dhcp.py size WHEN      memory and threads of the agent, processes that work for it
  bench-dhcp.py note           remember the process ids of all dnsmasq
  bench-dhcp.py adopted N      time from the agent's last start to being in sync; no dnsmasq was started or restarted

API is the network API in noauth mode. Prints one JSON object.
"""
import json
import pathlib
import sys
import time

from bench_lab import call, memory, pids, restart_ms, wait

LOG = '/var/log/neutron/neutron-dhcp-agent.log'
NOTED = pathlib.Path('/run/bench-dhcp')


def servers(count):
    def look():
        running = pids('^dnsmasq ')
        return running if len(running) >= count else None, f'{len(running)} of {count}'
    return look


def build(api, count):
    count = int(count)
    start = time.monotonic()
    for number in range(count):
        network = call(api, '/networks', {'network': {'name': 'bench-dhcp'}})['network']['id']
        cidr = f'10.{number // 256}.{number % 256}.0/24'
        call(api, '/subnets', {'subnet': {'network_id': network, 'ip_version': 4, 'cidr': cidr}})
    asked = time.monotonic()
    wait('dnsmasq', servers(count))
    done = time.monotonic()
    return {'what': 'networks made -> all served', 'n': count, 'api_s': round(asked - start, 2), 'all_s': round(done - start, 2),
            'after_last_api_call_s': round(done - asked, 2)}


def size(when):
    agent, = pids('agent dhcp')
    parents = [pathlib.Path(stat).read_text().rsplit(')', 1)[1].split()[1] for stat in pathlib.Path('/proc').glob('[0-9]*/stat')]
    return {'what': f'agent {when}', **memory(agent), 'children': parents.count(agent), 'proxies': len(pids('haproxy')),
            'dnsmasq': len(pids('^dnsmasq '))}


def note():
    NOTED.write_text(' '.join(sorted(pids('^dnsmasq '))))
    return {}


def adopted(count):
    elapsed = restart_ms(LOG)
    changed = sorted(pids('^dnsmasq ')) != NOTED.read_text().split()
    return {'what': 'agent restart -> all adopted', 'n': int(count), 'ms': elapsed, 'dnsmasq_changed': changed}


MODE, ARGUMENTS = sys.argv[1], sys.argv[2:]
print(json.dumps({'build': build, 'size': size, 'note': note, 'adopted': adopted}[MODE](*ARGUMENTS)))
