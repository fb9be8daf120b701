#!/usr/bin/env bash
# The demo: three emulated hosts, networks made with the openstack client, instances that get their address from DHCP and
# their metadata from 169.254.169.254, ping each other across hosts and are kept apart by security groups under both
# firewall drivers, reach the world through a centralised and a distributed router and are reached by floating IPs, what a
# killed agent, server or switch does to them, and that nothing is left afterwards.
# Exit status 0 only when every single check held.
set -euo pipefail
cd "$(dirname "$0")/.."

NEUTRINO=$(realpath -m "${NEUTRINO:-target/release/neutrino}")
PATH="$PWD/.venv/bin:$PATH"
export NEUTRINO_LAB="demo-$$"
HOSTS="controller0 compute0 compute1"
NETWORKS="vxlan gre vlan flat"

problems=()
# A host outside the cloud, behind the gateway of the external network.
FAR=198.51.100.1
declare -A mtu_of ip_of floating_of
# What the summary at the end shows: rows of the last table, agents and ports as the client last printed them.
rows=()
agents_text=""
ports_text=""

step() { printf '\n== %s\n' "$*"; }
problem() {
    problems+=("$*")
    printf '!! %s\n' "$*"
}

# Shows a command as one would type it.
show() {
    local word line=""
    for word in "$@"; do
        case $word in
            "$NEUTRINO") line+=" neutrino" ;;
            *[!A-Za-z0-9_./:=,@-]*) line+=" '$word'" ;;
            *) line+=" $word" ;;
        esac
    done
    printf '$%s\n' "$line" >&2
}
# Shows a command and runs it.
run() {
    show "$@"
    "$@"
}

lab() { "$NEUTRINO" lab "$@"; }
on() {
    local host=$1
    shift
    lab exec "$host" -- "$@"
}
inside() {
    local instance=$1
    shift
    lab instance exec "$instance" -- "$@"
}

# For whoever has to find out why something did not hold.
logs() {
    local host
    lab status 2>/dev/null || return 0
    for host in $HOSTS; do
        step "what the services of $host said last"
        on "$host" sh -c 'tail -n 15 /var/log/neutron/*.log' || true
    done
}
cleanup() {
    local status=$?
    trap - EXIT
    [ $status = 0 ] || logs
    lab down >/dev/null 2>&1 || true
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Waits up to $1 seconds until the rest succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
answers() { inside "$1" ping -q -c 1 -W 1 "$2" >/dev/null; }

# Reads the summary of ping: "sent received average-rtt".
summary() {
    sed -n -e 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' -e 's,^rtt [^=]*= [^/]*/\([^/]*\)/.*,\1,p' |
        tr '\n' ' '
}

up() {
    step "three hosts, each with its own Open vSwitch; compute0 filters with iptables, the others with flows"
    # The lab ends with this script, also when it is killed.
    run "$NEUTRINO" lab up --firewall mixed --dvr --owner $$
    eval "$(lab env)"
    agents
}
agents() {
    step "the agents"
    agents_text=$(run openstack network agent list -c 'Agent Type' -c Host -c Alive -c State -c Binary)
    echo "$agents_text"
    local alive
    alive=$(openstack network agent list -f json | jq '[.[] | select(.Alive and .State)] | length')
    [ "$alive" = 10 ] || problem "$alive of 10 agents are alive"
}

# One network with a subnet, a port and an instance on each compute host.
network() {
    local kind=$1 number=$2 provider=() subnet=(--subnet-range "10.$2.0.0/24") host port
    case $kind in
        vlan) provider=(--provider-physical-network provider) ;;
        flat)
            # The world is behind its gateway; instances may be on it too.
            provider=(--provider-physical-network provider --external)
            subnet=(--subnet-range 172.25.250.0/24 --gateway 172.25.250.254)
            subnet+=(--allocation-pool start=172.25.250.10,end=172.25.250.99)
            ;;
    esac
    step "a network of type $kind"
    mtu_of[$kind]=$(run openstack network create --provider-network-type "$kind" "${provider[@]}" "$kind" -f value -c mtu)
    run openstack subnet create --network "$kind" "${subnet[@]}" "$kind" -f value -c cidr
    for host in compute0 compute1; do
        port=$(run openstack port create --network "$kind" --host "$host" "$kind-$host" -f json)
        ip_of[$kind-$host]=$(jq -r '.fixed_ips[0].ip_address' <<<"$port")
        run "$NEUTRINO" lab instance create "$kind-$host" --host "$host" --port "$kind-$host"
    done
}

