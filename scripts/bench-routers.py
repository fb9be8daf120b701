#!/usr/bin/env python3
"""Measures routers of this lab host. Runs on a lab host with an L3 agent of mode legacy.

  bench-routers.py external API          make the external network; prints its id
  bench-routers.py build API EXT N       make N routers with a network and a gateway each; time until all are configured
  bench-routers.py more API EXT N        make N routers with two networks, a gateway and a floating IP each; time as above
  bench-routers.py first API             prints the first of those ports and its floating IP
  bench-routers.py note                  remember every namespace's addresses, routes, rules and iptables
  bench-routers.py adopted N             time and CPU from the agent's last start to being in sync; whether a namespace changed

API is the network API. Prints one JSON object where nothing else is said.
"""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

from bench_lab import call, memory, pids, restart_ms, wait

LOG = '/var/log/neutron/neutron-l3-agent.log'
NOTED = pathlib.Path('/run/bench-routers')


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def namespaces():
    return sorted(line.split()[0] for line in run('ip', 'netns', 'list').splitlines() if line.startswith('qrouter-'))


def external(api):
    body = {'name': 'bench-external', 'router:external': True, 'provider:network_type': 'flat', 'provider:physical_network': 'provider'}
    network = call(api, '/networks', {'network': body})['network']['id']
    # Larger than the lab's usual one, around the same gateway.
    body = {'network_id': network, 'ip_version': 4, 'cidr': '172.25.240.0/20', 'gateway_ip': '172.25.250.254', 'enable_dhcp': False,
            'allocation_pools': [{'start': '172.25.240.2', 'end': '172.25.249.200'}]}
    call(api, '/subnets', {'subnet': body})
    print(network)


def network(api, cidr):
    made = call(api, '/networks', {'network': {'name': 'bench-routers'}})['network']['id']
    body = {'network_id': made, 'ip_version': 4, 'cidr': cidr, 'enable_dhcp': False}
    return made, call(api, '/subnets', {'subnet': body})['subnet']['id']


def router(api, ext, subnets):
    made = call(api, '/routers', {'router': {'name': 'bench-routers'}})['router']['id']
    for subnet in subnets:
        call(api, f'/routers/{made}/add_router_interface', {'subnet_id': subnet}, 'PUT')
    call(api, f'/routers/{made}', {'router': {'external_gateway_info': {'network_id': ext}}}, 'PUT')
    return made


def configured(namespace):
    """Whether the namespace translates addresses and has its default route: the last things a router gets."""
    def look(*command):
        return subprocess.run(['ip', 'netns', 'exec', namespace, *command], capture_output=True, text=True, check=False).stdout
    return 'default via' in look('ip', 'route') and '--to-source' in look('iptables-save', '-t', 'nat')


def until_configured(routers):
    left = {f'qrouter-{made}' for made in routers}

    def look():
        present = left.intersection(namespaces())
        left.difference_update([name for name in present if configured(name)])
        return not left, f'{len(left)} routers not configured'
    wait('the routers', look)


def build(api, ext, count):
    subnets = [network(api, f'10.{number // 256}.{number % 256}.0/24')[1] for number in range(int(count))]
    cpu, start = agent_cpu(), time.monotonic()
    routers = [router(api, ext, [subnet]) for subnet in subnets]
    asked = time.monotonic()
    until_configured(routers)
    done = time.monotonic()
    return {'what': 'routers with interface and gateway made -> all configured', 'n': int(count), 'api_s': round(asked - start, 2),
            'all_s': round(done - start, 2), 'after_last_api_call_s': round(done - asked, 2), 'agent_cpu_s': round(agent_cpu() - cpu, 2)}


def more(api, ext, count):
    start = time.monotonic()
    routers = []
    for number in range(int(count)):
        parts = [network(api, f'10.{64 + side}.{number}.0/24') for side in range(2)]
        routers.append(router(api, ext, [subnet for _, subnet in parts]))
        port = call(api, '/ports', {'port': {'network_id': parts[0][0], 'name': f'bench-{number}'}})['port']['id']
        call(api, '/floatingips', {'floatingip': {'floating_network_id': ext, 'port_id': port, 'description': f'bench-{number}'}})
    asked = time.monotonic()
    until_configured(routers)
    done = time.monotonic()
    return {'what': 'routers with two interfaces, gateway and floating IP made', 'n': int(count), 'api_s': round(asked - start, 2),
            'after_last_api_call_s': round(done - asked, 2)}


def first(api):
    port, = call(api, '/ports?name=bench-0')['ports']
    floating, = call(api, '/floatingips?description=bench-0')['floatingips']
    print(port['id'], floating['floating_ip_address'])


def agent_cpu():
    """Seconds of CPU of the running agent and of the children it has waited for."""
    agent, = pids('agent l3')
    fields = pathlib.Path(f'/proc/{agent}/stat').read_text().rsplit(')', 1)[1].split()
    return sum(int(fields[at]) for at in (11, 12, 13, 14)) / os.sysconf('SC_CLK_TCK')


def snapshot():
    """A digest of each namespace's state; counters and lifetimes are left out."""
    looks = (('ip', '-o', 'address'), ('ip', 'route', 'show', 'table', 'all'), ('ip', '-6', 'route', 'show', 'table', 'all'), ('ip', 'rule'),
             ('ip', '-6', 'rule'), ('iptables-save',), ('ip6tables-save',))
    found = {}
    for namespace in namespaces():
        text = ''.join(run('ip', 'netns', 'exec', namespace, *look) for look in looks)
        text = '\n'.join(re.sub(r'\[\d+:\d+\]| expires \d+sec|valid_lft \S+ preferred_lft \S+', '', line)
                         for line in text.splitlines() if not line.startswith('#'))
        found[namespace] = hashlib.sha256(text.encode()).hexdigest()
    return found


def note():
    NOTED.write_text(json.dumps(snapshot()))
    return {'what': 'noted', 'namespaces': len(snapshot())}


def adopted(count):
    elapsed = restart_ms(LOG)
    cpu = agent_cpu()
    before, now = json.loads(NOTED.read_text()), snapshot()
    changed = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    agent, = pids('agent l3')
    return {'what': 'agent restart -> all adopted', 'n': int(count), 'ms': elapsed, 'agent_cpu_s': round(cpu, 2),
            'namespaces_changed': len(changed), **memory(agent)}


MODE, ARGUMENTS = sys.argv[1], sys.argv[2:]
RESULT = {'external': external, 'build': build, 'more': more, 'first': first, 'note': note, 'adopted': adopted}[MODE](*ARGUMENTS)
if RESULT:
    print(json.dumps(RESULT))
