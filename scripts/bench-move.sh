#!/usr/bin/env bash
# How long a floating IP is silent when it moves from an instance on one host to one on another, with a distributed and with a centralised
# router: pinged 20 times a second from outside, moved by one API request, the longest gap between two answers. Prints JSON lines; fails when
# the old host keeps something of it.
set -euo pipefail
cd "$(dirname "$0")/.."
NEUTRINO=$(realpath -m "${NEUTRINO:-target/release/neutrino}")
export NEUTRINO_LAB="bench-move-$$"
MOVES=${MOVES:-4}

lab() { "$NEUTRINO" lab "$@"; }
ping=$(mktemp)
trap 'rm -f "$ping"; lab down >/dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM

lab up --owner $$ --firewall noop --no-dhcp --dvr >/dev/null
port=$(lab exec controller0 -- sed -n 's/^bind_port = //p' /etc/neutron/neutron.conf | head -1)
# METHOD PATH [BODY]: one request; the answer.
api() { lab exec controller0 -- python3 scripts/bench_lab.py "http://controller0:$port" "$@"; }
# The id of a new resource: collection, member, attributes.
make() { api POST "/$1" "{\"$2\": $3}" | jq -r ".$2.id"; }

external=$(make networks network '{"router:external": true, "provider:network_type": "flat", "provider:physical_network": "provider"}')
make subnets subnet "{\"network_id\": \"$external\", \"ip_version\": 4, \"cidr\": \"172.25.250.0/24\", \"gateway_ip\": \"172.25.250.254\", \"enable_dhcp\": false}" >/dev/null

for kind in distributed centralised; do
    distributed=$([ $kind = distributed ] && echo true || echo false)
    network=$(make networks network "{\"name\": \"$kind\"}")
    subnet=$(make subnets subnet "{\"network_id\": \"$network\", \"ip_version\": 4, \"cidr\": \"10.8.0.0/24\", \"enable_dhcp\": false}")
    router=$(make routers router "{\"distributed\": $distributed}")
    api PUT "/routers/$router/add_router_interface" "{\"subnet_id\": \"$subnet\"}" >/dev/null
    api PUT "/routers/$router" "{\"router\": {\"external_gateway_info\": {\"network_id\": \"$external\"}}}" >/dev/null
    ports=()
    for host in compute0 compute1; do
        ports+=("$(make ports port "{\"network_id\": \"$network\", \"name\": \"$kind-$host\"}")")
        lab instance create "$kind-$host" --host $host --port "${ports[-1]}" --static >/dev/null
    done
    made=$(api POST /floatingips "{\"floatingip\": {\"floating_network_id\": \"$external\", \"port_id\": \"${ports[0]}\"}}")
    floating=$(jq -r .floatingip.id <<<"$made")
    address=$(jq -r .floatingip.floating_ip_address <<<"$made")
    lab exec upstream -- ping -q -c 3 -w 30 "$address" >/dev/null
    lab exec upstream -- ping -D -i 0.05 -c $((MOVES * 100 + 60)) -w $((MOVES * 5 + 20)) "$address" >"$ping" &
    pinging=$!
    for ((move = 1; move <= MOVES; move++)); do
        # The pace of the measurement, not a wait: five seconds of pings between two moves.
        while [ "$(grep -c 'icmp_seq' "$ping" || true)" -lt $((move * 90 - 60)) ] && kill -0 $pinging 2>/dev/null; do read -rt 0.05 <> <(:) || true; done
        api PUT "/floatingips/$floating" "{\"floatingip\": {\"port_id\": \"${ports[$((move % 2))]}\"}}" >/dev/null
    done
    wait $pinging || true
    sed -nE 's/^\[([0-9.]+)\].*icmp_seq=.* time=.*/\1/p' "$ping" | jq -s --arg kind $kind --argjson moves "$MOVES" \
        '[.[1:], .[:-1]] | transpose | map(.[0] - .[1]) | sort | {what: ("floating IP moved between hosts, " + $kind + " router"), moves: $moves,
          longest_gap_ms: (last * 1000 | round), next_gaps_ms: (.[-4:-1] | map(. * 1000 | round))}' -c
    sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/{"what": "ping meanwhile", "sent": \1, "received": \2}/p' "$ping"
    # An even number of moves ends where it began: the other host has nothing of the address.
    left=$(lab exec compute1 -- sh -c "for n in \$(ip netns list | cut -d' ' -f1); do ip netns exec \$n ip route; ip netns exec \$n iptables-save; done" | grep -c "$address" || true)
    [ "$left" = 0 ] || { echo "bench-move: compute1 still has $address" >&2; exit 1; }
done
