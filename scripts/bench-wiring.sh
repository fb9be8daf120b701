#!/usr/bin/env bash
# Figures of the Open vSwitch agent in a lab: plug -> ACTIVE of 100 ports one by one, of 500 ports at once, and the first full
# sync of an agent that restarts with those 500. Prints JSON lines.
set -euo pipefail
cd "$(dirname "$0")/.."
NEUTRINO=$(realpath -m "${NEUTRINO:-target/release/neutrino}")
export NEUTRINO_LAB="bench-$$"
AGENT=neutron-openvswitch-agent
HOST=compute0

lab() { "$NEUTRINO" lab "$@"; }
trap 'lab down >/dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM

# Milliseconds between the last start of the agent and its being in sync, by its own log.
last_sync() {
    lab exec $HOST -- python3 - <<'PY'
import datetime, json, sys
started = synced = None
for line in open('/var/log/neutron/neutron-openvswitch-agent.log'):
    if 'agent started' in line:
        started, synced = line.split()[0], None
    elif 'in sync with the server' in line and synced is None:
        synced = line.split()[0]
if synced is None:
    sys.exit(1)
read = lambda text: datetime.datetime.fromisoformat(text.replace('Z', '+00:00'))
print(json.dumps({'what': 'restart with 500 ports -> in sync', 'ms': (read(synced) - read(started)) / datetime.timedelta(milliseconds=1)}))
PY
}

lab up --owner $$ --no-wait --no-dhcp --no-l3 --firewall noop --hosts controller0,$HOST \
    --config neutron.conf:DEFAULT.auth_strategy=noauth \
    --config neutron.conf:quotas.quota_port=-1 >/dev/null
port=$(lab exec controller0 -- sed -n 's/^bind_port = //p' /etc/neutron/neutron.conf | head -1)
measure() { lab exec $HOST -- python3 scripts/bench-wiring.py "http://controller0:$port" $HOST "$@"; }
measure one 100
measure clean >/dev/null
measure burst 500
lab service kill $HOST $AGENT
lab service start $HOST $AGENT
for _ in $(seq 300); do
    last_sync 2>/dev/null && exit 0
    sleep 0.1
done
echo "bench-wiring: the agent did not get in sync" >&2
exit 1