# What DHCP told each instance, the first in full.
leases() {
    step "what DHCP told the instances"
    run "$NEUTRINO" lab instance show vxlan-compute0
    local kind host address
    for kind in $NETWORKS; do
        for host in compute0 compute1; do
            address=$(inside "$kind-$host" sed -n 's,^address \(.*\)/.*,\1,p' /run/dhcp/lease4)
            [ "$address" = "${ip_of[$kind-$host]}" ] || problem "DHCP gave $kind-$host ${address:-no address}"
            [ "$(inside "$kind-$host" cat /sys/class/net/eth0/mtu)" = "${mtu_of[$kind]}" ] ||
                problem "the MTU of $kind-$host is not ${mtu_of[$kind]}"
        done
    done
}

# Each instance gets its own metadata, whatever it pretends.
metadata() {
    step "metadata"
    local url=http://169.254.169.254/latest/meta-data/instance-id kind host id told
    for kind in $NETWORKS; do
        for host in compute0 compute1; do
            id=$(openstack port show "$kind-$host" -f value -c device_id)
            told=$(run "$NEUTRINO" lab instance exec "$kind-$host" -- curl -s -m 10 "$url") || true
            echo "$told"
            [ "$told" = "$id" ] || problem "$kind-$host is told it is '$told', but it is $id"
        done
    done
    told=$(run "$NEUTRINO" lab instance exec flat-compute1 -- curl -s -m 10 -H "X-Instance-ID: $(
        openstack port show flat-compute0 -f value -c device_id
    )" -H "X-Forwarded-For: ${ip_of[flat-compute0]}" "$url") || true
    echo "$told"
    [ "$told" = "$id" ] || problem "forged headers made flat-compute1 '$told'"
}

# curl from one instance of a network to port 8080 of the other.
fetches() { inside "$1-$2" curl -s -m 1 -o /dev/null "http://${ip_of[$1-$3]}:8080/"; }
refused() { ! fetches "$@"; }
# A group of its own closes an instance, a rule opens a port, without the rule it is closed again.
security_groups() {
    step "security groups: $1 from $2 to $3"
    local kind=$1 from=$2 to=$3 port="$1-$3" before rule server
    before=$(openstack port show "$port" -f json | jq -r '.security_group_ids[0]')
    inside "$port" python3 -m http.server 8080 >/dev/null 2>&1 &
    server=$!
    within 10 fetches "$kind" "$from" "$to" || problem "members of the default group do not reach each other"
    run openstack security group create "web-$kind-$to" -f value -c name
    run openstack port set --no-security-group --security-group "web-$kind-$to" "$port"
    within 10 refused "$kind" "$from" "$to" || problem "a group without a rule lets TCP in"
    answers "$kind-$from" "${ip_of[$port]}" && problem "a group without a rule lets ICMP in"
    rule=$(run openstack security group rule create --protocol tcp --dst-port 8080 "web-$kind-$to" -f value -c id)
    within 10 fetches "$kind" "$from" "$to" || problem "the rule for port 8080 does not let it in"
    answers "$kind-$from" "${ip_of[$port]}" && problem "the rule for TCP lets ICMP in"
    run openstack security group rule delete "$rule"
    within 10 refused "$kind" "$from" "$to" || problem "port 8080 is open without its rule"
    openstack port set --no-security-group --security-group "$before" "$port"
    run openstack security group delete "web-$kind-$to"
    within 10 answers "$kind-$from" "${ip_of[$port]}" || problem "$port is not back in the default group"
    echo "closed without a rule, open for TCP 8080 with one, closed again after it"
    kill $server 2>/dev/null || true
}

row() { printf '%-8s %-22s %-22s %5s %8s %6s %5s' "$@"; }
# Pings with the largest packets the network carries; prints a row of the table.
measure() {
    local kind=$1 from=$2 to=$3 target sent received rtt
    target=${ip_of[$kind-$to]}
    within 15 answers "$kind-$from" "$target" || true
    read -r sent received rtt < <(inside "$kind-$from" ping -q -c 20 -i 0.1 -W 2 -M do \
        -s $((mtu_of[$kind] - 28)) "$target" | summary) || true
    rows+=("$(row "$kind" "$from ${ip_of[$kind-$from]}" "$to $target" "${mtu_of[$kind]}" "${rtt:--}" "${sent:-0}" \
        "$((${sent:-0} - ${received:-0}))")")
    echo "${rows[-1]}"
    [ "${sent:-0}" = 20 ] && [ "${received:-0}" = 20 ] ||
        problem "$kind from $from to $to: ${received:-0} of ${sent:-0} packets came back"
}
table() {
    local kind
    rows=("$(row network from to MTU 'RTT ms' sent lost)")
    echo "${rows[0]}"
    for kind in $NETWORKS; do
        measure "$kind" compute0 compute1
        measure "$kind" compute1 compute0
    done
}

