#!/usr/bin/env bash
# Figures of routers in a lab with one L3 agent: 50 routers (BUILD) with an interface and a gateway each made by API, until all are configured;
# then 100 routers (ROUTERS) more with two interfaces and a floating IP each, and the agent killed and started again under a ping of 20/s from
# outside to a floating IP. Prints JSON lines.
set -euo pipefail
cd "$(dirname "$0")/.."
NEUTRINO=$(realpath -m "${NEUTRINO:-target/release/neutrino}")
export NEUTRINO_LAB="bench-routers-$$"
BUILD=${BUILD:-50}
ROUTERS=${ROUTERS:-100}
AGENT=neutron-l3-agent
HOST=controller0
# Pings per second, and for how long: longer than the restart takes.
PACE=20
SECONDS_OF_PING=${SECONDS_OF_PING:-30}

lab() { "$NEUTRINO" lab "$@"; }
trap 'lab down >/dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM

unlimited=()
for resource in network subnet port router floatingip; do
    unlimited+=(--config "neutron.conf:quotas.quota_$resource=-1")
done
lab up --owner $$ --firewall noop --hosts $HOST --no-dhcp --l3 $HOST=legacy "${unlimited[@]}" >/dev/null
port=$(lab exec $HOST -- sed -n 's/^bind_port = //p' /etc/neutron/neutron.conf | head -1)
api="http://$HOST:$port"
measure() { lab exec $HOST -- python3 scripts/bench-routers.py "$@"; }

external=$(measure external "$api")
# The outside knows the whole external subnet.
lab exec upstream -- ip address add 172.25.249.254/20 dev eth0
measure build "$api" "$external" "$BUILD"
measure more "$api" "$external" "$ROUTERS"

# An instance behind the first floating IP.
read -r instance_port floating <<<"$(measure first "$api")"
lab instance create bench --host $HOST --port "$instance_port" --static >/dev/null
lab exec upstream -- ping -q -c 3 -w 20 "$floating" >/dev/null
measure note
ping=$(mktemp)
trap 'rm -f "$ping"; lab down >/dev/null 2>&1 || true' EXIT
lab exec upstream -- ping -q -i "$(jq -n "1/$PACE")" -c $((PACE * SECONDS_OF_PING)) -w $((SECONDS_OF_PING + 20)) "$floating" >"$ping" &
pinging=$!
lab service kill $HOST $AGENT
lab service start $HOST $AGENT
measure adopted $((BUILD + ROUTERS))
wait $pinging || true
sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/{"what": "ping during the restart", "sent": \1, "received": \2}/p' "$ping"
