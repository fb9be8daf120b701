#!/usr/bin/env python3
"""Measures how long the OVS agent of this host takes from plug to ACTIVE. Runs on a lab host.

  bench-wiring.py API HOST one N     plug N ports one after the other; p50, p99 of plug -> ACTIVE
  bench-wiring.py API HOST burst N   plug N ports in one transaction; time until all are ACTIVE
  bench-wiring.py API HOST clean     unplug and delete what the runs before made

API is the network API in noauth mode. The clock of a port starts before `ovs-vsctl` is run, so
its start-up and its wait for ovs-vswitchd are part of every figure. Prints one JSON object.
"""
import json
import subprocess
import sys
import time
import urllib.request

PREFIX = 'bench-wiring'
LIMIT_SECS = 300


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(API + '/v2.0' + path, data, {'Content-Type': 'application/json'}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def tap(port):
    return 'tap' + port['id'][:11]


def plug_words(port):
    name = tap(port)
    ids = {'iface-id': port['id'], 'iface-status': 'active', 'attached-mac': port['mac_address'], 'vm-uuid': port['id']}
    words = ['--', '--may-exist', 'add-port', 'br-int', name, '--', 'set', 'Interface', name, 'type=internal']
    return words + [f'external_ids:{key}="{value}"' for key, value in ids.items()]


def new_ports(count):
    found = call('GET', f'/networks?name={PREFIX}')['networks']
    if found:
        network = found[0]['id']
    else:
        network = call('POST', '/networks', {'network': {'name': PREFIX}})['network']['id']
        call('POST', '/subnets', {'subnet': {'network_id': network, 'ip_version': 4, 'cidr': '10.77.0.0/16'}})
    ports = []
    while len(ports) < count:
        batch = min(100, count - len(ports))
        wanted = {'network_id': network, 'name': PREFIX, 'binding:host_id': HOST, 'device_owner': 'compute:bench'}
        ports += call('POST', '/ports', {'ports': [wanted] * batch})['ports']
    return ports


def one_by_one(count):
    seconds = []
    for port in new_ports(count):
        start = time.monotonic()
        subprocess.check_call(['ovs-vsctl'] + plug_words(port)[1:])
        while call('GET', f"/ports/{port['id']}?fields=status")['port']['status'] != 'ACTIVE':
            if time.monotonic() - start > LIMIT_SECS:
                raise SystemExit(f"port {port['id']} is not ACTIVE after {LIMIT_SECS} s")
            time.sleep(0.001)
        seconds.append(time.monotonic() - start)
    seconds.sort()
    at = lambda share: round(1000 * seconds[min(count - 1, int(share * count))], 1)
    return {'what': 'plug -> ACTIVE, one by one', 'n': count, 'p50_ms': at(.5), 'p99_ms': at(.99), 'min_ms': at(0), 'max_ms': at(1)}


def burst(count):
    words = [word for port in new_ports(count) for word in plug_words(port)]
    total = len(call('GET', f'/ports?name={PREFIX}&fields=id')['ports'])
    start = time.monotonic()
    subprocess.check_call(['ovs-vsctl', '--no-wait'] + words[1:])
    plugged = time.monotonic()
    while True:
        active = len(call('GET', f'/ports?name={PREFIX}&status=ACTIVE&fields=id')['ports'])
        if active == total:
            break
        if time.monotonic() - start > LIMIT_SECS:
            raise SystemExit(f'{active} of {total} ports are ACTIVE after {LIMIT_SECS} s')
        time.sleep(0.02)
    return {'what': 'plugged at once -> all ACTIVE', 'n': count, 'all_active_s': round(time.monotonic() - start, 2),
            'ovs_vsctl_s': round(plugged - start, 2)}


def clean():
    ports = call('GET', f'/ports?name={PREFIX}&fields=id')['ports']
    words = [word for port in ports for word in ('--', '--if-exists', 'del-port', 'br-int', tap(port))]
    if words:
        subprocess.check_call(['ovs-vsctl'] + words[1:])
    for port in ports:
        call('DELETE', '/ports/' + port['id'])
    for network in call('GET', f'/networks?name={PREFIX}&fields=id')['networks']:
        call('DELETE', '/networks/' + network['id'])
    return {'what': 'clean', 'n': len(ports)}


API, HOST, MODE = sys.argv[1:4]
MODES = {'one': lambda: one_by_one(int(sys.argv[4])), 'burst': lambda: burst(int(sys.argv[4])), 'clean': clean}
print(json.dumps(MODES[MODE]()))