ports() {
    step "the ports"
    ports_text=$(run openstack port list --long -c Name -c 'Fixed IP Addresses' -c 'Device Owner' -c Status)
    echo "$ports_text"
    local status
    status=$(openstack port list --long -f json |
        jq -r '.[] | select(."Device Owner" | test("^(compute:|network:dhcp)")) | .Status' | sort | uniq -c | tr -s ' ' | sed 's/^ //')
    # Eight of instances, and one of DHCP on each network.
    [ "$status" = "12 ACTIVE" ] || problem "not all 12 ports of instances and DHCP are ACTIVE: $status"
}

# Pings the world from an instance; prints the address by which the world sees it.
seen_as() {
    local capture line
    exec {capture}< <(on internet timeout 5 tcpdump -Z root -nn -l -c 1 -i eth0 "icmp[icmptype] == icmp-echo and dst $FAR" 2>&1)
    while read -r line <&$capture; do
        [[ $line != *"listening on"* ]] || break
    done
    inside "$1" ping -q -c 1 -W 2 $FAR >/dev/null || true
    sed -n 's/.* IP \(.*\) > .*: ICMP echo request.*/\1/p' <&$capture
    exec {capture}<&-
}
seen_outside_as() { [ "$(seen_as "$1")" = "$2" ]; }
reaches() { on "$1" ping -q -c 1 -W 1 "$2" >/dev/null; }

# A router named and made as the words after the networks say; its networks reach the world through it.
router() {
    local name=$1 networks=$2 network host gateway
    step "a $name router for the networks $networks"
    run openstack router create "--$name" "$name" -f value -c distributed
    run openstack router set --external-gateway flat "$name"
    for network in $networks; do
        run openstack router add subnet "$name" "$network"
    done
    gateway=$(openstack router show "$name" -f json | jq -r '.external_gateway_info.external_fixed_ips[0].ip_address')
    for network in $networks; do
        for host in compute0 compute1; do
            within 15 seen_outside_as "$network-$host" "$gateway" ||
                problem "the world sees $network-$host as $(seen_as "$network-$host"), not as the router's $gateway"
        done
    done
    echo "instances on $networks reach $FAR, which sees them as $gateway"
}
# An address of the external network for an instance: the world reaches it there and sees it as that.
floating_ip() {
    local instance=$1 address
    step "a floating IP for $instance"
    address=$(run openstack floating ip create --port "$instance" flat -f value -c floating_ip_address)
    floating_of[$instance]=$address
    run openstack security group rule create --protocol icmp "$(openstack port show "$instance" -f json |
        jq -r '.security_group_ids[0]')" -f value -c id >/dev/null 2>&1 || true
    within 15 reaches internet "$address" || problem "$address does not answer the world"
    within 5 seen_outside_as "$instance" "$address" || problem "the world does not see $instance as $address"
    run "$NEUTRINO" lab exec internet -- ping -c 3 -i 0.2 "$address" || problem "packets to $address were lost"
}
routers() {
    router centralized "vxlan gre"
    floating_ip vxlan-compute0
    router distributed vlan
    floating_ip vlan-compute1
    step "what floating IPs are made of: on controller0 for the one, on compute1 itself for the other"
    run "$NEUTRINO" lab exec controller0 -- ip netns list
    run "$NEUTRINO" lab exec compute1 -- ip netns list
    local namespace
    namespace=qrouter-$(openstack router show distributed -f value -c id)
    run "$NEUTRINO" lab exec compute1 -- ip -n "$namespace" rule
    step "between subnets of a router"
    for pair in "vxlan-compute0 ${ip_of[gre-compute1]}" "vxlan-compute0 ${floating_of[vlan-compute1]}"; do
        # shellcheck disable=SC2086 # two words
        set -- $pair
        within 15 answers "$1" "$2" || problem "$1 does not reach $2"
        run "$NEUTRINO" lab instance exec "$1" -- ping -c 3 -i 0.2 "$2" || problem "packets from $1 to $2 were lost"
    done
}

