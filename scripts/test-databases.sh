#!/usr/bin/env bash
# The tests of the crates that use the database, once more on MariaDB and on PostgreSQL: test-databases.sh [mariadb|postgres]...
# Runs what `cargo test --workspace` built. (`cargo test -p` would choose other features for the dependencies and build them again.)
set -euo pipefail
cd "$(dirname "$0")/.."

CRATES='db|ml2|services|server'

if [ "${1:-}" = --run ]; then
    # Beside a server now: lines of crate directory and test binary.
    failed=
    while IFS=$'\t' read -r directory binary; do
        echo "     Running $binary"
        (cd "$directory" && "$binary" </dev/null) || failed="$failed $binary"
    done <"$2"
    [ -z "$failed" ] || {
        echo "test-databases: failed on ${NEUTRINO_TEST_DATABASE%%+*}:$failed" >&2
        exit 1
    }
    exit 0
fi

lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT
"${CARGO:-cargo}" test --locked --workspace --no-run --message-format=json >"$lists/built"
jq -r --arg crates "/($CRATES)/Cargo.toml$" \
    'select(.profile.test and .executable != null and (.manifest_path | test($crates)))
     | [(.manifest_path | rtrimstr("/Cargo.toml")), .executable] | @tsv' "$lists/built" >"$lists/tests"
with_database=$(jq -r 'select(.target.name == "with-database") | .executable' "$lists/built")
[ -s "$lists/tests" ] && [ -n "$with_database" ] || {
    echo "test-databases: cargo built no tests" >&2
    exit 1
}
[ $# -gt 0 ] || set -- mariadb postgres
for database in "$@"; do
    echo "test-databases: on $database"
    "$with_database" "$database" "$PWD/scripts/test-databases.sh" --run "$lists/tests"
done
