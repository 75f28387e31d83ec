# Starting and stopping a server and worker pair from a script; to be sourced after
# base.sh. One pair per script: what is running is in these variables.
#
# pair_start DIR SERVER-FLAG…   starts both (DIR takes their output), sets pair_url and
#                               pair_admin once the server names them, waits for /readyz
# pair_load                     puts the sample data where the store is empty
# pair_stop                     drains the server, then the worker; 0 where both exit 0

# shellcheck shell=bash
pair_server="" pair_worker="" pair_url="" pair_admin=""

# The address that a line of the server's names, once it is there.
pair_named() {
    sed -n "s|^offloop-server: $2 on \(http://[^ ]*\)\$|\1|p" "$1/server.out" | head -n 1
}

# Non-root users often have no runtime directory: then one of our own does.
pair_runtime_directory() {
    [ -z "${RUNTIME_DIRECTORY:-}" ] || return 0
    [ "$(id -u)" != 0 ] || return 0
    if [ -z "${XDG_RUNTIME_DIR:-}" ] || [ ! -w "$XDG_RUNTIME_DIR" ]; then
        mkdir -m 0750 "$1/run"
        export RUNTIME_DIRECTORY="$1/run"
    fi
}

# pair_await WHAT COMMAND…: until it succeeds; fails when a daemon ends or 30 s are over.
pair_await() {
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        if ! kill -0 "$pair_server" 2>/dev/null; then
            echo "offloop-server ended early ($what failed): see its error above" >&2
            pair_server=""
            return 1
        fi
        if [ -n "$pair_worker" ] && ! kill -0 "$pair_worker" 2>/dev/null; then
            echo "offloop-worker ended early ($what failed): see its error above" >&2
            pair_worker=""
            return 1
        fi
        if [ "$SECONDS" -ge "$end" ]; then
            echo "$what takes more than 30 seconds: giving up" >&2
            return 1
        fi
        sleep 0.05
    done
}

pair_is_named() {
    [ -n "$(pair_named "$1" listening)" ] && [ -n "$(pair_named "$1" operations)" ]
}

pair_start() {
    local dir=$1 bin=${OFFLOOP_BUILD:-$OFFLOOP_ROOT/build}
    shift
    mkdir -p "$dir"
    : >"$dir/server.out"
    pair_runtime_directory "$dir"
    # In sessions of their own: Ctrl-C is for this script, which stops them in order.
    setsid "$bin/offloop-server" "$@" >"$dir/server.out" </dev/null &
    pair_server=$!
    pair_await "starting the server" pair_is_named "$dir" || return 1
    pair_url=$(pair_named "$dir" listening)
    pair_admin=$(pair_named "$dir" operations)
    setsid "$bin/offloop-worker" >"$dir/worker.out" </dev/null &
    pair_worker=$!
    pair_await "waiting for server and workers to be ready" pair_is_whole
}

# True where the server is ready and has a worker: in mode auto it is ready without one,
# and says that it is degraded.
pair_is_whole() {
    local said
    said=$(curl -fs --max-time 5 "$pair_admin/readyz") && [[ "$said" != *'"degraded":true'* ]]
}

# True where the store is empty, or holds sample data whose loading was cut short (the
# last document is missing).
pair_needs_data() {
    local collections
    collections=$(curl -fsS --max-time 60 "$pair_url/v1") || return 1
    [ "$collections" != "[]" ] || return 0
    [[ "$collections" == *'"name":"instrument_details"'* ]] &&
        [ "$(curl -sS --max-time 60 -o /dev/null -w '%{http_code}' \
            "$pair_url/v1/sizes/2m")" = 404 ]
}

pair_load() {
    if pair_needs_data; then
        say "loading the sample data (2,000 option contracts, four sized documents)"
        "$OFFLOOP_ROOT/scripts/sample-data" load "$pair_url"
    fi
}

# TERM to one daemon, and its exit status.
pair_end() {
    local status=0
    [ -n "$1" ] || return 0
    kill -TERM "$1" 2>/dev/null || true
    # A second signal of ours interrupts wait, not the daemon's draining.
    while :; do
        status=0
        wait "$1" || status=$?
        kill -0 "$1" 2>/dev/null || return "$status"
    done
}

pair_stop() {
    local status=0
    # The server first: its last requests still need the worker.
    pair_end "$pair_server" || { status=1 && echo "offloop-server exited badly" >&2; }
    pair_end "$pair_worker" || { status=1 && echo "offloop-worker exited badly" >&2; }
    pair_server="" pair_worker=""
    return "$status"
}
