#!/usr/bin/env bash
# Runs the API load driver against a server of this checkout on loopback, in noauth mode, on a
# fresh database: SQLite, or what DATABASE names (mariadb, postgres), on a private server whose CPU
# is counted too. Arguments go to the driver; its JSON lands in files that begin with OUT.
#
# The driver is not part of this repository: BENCH names it (../shared/bench/api_bench.py).
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${DATABASE:-}" ] && [ -z "${NEUTRINO_TEST_DATABASE:-}" ]; then
  exec "${CARGO:-cargo}" run -q --locked -p neutrino-service-sandbox --example with-database -- "$DATABASE" "$0" "$@"
fi
BENCH=${BENCH:-../shared/bench/api_bench.py}
OUT=${OUT:-target/api-bench}
mkdir -p "$(dirname "$OUT")"
PORT=${PORT:-19696}
NEUTRINO=${NEUTRINO:-target/release/neutrino}
[ -f "$BENCH" ] || { echo "bench-api: there is no load driver at $BENCH; set BENCH" >&2; exit 1; }
[ -x "$NEUTRINO" ] || { echo "bench-api: there is no $NEUTRINO; run make build or set NEUTRINO" >&2; exit 1; }
dir=$(mktemp -d)
server=
cleanup() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cat > "$dir/neutron.conf" <<EOF
[DEFAULT]
auth_strategy = noauth
bind_host = 127.0.0.1
bind_port = $PORT
state_path = $dir
[database]
connection = ${NEUTRINO_TEST_DATABASE:-sqlite:///$dir/neutron.sqlite}
[embedded_bus]
bind_host = 127.0.0.1
bind_port = 0
secret = bench
[quotas]
quota_network = -1
quota_subnet = -1
quota_port = -1
quota_security_group = -1
quota_security_group_rule = -1
quota_router = -1
quota_floatingip = -1
[ml2]
type_drivers = local,flat,vlan,vxlan
project_network_types = vxlan
mechanism_drivers = openvswitch,l2population
extension_drivers = port_security
[ml2_type_vxlan]
vni_ranges = 1:16777215
EOF
"$NEUTRINO" server --config-file "$dir/neutron.conf" --log-file "$dir/server.log" &
server=$!
echo "$server" > "$dir/server.pid"
for _ in $(seq 100); do
  curl -sf -o "$dir/versions" "http://127.0.0.1:$PORT/" && break
  kill -0 "$server" 2>/dev/null || { echo "bench-api: the server ended:" >&2; cat "$dir/server.log" >&2; exit 1; }
  sleep 0.1
done
pids=(--pid "$dir/server.pid")
if [ -n "${NEUTRINO_TEST_DATABASE:-}" ]; then
  cat "$NEUTRINO_SANDBOX/pid" >"$dir/database.pid" 2>/dev/null || head -1 "$NEUTRINO_SANDBOX/data/postmaster.pid" >"$dir/database.pid"
  pids+=(--pid "$dir/database.pid")
fi
# Lists apart from bulk creation: the driver fills up to 1,000 ports only where fewer are left.
for parts in basic,bulk list; do
  TMPDIR=$dir python3 "$BENCH" --endpoint "http://127.0.0.1:$PORT" "${pids[@]}" --label neutrino \
    --parts "$parts" --out "$OUT.$parts.json" "$@" >"$dir/out"
done
grep -E ' (WARN|ERROR) ' "$dir/server.log" | sort | uniq -c | sort -rn | head -20 || true
python3 scripts/bench-table.py "$OUT.basic,bulk.json" "$OUT.list.json"
