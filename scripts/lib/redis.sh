# A redis-server of a script's own, never the system's; to be sourced after base.sh.
#
# redis_start DIR   starts it on a free port of 127.0.0.1 with its data in DIR and sets
#                   redis_url; a 2xx means on the disk (appendfsync always)
# redis_stop        stops it where it was started; 0 where it ended well

# shellcheck shell=bash
redis_pid="" redis_url=""

redis_answers() {
    [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ]
}

# A port that nobody has just now; somebody may take it before us: then another is tried.
redis_free_port() {
    python3 -c 'import socket
one = socket.socket()
one.bind(("127.0.0.1", 0))
print(one.getsockname()[1])'
}

redis_try() {
    local dir=$1 port=$2 end=$((SECONDS + 60))
    setsid redis-server --port "$port" --bind 127.0.0.1 --dir "$dir" --save "" \
        --appendonly yes --appendfsync always --logfile "$dir/redis.log" \
        </dev/null >/dev/null 2>&1 &
    redis_pid=$!
    until redis_answers "$port"; do
        if ! kill -0 "$redis_pid" 2>/dev/null || [ "$SECONDS" -ge "$end" ]; then
            kill "$redis_pid" 2>/dev/null || true
            wait "$redis_pid" 2>/dev/null || true
            redis_pid=""
            return 1
        fi
        sleep 0.05
    done
    redis_url=redis://127.0.0.1:$port/0
}

redis_start() {
    local dir=$1 try
    mkdir -p "$dir"
    for try in 1 2 3; do
        redis_try "$dir" "$(redis_free_port)" && return 0
        say "redis-server did not start (try $try)"
    done
    tail -n 5 "$dir/redis.log" >&2
    return 1
}

redis_stop() {
    local pid=$redis_pid status=0
    [ -n "$pid" ] || return 0
    redis_pid=""
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || status=$?
    [ "$status" -eq 0 ] || echo "redis-server exited with $status" >&2
    return "$status"
}
