#!/usr/bin/env bash
# What changed security groups cost the Open vSwitch agent: flow changes, time and CPU to add and remove one member of a group of 200
# ports with 20 rules, and to remove a remote group of 2,000 members. On a private Open vSwitch in user space. Prints JSON lines.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --quiet --package neutrino-agent-ovs --example bench_firewall
