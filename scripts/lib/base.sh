# Shared by the scripts in scripts/; to be sourced by bash, not run.
#
# say, die            progress on stdout, the end on stderr
# packages_need NAME… installs the Debian packages that are missing
# packages_want NAME… the same, of those that this release has
# build_tree DIR …    configures and builds one tree

# shellcheck shell=bash disable=SC2034 # what it sets is for the scripts
OFFLOOP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# What each purpose needs, on a fresh Debian 12 or 13.
PACKAGES_BUILD=(build-essential cmake ninja-build pkg-config libev-dev libssl-dev libnng-dev
    libmsgpack-dev libyajl-dev zlib1g-dev libzstd-dev liblmdb-dev nettle-dev
    libseccomp-dev libmbedtls-dev libhiredis-dev libgoogle-perftools-dev)
PACKAGES_RUN=("${PACKAGES_BUILD[@]}" curl apache2-utils python3)
PACKAGES_REDIS=(redis-server redis-tools) # with scripts/run --store redis
# chromium looks at the live page, prometheus brings promtool. libclang-rt-dev brings
# libFuzzer; with --no-install-recommends clang comes without. From nodejs on it is what the
# clients for Python and node are tried with; our jq is tried and measured beside libjq and Lua.
PACKAGES_TEST=("${PACKAGES_RUN[@]}" libcmocka-dev clang libclang-rt-dev clang-format
    groff-base haproxy nginx-light openssl iproute2 file
    chromium prometheus redis-server python3-jsonschema
    lmdb-utils nodejs node-express python3-tornado python3-aiohttp python3-starlette python3-httpx
    python3-uvloop python3-build python3-setuptools python3-wheel jq libjq-dev liblua5.4-dev wrk)
# Proxies and clients that offloop is tried with; not each release of Debian has them all.
# Where one is missing, its tests are skipped and say so.
PACKAGES_PEERS=(varnish apache2-bin h2o siege nghttp2-client node-undici node-axios
    python3-requests python3-urllib3)

# Seconds since the script began come first: they show what takes long.
say() {
    printf "== %4d s  %s\n" "$SECONDS" "$*"
}

die() {
    printf '%s\n' "${0##*/}: $*" >&2
    exit 1
}

# The names among the arguments that are not installed.
packages_missing() {
    local name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null |
            grep -qx installed || printf '%s\n' "$name"
    done
}

# Runs as root: directly, or through sudo.
packages_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# A daemon that a package brings must not start by itself on the user's machine: Debian
# asks policy-rc.d, which says no while the packages are installed. A policy that is there
# already is the user's own and stays. Ours has a line by which it is known, so that one
# which was left behind by a kill -9 goes with the next run.
POLICY=${OFFLOOP_POLICY:-/usr/sbin/policy-rc.d} # another path only in tests
POLICY_MARK="# made by offloop's scripts while they install packages"

policy_make() {
    if [ -e "$POLICY" ] && ! grep -qxF "$POLICY_MARK" "$POLICY"; then return 0; fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" |
        packages_as_root tee "$POLICY" >/dev/null &&
        packages_as_root chmod 755 "$POLICY"
}

policy_remove() {
    if [ -e "$POLICY" ] && grep -qxF "$POLICY_MARK" "$POLICY"; then
        packages_as_root rm -f "$POLICY"
    fi
}

# In a subshell, whose traps remove the policy however it ends: Ctrl-C too.
packages_install() (
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
        -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2)
    trap policy_remove EXIT
    trap 'exit 130' INT TERM HUP
    policy_make
    # Where the lists cannot be had (offline) the packages may still be in the cache.
    packages_as_root "${apt[@]}" update >"$1" 2>&1 || true
    packages_as_root "${apt[@]}" install --no-install-recommends "${@:2}" >>"$1" 2>&1
)

# packages_need NAME…: installs what is missing, or says what to do and exits 1. Where
# nothing is missing it asks no network and takes a fraction of a second.
packages_need() {
    local missing log
    command -v dpkg-query >/dev/null ||
        die "this is not a Debian system (no dpkg-query); install by hand what $* provide"
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -gt 0 ] || return 0
    say "installing ${#missing[@]} missing packages: ${missing[*]}"
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        die "cannot install them: neither root nor sudo. As root, run:
    apt-get install -y --no-install-recommends ${missing[*]}"
    fi
    log=$(mktemp)
    if ! packages_install "$log" "${missing[@]}"; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: ${missing[*]} (its last lines are above; is the network there?)"
    fi
    rm -f "$log"
    mapfile -t missing < <(packages_missing "$@")
    [ "${#missing[@]}" -eq 0 ] || die "still missing after apt-get install: ${missing[*]}"
}

# packages_want NAME…: installs what is missing and can be had. Goes on without the others.
packages_want() {
    local missing known=() name log
    [ "$(id -u)" = 0 ] || command -v sudo >/dev/null || return 0
    mapfile -t missing < <(packages_missing "$@")
    for name in "${missing[@]}"; do
        if apt-cache show "$name" >/dev/null 2>&1; then known+=("$name"); fi
    done
    [ "${#known[@]}" -gt 0 ] || return 0
    say "installing ${#known[@]} packages that tests can do without: ${known[*]}"
    log=$(mktemp)
    packages_install "$log" "${known[@]}" || tail -n 5 "$log" >&2
    rm -f "$log"
}

# build_tree DIR [CMAKE-FLAG…] [--target NAME…]: configures DIR and builds it, or only
# those targets. What the tools say is shown only where they fail.
build_tree() {
    local dir=$1 log flags=() targets=() generator=()
    shift
    while [ $# -gt 0 ] && [ "$1" != --target ]; do
        flags+=("$1")
        shift
    done
    targets=("$@")
    mkdir -p "$OFFLOOP_ROOT/$dir" || return 1
    log=$OFFLOOP_ROOT/$dir/build.log
    # A tree that somebody configured with make stays with make.
    [ -e "$OFFLOOP_ROOT/$dir/CMakeCache.txt" ] || generator=(-G Ninja)
    say "building $dir (log: $dir/build.log)"
    if ! { : >"$log"; } 2>/dev/null; then
        echo "${0##*/}: $OFFLOOP_ROOT/$dir cannot be written, so nothing can be built there" >&2
        return 1
    fi
    if ! { cmake -S "$OFFLOOP_ROOT" -B "$OFFLOOP_ROOT/$dir" "${generator[@]}" "${flags[@]}" &&
        cmake --build "$OFFLOOP_ROOT/$dir" --parallel "$(nproc)" "${targets[@]}"; } \
        >"$log" 2>&1; then
        build_complain "$log" >&2
        return 1
    fi
}

# The first error of a build's log, with a few lines around it; else its end.
build_complain() {
    grep -nE -m 1 -A 12 '^(CMake Error|FAILED:)|(error|undefined reference)[: ]' "$1" |
        grep -vE '^[0-9]+-(ccache |/usr/bin/|: && )' | cut -c 1-400 | head -n 16
    grep -qE '^(CMake Error|FAILED:)|(error|undefined reference)[: ]' "$1" || tail -n 15 "$1"
    echo "(all of it: $1)"
}