# Neighbours are known to the switch: no ARP request leaves the host.
arp() {
    local kind=$1 filter=$2 line text capture answered asked
    step "ARP on $kind is answered by the switch of the host"
    show "$NEUTRINO" lab exec compute0 -- tcpdump -nn -i "$tunnel_device" "$filter"
    exec {capture}< <(on compute0 timeout -s INT 4 tcpdump -nn -l -i "$tunnel_device" "$filter" 2>&1)
    while read -r line <&$capture; do
        [[ $line != *"listening on"* ]] || break
    done
    inside "$kind-compute0" ip neigh flush dev eth0
    run "$NEUTRINO" lab instance exec "$kind-compute0" -- ping -q -c 3 -i 0.2 "${ip_of[$kind-compute1]}" >/dev/null ||
        problem "no answer over $kind"
    inside "$kind-compute0" ip neigh show dev eth0
    text=$(cat <&$capture)
    exec {capture}<&-
    answered=$(grep -c 'ICMP echo' <<<"$text" || true)
    asked=$(grep -c 'ARP, Request' <<<"$text" || true)
    echo "captured on the tunnel: $answered ICMP packets, $asked ARP requests"
    [ "$answered" -ge 6 ] || problem "the capture on the tunnel shows $answered ICMP packets of 6"
    [ "$asked" = 0 ] || problem "$asked ARP requests went through the $kind tunnel"
}

flows() {
    step "where compute0 sends what: unicast, ARP answers, flooding"
    for t in 20 21 22; do
        run "$NEUTRINO" lab exec compute0 -- ovs-ofctl --no-stats --names dump-flows br-tun "table=$t"
    done
    local count
    count=$(on compute0 ovs-ofctl --no-stats dump-flows br-tun table=21 | grep -c 'arp_tpa=' || true)
    [ "$count" -ge 2 ] || problem "table 21 of compute0 answers ARP for $count instances, expected 2 at least"
}
# Flows without what differs between two dumps of the same: statistics, cookies, learned entries.
canonical_flows() {
    for bridge in br-int br-tun br-ex; do
        echo "$bridge"
        on compute0 ovs-ofctl --no-stats dump-flows "$bridge" |
            grep -v 'table=20, hard_timeout' | sed 's/cookie=[^,]*,//g' | sort
    done
}

# iptables of compute0 without dates and counters.
packet_filter() {
    on compute0 sh -c 'iptables-save; ip6tables-save' | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'
}

# Devices, addresses, routes, rules and translations in the namespaces of routers.
router_namespaces() {
    local host
    for host in $HOSTS; do
        on "$host" sh -c 'for n in $(ip netns list | cut -d" " -f1 | grep -v qdhcp- | sort); do
            echo "$n"; ip -n "$n" -o link; ip -n "$n" -4 -o address; ip -n "$n" route show table all; ip -n "$n" rule
            ip netns exec "$n" iptables-save; done' | sed -e '/^#/d' -e 's/ \[[0-9:]*\]$//'
    done
}

# Kills services, starts them again a second later.
kill_and_start() {
    local pair
    for pair in "$@"; do
        run "$NEUTRINO" lab service kill ${pair/:/ }
    done
    sleep 1
    for pair in "$@"; do
        run "$NEUTRINO" lab service start ${pair/:/ }
    done
    # An agent removes what the server does not know 5 seconds after its first sync: time for that to go wrong.
    sleep 7
}
kills() {
    step "kill -9 of agent, server and both while an instance pings, 10 packets a second"
    local before after stream sent received rtt agent=compute0:neutron-openvswitch-agent server=controller0:neutron-server
    local rules servers namespaces world
    before=$(canonical_flows)
    rules=$(packet_filter)
    servers=$(on controller0 pgrep dnsmasq)
    namespaces=$(router_namespaces)
    show "$NEUTRINO" lab instance exec vxlan-compute0 -- ping -q -c 380 -i 0.1 "${ip_of[vxlan-compute1]}"
    exec {stream}< <(inside vxlan-compute0 ping -q -c 380 -i 0.1 -W 2 "${ip_of[vxlan-compute1]}")
    exec {world}< <(on internet ping -q -c 80 -i 0.1 -W 2 "${floating_of[vlan-compute1]}")
    kill_and_start $agent {controller0,compute0,compute1}:neutron-l3-agent
    kill_and_start controller0:neutron-dhcp-agent controller0:neutron-metadata-agent
    kill_and_start $server
    kill_and_start $agent $server
    read -r sent received rtt < <(summary <&$stream) || true
    exec {stream}<&-
    echo "sent ${sent:-0}, received ${received:-0}, lost $((${sent:-0} - ${received:-0})), RTT ${rtt:--} ms"
    [ "${sent:-0}" = 380 ] && [ "${received:-0}" = 380 ] || problem "packets were lost while services were killed"
    read -r sent received rtt < <(summary <&$world) || true
    exec {world}<&-
    echo "from the world to a floating IP meanwhile: sent ${sent:-0}, received ${received:-0}"
    [ "${sent:-0}" = 80 ] && [ "${received:-0}" = 80 ] || problem "packets to a floating IP were lost while L3 agents were killed"
    after=$(canonical_flows)
    if [ "$before" = "$after" ]; then
        echo "flows of compute0: $(grep -c actions <<<"$after"), the same as before"
    else
        problem "the restarts changed flows of compute0"
        diff <(echo "$before") <(echo "$after") || true
    fi
    if [ "$rules" = "$(packet_filter)" ]; then
        echo "iptables of compute0: $(grep -c '^-A' <<<"$rules") rules, the same as before"
    else
        problem "the restarts changed iptables of compute0"
        diff <(echo "$rules") <(packet_filter) || true
    fi
    if [ "$namespaces" = "$(router_namespaces)" ]; then
        echo "namespaces of routers: $(grep -cE '^(qrouter|snat|fip)-' <<<"$namespaces"), with the same devices, routes and rules as before"
    else
        problem "the restarts changed namespaces of routers"
        diff <(echo "$namespaces") <(router_namespaces) || true
    fi
    [ "$servers" = "$(on controller0 pgrep dnsmasq)" ] || problem "the DHCP agent's restart restarted dnsmasq"
}

