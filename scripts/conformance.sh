#!/usr/bin/env bash
# Runs tests that others wrote against a server of this checkout and a real Keystone, both on fresh databases:
#   VENVS=DIR [LIST=FILE] [OUT=DIR] scripts/conformance.sh tempest|sdk|osc [REGEX]
# VENVS/tempest holds tempest and neutron-tempest-plugin, VENVS/osc python-openstackclient and openstacksdk (with tempest,
# stestr and what their functional tests import). LIST names test ids, one per line; REGEX narrows them further.
# Keystone comes from .venv-keystone, which is installed when it is not there.
# docs/conformance.md says which tests are meant and what came of them.
set -euo pipefail
cd "$(dirname "$0")/.."
HERE=$PWD/scripts/conformance
NEUTRINO=$(realpath -m "${NEUTRINO:-target/release/neutrino}")
KIND=${1:?tempest, sdk or osc}
REGEX=${2:-}
VENVS=$(realpath "${VENVS:?the directory of the virtual environments}")
LIST=$(realpath "${LIST:-/dev/null}")
OUT=$(realpath -m "${OUT:-target/conformance-$KIND}")
[ -x "$NEUTRINO" ] || { echo "conformance: there is no $NEUTRINO; run make build or set NEUTRINO" >&2; exit 1; }
case $KIND in
  tempest) venv=$VENVS/tempest ;;
  sdk | osc) venv=$VENVS/osc ;;
  *) echo "conformance: $KIND is neither tempest, sdk nor osc" >&2; exit 2 ;;
esac
[ -x "$venv/bin/stestr" ] || { echo "conformance: there is no stestr in $venv" >&2; exit 1; }
mkdir -p "$OUT"
scripts/install-peers.sh keystone
dir=$(mktemp -d)
server=
keystone=
export PYTHONDONTWRITEBYTECODE=1
cleanup() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  # Keystone ends when its standard input does.
  exec 9>&-
  if [ -n "$keystone" ]; then wait "$keystone" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

"$venv/bin/python" "$HERE/setup.py" "$dir"
mkfifo "$dir/leash"
.venv-keystone/bin/python scripts/peers/keystone-server.py "$dir/keystone" "$dir/users.toml" 15000 \
  < "$dir/leash" > "$OUT/keystone.log" 2>&1 9>&- &
keystone=$!
exec 9> "$dir/leash"
for _ in $(seq 600); do
  grep -q '^listening' "$OUT/keystone.log" && break
  kill -0 "$keystone" 2>/dev/null || break
  sleep 0.2
done
grep -q '^listening' "$OUT/keystone.log" || { echo "conformance: Keystone did not start; see $OUT/keystone.log" >&2; exit 1; }
"$NEUTRINO" server --config-file "$dir/neutron.conf" > "$OUT/server.log" 2>&1 9>&- &
server=$!
"$venv/bin/python" "$HERE/prepare.py" "$dir"

for name in $(env | sed -n 's/^\(OS_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export OS_TEST_TIMEOUT=120 TEMPEST_CONFIG_DIR=$dir TEMPEST_CONFIG=tempest.conf
export OPENSTACKSDK_FUNC_TEST_TIMEOUT=60 OS_STDERR_CAPTURE=1 OS_STDOUT_CAPTURE=1 CONFORMANCE=$KIND
export PATH="$venv/bin:$PATH"
mkdir -p "$dir/loader" && cp "$HERE/loader.py" "$dir/loader/test_all.py"
printf '[DEFAULT]\ntest_path=%s\ntop_dir=%s\ngroup_regex=([^\\.]*\\.)*\n' "$dir/loader" "$dir/loader" > "$dir/.stestr.conf"
(
  exec 9>&-
  cd "$dir"
  stestr init 2>/dev/null || true
  stestr list 2>"$OUT/discover.log" | grep -E '^(tempest|neutron_tempest_plugin|openstack|openstackclient)\.' > all.txt
  python "$HERE/choose.py" all.txt "$LIST" "$REGEX" > selected.txt
  [ -s selected.txt ] || { echo "conformance: no test matches" >&2; exit 1; }
  stestr run --load-list selected.txt --concurrency 2 --subunit > "$OUT/run.subunit" 2>"$OUT/stestr.log" || true
  python "$HERE/results.py" selected.txt "$OUT/results.txt" < "$OUT/run.subunit"
)
