"""What the measuring scripts that run on a lab host share.

bench_lab.py API METHOD PATH [BODY] makes one request and prints the answer.
"""
import datetime
import functools
import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.request

LIMIT_SECS = 300


@functools.cache
def headers():
    """What a request says of who asks: an admin's token, or nothing where the lab has no identity service (noauth)."""
    user = {'name': os.environ['OS_USERNAME'], 'password': os.environ['OS_PASSWORD'], 'domain': {'name': os.environ['OS_USER_DOMAIN_NAME']}}
    scope = {'project': {'name': os.environ['OS_PROJECT_NAME'], 'domain': {'name': os.environ['OS_PROJECT_DOMAIN_NAME']}}}
    body = {'auth': {'identity': {'methods': ['password'], 'password': {'user': user}}, 'scope': scope}}
    request = urllib.request.Request(os.environ['OS_AUTH_URL'] + '/auth/tokens', json.dumps(body).encode(), {'Content-Type': 'application/json'})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return {'Content-Type': 'application/json', 'X-Auth-Token': answer.headers['X-Subject-Token']}
    except OSError:
        return {'Content-Type': 'application/json'}


def call(api, path, body=None, method=None):
    """One request to the network API; the answer's JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(api + '/v2.0' + path, data, headers(), method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def wait(what, look):
    """The first true answer of look, asked again for a limited time. look answers it and what it saw."""
    start = time.monotonic()
    while True:
        answer, seen = look()
        if answer:
            return answer
        if time.monotonic() - start > LIMIT_SECS:
            raise SystemExit(f'waited in vain for {what}: {seen}')
        time.sleep(0.02)


def pids(pattern):
    return subprocess.run(['pgrep', '-f', pattern], capture_output=True, text=True, check=False).stdout.split()


def memory(pid):
    """Memory in MB and threads of a process."""
    kibibytes = {}
    for file in ('smaps_rollup', 'status'):
        for line in pathlib.Path(f'/proc/{pid}/{file}').read_text().splitlines():
            words = line.split()
            if words[0] in ('Pss:', 'VmRSS:', 'Threads:'):
                kibibytes[words[0]] = int(words[1])
    return {'rss_mb': round(kibibytes['VmRSS:'] / 1024, 1), 'pss_mb': round(kibibytes['Pss:'] / 1024, 1),
            'threads': kibibytes['Threads:']}


def restart_ms(log):
    """Milliseconds from the last start of the agent with this log to its being in sync; waits for a second start."""
    wait('the new agent', lambda: (open(log, encoding='utf-8').read().count('agent started') > 1, 'one start'))

    def look():
        started = synced = None
        for line in open(log, encoding='utf-8'):
            if 'agent started' in line:
                started, synced = line.split()[0], None
            elif 'in sync with the server' in line:
                synced = line.split()[0]
        return (started, synced) if started and synced else None, f'started {started}'
    started, synced = (datetime.datetime.fromisoformat(text.replace('Z', '+00:00')) for text in wait('the sync', look))
    return round((synced - started) / datetime.timedelta(milliseconds=1))


if __name__ == '__main__':
    API, METHOD, PATH, *BODY = sys.argv[1:]
    print(json.dumps(call(API, PATH, json.loads(BODY[0]) if BODY else None, METHOD)))
