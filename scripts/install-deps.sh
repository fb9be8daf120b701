#!/usr/bin/env bash
# Checks what the machine has, installs what is missing: Debian packages with apt-get, the openstack client with pip in
# .venv. Says what it installs; says clearly what is wrong when it cannot. Starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."

OPENSTACK_CLIENT="python-openstackclient==10.5.0"

fail() {
    printf 'install-deps: %s\n' "$*" >&2
    exit 1
}

check_machine() {
    [ "$(uname -s)" = Linux ] || fail "this needs Linux; it makes network namespaces."
    local unprivileged=
    if [ "$(id -u)" != 0 ]; then
        [ "${NEUTRINO_SKIP_PRIVILEGED:-}" = 1 ] ||
            fail "you are not root. The lab makes namespaces and interfaces: run make with sudo or as root."
        unprivileged=1
    fi
    command -v cargo >/dev/null || fail "there is no cargo in PATH. Install Rust from https://rustup.rs (with sudo, keep PATH: sudo env PATH=\"\$PATH\" make demo)."
    local have need
    have=$(cargo --version | cut -d' ' -f2 | cut -d- -f1)
    need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    [ "$(printf '%s\n%s\n' "$need" "$have" | sort -V | head -1)" = "$need" ] ||
        fail "cargo is $have, Neutrino needs $need or newer: rustup update stable."
    [ -z "$unprivileged" ] || return 0
    [ -c /dev/net/tun ] || modprobe tun 2>/dev/null || true
    [ -c /dev/net/tun ] || fail "there is no /dev/net/tun. Open vSwitch needs it: modprobe tun; in a container pass --device /dev/net/tun."
    unshare --net --pid --mount --uts --fork true 2>/dev/null ||
        fail "the kernel refuses new namespaces (in a container: run it with --privileged)."
}

# command:package
NEEDED="
ovs-vswitchd:openvswitch-switch
ovs-vsctl:openvswitch-common
iptables:iptables
ipset:ipset
curl:curl
ip:iproute2
ethtool:ethtool
dnsmasq:dnsmasq-base
dhcp_release:dnsmasq-utils
dhclient:isc-dhcp-client
tcpdump:tcpdump
conntrack:conntrack
jq:jq
ps:procps
ping:iputils-ping
arping:iputils-arping
radvd:radvd
haproxy:haproxy
mariadbd:mariadb-server
mariadb:mariadb-client
/usr/lib/postgresql/15/bin/postgres:postgresql
psql:postgresql-client
rabbitmqctl:rabbitmq-server
python3:python3
openssl:openssl
cc:gcc
"

missing_packages() {
    local pair
    for pair in $NEEDED; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair##*:}"
    done
    # The C library's headers and Python's venv have no command of their own.
    [ -e /usr/include/stdlib.h ] || echo libc6-dev
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
    local packages
    packages=$(missing_packages | sort -u | tr '\n' ' ')
    [ -n "$packages" ] || return 0
    [ "$(id -u)" = 0 ] || fail "only root can install these missing packages (Debian's names): $packages"
    command -v apt-get >/dev/null ||
        fail "these packages (Debian's names) are missing and there is no apt-get to install them: $packages"
    echo "install-deps: installing Debian packages: $packages"
    # Packages that bring a service (openvswitch-switch, databases, RabbitMQ) must not start it: tests and emulated
    # hosts run their own.
    local policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -q --no-install-recommends $packages >/tmp/neutrino-apt.$$ 2>&1 ||
        { apt-get update -q >>/tmp/neutrino-apt.$$ 2>&1 &&
            apt-get install -y -q --no-install-recommends $packages >>/tmp/neutrino-apt.$$ 2>&1; } || {
        tail -20 /tmp/neutrino-apt.$$ >&2
        rm -f /tmp/neutrino-apt.$$
        fail "apt-get could not install: $packages"
    }
    rm -f /tmp/neutrino-apt.$$
    [ -z "$(missing_packages)" ] || fail "still missing after apt-get: $(missing_packages | tr '\n' ' ')"
}

install_client() {
    if [ -x .venv/bin/openstack ] && .venv/bin/openstack --version >/dev/null 2>&1; then
        return 0
    fi
    echo "install-deps: installing the openstack client ($OPENSTACK_CLIENT) in .venv"
    rm -rf .venv
    python3 -m venv .venv || fail "python3 -m venv .venv failed."
    .venv/bin/pip install -q --disable-pip-version-check "$OPENSTACK_CLIENT" ||
        fail "pip could not install $OPENSTACK_CLIENT; is there a way to PyPI?"
}

check_machine
install_packages
install_client
