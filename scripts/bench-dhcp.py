#!/usr/bin/env python3
"""Measures the DHCP agent of this lab host. Runs on a lab host.

  bench-dhcp.py build API N    make N networks with a subnet each; time until each has its dnsmasq
  bench-dhcp.py size WHEN      memory and threads of the agent, processes that work for it
  bench-dhcp.py note           remember the process ids of all dnsmasq
  bench-dhcp.py adopted N      time from the agent's last start to being in sync; no dnsmasq was started or restarted

API is the network API in noauth mode. Prints one JSON object.
"""
import datetime
import json
import pathlib
import subprocess
import sys
import time
import urllib.request

LIMIT_SECS = 300
LOG = '/var/log/neutron/neutron-dhcp-agent.log'
NOTED = pathlib.Path('/run/bench-dhcp')


def call(api, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api + '/v2.0' + path, data, {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def wait(what, look):
    """The first true answer of look, asked again for a limited time."""
    start = time.monotonic()
    while True:
        answer, seen = look()
        if answer:
            return answer
        if time.monotonic() - start > LIMIT_SECS:
            raise SystemExit(f'bench-dhcp: waited in vain for {what}: {seen}')
        time.sleep(0.02)


def pids(pattern):
    return subprocess.run(['pgrep', '-f', pattern], capture_output=True, text=True, check=False).stdout.split()


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
    kibibytes = {}
    for file in ('smaps_rollup', 'status'):
        for line in pathlib.Path(f'/proc/{agent}/{file}').read_text().splitlines():
            words = line.split()
            if words[0] in ('Pss:', 'VmRSS:', 'Threads:'):
                kibibytes[words[0]] = int(words[1])
    parents = [pathlib.Path(stat).read_text().rsplit(')', 1)[1].split()[1] for stat in pathlib.Path('/proc').glob('[0-9]*/stat')]
    return {'what': f'agent {when}', 'rss_mb': round(kibibytes['VmRSS:'] / 1024, 1), 'pss_mb': round(kibibytes['Pss:'] / 1024, 1),
            'threads': kibibytes['Threads:'], 'children': parents.count(agent), 'proxies': len(pids('haproxy')),
            'dnsmasq': len(pids('^dnsmasq '))}


def note():
    NOTED.write_text(' '.join(sorted(pids('^dnsmasq '))))
    return {}


def adopted(count):
    def look():
        started = synced = None
        for line in open(LOG, encoding='utf-8'):
            if 'agent started' in line:
                started, synced = line.split()[0], None
            elif 'in sync with the server' in line:
                synced = line.split()[0]
        return (started, synced) if started and synced else None, f'started {started}'
    # The log may still end with the agent before.
    wait('the new agent', lambda: (open(LOG, encoding='utf-8').read().count('agent started') > 1, 'one start'))
    started, synced = (datetime.datetime.fromisoformat(text.replace('Z', '+00:00')) for text in wait('the sync', look))
    changed = sorted(pids('^dnsmasq ')) != NOTED.read_text().split()
    return {'what': 'agent restart -> all adopted', 'n': int(count), 'ms': round((synced - started) / datetime.timedelta(milliseconds=1)),
            'dnsmasq_changed': changed}


MODE, ARGUMENTS = sys.argv[1], sys.argv[2:]
print(json.dumps({'build': build, 'size': size, 'note': note, 'adopted': adopted}[MODE](*ARGUMENTS)))
