# Shared by the tests of this folder; to be sourced by bash. They run with
# $OFFLOOP_BUILD set to a build tree, from anywhere, and exit 0 (passed), 1 (failed) or 77
# (skipped: a tool is missing, and the line printed says which).
# shellcheck shell=bash disable=SC2034 # what it sets is for the tests

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${OFFLOOP_BUILD:-$ROOT/build}
GENERATED=$BUILD/generated
checks=0 bad=0
scratch=$(mktemp -d "${TMPDIR:-/tmp}/offloop-deploy.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# expect WHAT COMMAND…: the command must succeed.
expect() {
    local what=$1
    shift
    checks=$((checks + 1))
    if ! "$@" >"$scratch/out" 2>&1; then
        bad=$((bad + 1))
        echo "FAIL $what"
        head -n 20 "$scratch/out"
    fi
}

# equal WHAT GOT WANTED
equal() {
    checks=$((checks + 1))
    if [ "$2" != "$3" ]; then
        bad=$((bad + 1))
        printf 'FAIL %s\n     got:    %s\n     wanted: %s\n' "$1" "$2" "$3"
    fi
}

# silent COMMAND…: it succeeds and says nothing on stderr.
silent() {
    local said
    said=$("$@" 2>&1 >"$scratch/silent") || return 1
    echo "$said"
    [ -z "$said" ]
}

need() {
    command -v "$1" >/dev/null && return
    echo "skipped: there is no $1 here"
    exit 77
}

finish() {
    echo "$checks checks, $bad failed"
    [ "$bad" -eq 0 ] && [ "$checks" -gt 0 ]
}

# The long flags that a program's --help lists, sorted.
flags_of() {
    "$BUILD/$1" --help | grep -E '^  --[a-z]' | grep -oE -- '(^  |, )--[a-z0-9-]+' |
        tr -d ' ,' | sort -u
}
