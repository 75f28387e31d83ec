/* Where a server may send a worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "worker/link/front_address.h"

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* Checks what came of an address; NULL where it must be refused. */
static void check(int result, struct buf *got, const char *expected)
{
    if (expected == NULL) {
        assert_int_equal(result, -1);
        assert_int_equal(got->len, 1);
    } else {
        assert_int_equal(result, 0);
        buf_append(got, "", 1);
        assert_string_equal((const char *)got->data + 1, expected);
    }
    buf_free(got);
}

static void seat(const char *gate, const char *named, const char *expected)
{
    struct buf url = BUF_INIT;
    int result;

    buf_append(&url, "+", 1); /* what was there stays */
    result = front_address_of_seat(gate, slice_of(named), &url);
    check(result, &url, expected);
}

static void socket_named(const char *front, bool is_here, const char *named,
                         const char *expected)
{
    struct buf path = BUF_INIT;
    int result;

    buf_append(&path, "+", 1);
    result = front_address_of_arena_socket(front, is_here, slice_of(named), &path);
    check(result, &path, expected);
}

static void seats_by_a_path_are_beside_the_gate(void **state)
{
    static const char gate[] = "ipc:///run/offloop/rpc.sock";
    char longest[WIRE_MAX_TEXT_BYTES + 1];

    (void)state;
    seat(gate, "ipc:///run/offloop/rpc.sock-1-2-3", "ipc:///run/offloop/rpc.sock-1-2-3");
    seat(gate, "ipc:///var/run/offloop/x", "ipc:///run/offloop/x");
    seat(gate, "ipc:///run/redis/../redis.sock", "ipc:///run/offloop/redis.sock");
    seat(gate, "ipc:///run/offloop/", NULL);
    seat(gate, "ipc:///run/offloop/..", NULL);
    seat(gate, "ipc:///run/offloop/.", NULL);
    seat(gate, "ipc://", NULL);
    seat(gate, "ipc://x", NULL);
    seat(gate, "ipc", NULL);
    seat(gate, "", NULL);
    seat(gate, "tcp://127.0.0.1:6379", NULL);
    seat(gate, "abstract://x", NULL);
    seat("ipc:///rpc", "ipc:///x/y", "ipc:///y");
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "ipc:///", 7);
    seat(gate, longest, NULL);
}

static void seats_over_a_network_keep_the_scheme(void **state)
{
    (void)state;
    seat("tcp://10.0.0.1:9", "tcp://10.0.0.1:4001", "tcp://10.0.0.1:4001");
    seat("tls+tcp://10.0.0.1:9", "tls+tcp://[::1]:1", "tls+tcp://[::1]:1");
    seat("tls+tcp://10.0.0.1:9", "tcp://10.0.0.1:4001", NULL); /* in the clear */
    seat("tcp://10.0.0.1:9", "ipc:///run/redis/redis.sock", NULL);
    seat("tcp://10.0.0.1:9", "", NULL);
}

static void doors_by_a_path_are_beside_the_front(void **state)
{
    static const char front[] = "ipc:///run/offloop/rpc-1-2-3";

    (void)state;
    socket_named(front, false, "/run/offloop/rpc-1-2-4", "/run/offloop/rpc-1-2-4");
    socket_named(front, false, "/run/redis/redis.sock", "/run/offloop/redis.sock");
    socket_named(front, false, "redis.sock", NULL);
    socket_named(front, false, "/run/offloop/", NULL);
    socket_named(front, false, "/run/offloop/..", NULL);
    socket_named(front, true, "@fffff", NULL);
    socket_named(front, true, "", NULL);
}

static void doors_without_a_path_are_the_kernels(void **state)
{
    static const char *const fronts[] = {"tcp://127.0.0.1:9", "tls+tcp://10.0.0.1:9"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        socket_named(fronts[i], true, "@0a1f2", "@0a1f2");
        socket_named(fronts[i], false, "@0a1f2", NULL); /* on another host */
        socket_named(fronts[i], true, "@0a1f", NULL);
        socket_named(fronts[i], true, "@0a1f22", NULL);
        socket_named(fronts[i], true, "@0A1f2", NULL);
        socket_named(fronts[i], true, "@redis", NULL);
        socket_named(fronts[i], true, "/run/redis/redis.sock", NULL);
        socket_named(fronts[i], true, "", NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seats_by_a_path_are_beside_the_gate),
        cmocka_unit_test(seats_over_a_network_keep_the_scheme),
        cmocka_unit_test(doors_by_a_path_are_beside_the_front),
        cmocka_unit_test(doors_without_a_path_are_the_kernels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
