#!/usr/bin/env bash
# Figures of the DHCP agent in a lab with 250 networks (NETWORKS): time until all are served, memory, processes and threads of the
# agent itself, and the time a restarted agent takes to adopt them all. Prints JSON lines.
set -euo pipefail
cd "$(dirname "$0")/.."
NEUTRINO=$(realpath -m "${NEUTRINO:-target/release/neutrino}")
export NEUTRINO_LAB="bench-dhcp-$$"
NETWORKS=${NETWORKS:-250}
AGENT=neutron-dhcp-agent
HOST=controller0

lab() { "$NEUTRINO" lab "$@"; }
trap 'lab down >/dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM

lab up --owner $$ --no-wait --firewall noop --no-l3 --hosts $HOST \
    --config neutron.conf:DEFAULT.auth_strategy=noauth \
    --config neutron.conf:quotas.quota_network=-1 \
    --config neutron.conf:quotas.quota_subnet=-1 \
    --config neutron.conf:quotas.quota_port=-1 >/dev/null
port=$(lab exec $HOST -- sed -n 's/^bind_port = //p' /etc/neutron/neutron.conf | head -1)
measure() { lab exec $HOST -- python3 scripts/bench-dhcp.py "$@"; }
measure build "http://$HOST:$port" "$NETWORKS"
measure size "after the first configuration"
measure note >/dev/null
lab service kill $HOST $AGENT
lab service start $HOST $AGENT
measure adopted "$NETWORKS"
measure size "after a restart"
