#!/usr/bin/env bash
# The Python parts that tests run beside ours: each file scripts/peers/NAME.txt lists the exact versions of one virtual
# environment, .venv-NAME in the checkout. Does nothing where it is there already. Names as arguments choose some of them.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    printf 'install-peers: %s\n' "$*" >&2
    exit 1
}

# Whether the environment is there, works, and is what the list says.
is_there() {
    local venv=$1 list=$2
    cmp -s "$list" "$venv/installed.txt" && "$venv/bin/python" -c '' 2>/dev/null
}

install_peer() {
    local name=$1
    local venv=.venv-$name list=scripts/peers/$name.txt
    [ -e "$list" ] || fail "there is no $list."
    ! is_there "$venv" "$list" || return 0
    echo "install-peers: installing $list in $venv"
    rm -rf "$venv"
    python3 -m venv "$venv" || fail "python3 -m venv $venv failed."
    # The lists are complete, so nothing is left to resolve.
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$list" ||
        fail "pip could not install $list; is there a way to PyPI?"
    cp "$list" "$venv/installed.txt"
}

if [ $# = 0 ]; then
    for list in scripts/peers/*.txt; do
        set -- "$@" "$(basename "$list" .txt)"
    done
fi
for name in "$@"; do
    install_peer "$name"
done