switch() {
    step "restart of ovs-vswitchd on compute0"
    run "$NEUTRINO" lab service restart compute0 ovs-vswitchd
    local start=${EPOCHREALTIME/./} kind
    for kind in $NETWORKS; do
        within 30 answers "$kind-compute0" "${ip_of[$kind-compute1]}" || problem "$kind does not come back"
    done
    echo "traffic is back on all networks after $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
}

# True when no host has a port of an instance or a tunnel left.
clean() {
    left=$(for host in $HOSTS; do
        on "$host" sh -c 'ovs-vsctl list-ports br-int; ovs-vsctl list-ports br-tun; ls /sys/class/net; ip netns list
            pgrep -l "dnsmasq|radvd"; iptables-save | grep -o "physdev.*"' |
            grep -E '^(tap|qvo|qvb|qbr|vxlan-|gre-|q[rg]-|sg-|fg-|rfp-|fpr-|qdhcp-|qrouter-|snat-|fip-|[0-9]|physdev)' || true
    done)
    [ -z "$left" ]
}
delete() {
    step "delete everything"
    local kind host names=()
    run openstack floating ip delete "${floating_of[@]}"
    run openstack router remove subnet centralized vxlan
    run openstack router remove subnet centralized gre
    run openstack router remove subnet distributed vlan
    run openstack router delete centralized distributed
    for kind in $NETWORKS; do
        for host in compute0 compute1; do
            run "$NEUTRINO" lab instance delete "$kind-$host"
            names+=("$kind-$host")
        done
    done
    run openstack port delete "${names[@]}"
    # shellcheck disable=SC2086 # a list of words
    run openstack network delete $NETWORKS
    within 20 clean || problem "left on the hosts: $(tr '\n' ' ' <<<"$left")"
}

main() {
    [ -x "$NEUTRINO" ] || {
        echo "demo: no $NEUTRINO; run make demo" >&2
        exit 2
    }
    up
    # Where tunnels leave the host: a bridge in the userspace datapath, the NIC itself in the kernel's.
    tunnel_device=eth1
    local number=1 kind
    for kind in $NETWORKS; do
        network "$kind" $number
        number=$((number + 1))
    done
    ports
    leases
    metadata
    security_groups vxlan compute1 compute0
    security_groups vlan compute0 compute1
    routers
    step "packets as large as the MTU, across hosts"
    table
    flows
    arp vxlan 'udp port 4789'
    arp gre 'ip proto 47'
    kills
    switch
    agents
    ports
    step "after all that, every network in both directions"
    table
    delete
    [ ${#problems[@]} = 0 ] || logs
    lab down
    step "in short"
    printf '%s\n' "$agents_text" "$ports_text" "${rows[@]}" ""
    if [ ${#problems[@]} = 0 ]; then
        echo "All of it held. Took ${SECONDS} s; the lab is gone."
        exit 0
    fi
    printf 'NOT all of it held:\n'
    printf '  %s\n' "${problems[@]}"
    exit 1
}
main
