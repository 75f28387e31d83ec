/* A worker process outlives its servers' faults: garbage, silence, restarts, nng's own.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "tests/process/support/child.h"
#include "tests/process/support/worker_fixture.h"

static void test_worker_may_start_before_the_server(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_start(fixture, "0", "10000", 1);
    assert_int_equal(recv(fixture->control, &(char){0}, 1, 0), 1);
    fake_front_open_seat(fixture->server, 0, 5);
    fake_front_open_gate(fixture->server);
    fake_front_expect_hello(fixture->server, 0);
    worker_fixture_check_job(fixture, 0);
}

static void test_killed_worker_is_noticed(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    kill(fixture->pid, SIGKILL);
    assert_int_equal(worker_fixture_wait(fixture), -SIGKILL);
    fake_front_wait_gone(fixture->server, 0);
}

/* What the front says is nonsense: it is hung up on, and called again. */
static void check_dropped(struct worker_fixture *fixture, const void *bytes, size_t len)
{
    fake_front_send(fixture->server, 0, (struct slice){bytes, len});
    fake_front_expect_hello(fixture->server, 0);
    worker_fixture_check_job(fixture, 0);
}

static void test_bad_messages_cost_the_connection(void **state)
{
    static const struct wire_seat_welcome stranger = {.incarnation = 4};
    struct worker_fixture *fixture = *state;
    struct buf out = BUF_INIT;

    worker_fixture_seat(fixture, "0");
    check_dropped(fixture, "", 0);
    check_dropped(fixture, "GET / HTTP/1.1", 14);
    check_dropped(fixture, "\x4f\x02\x14\x91\x01", 5);
    check_dropped(fixture, "\x4f\x01\x14\x91\x01\x00", 6);
    wire_put_bye(&out, WIRE_BYE_DRAIN);
    check_dropped(fixture, out.data, out.len);
    out.len = 0;
    wire_put_seat_welcome(&out, &stranger);
    check_dropped(fixture, out.data, out.len);
    buf_free(&out);
}

static void test_right_seat_welcome_is_taken(void **state)
{
    static const struct wire_seat_welcome welcome = {.incarnation = 1001};
    struct worker_fixture *fixture = *state;
    struct buf out = BUF_INIT;

    worker_fixture_seat(fixture, "0");
    wire_put_seat_welcome(&out, &welcome);
    fake_front_send(fixture->server, 0, buf_slice(&out));
    worker_fixture_check_job(fixture, 0);
    buf_free(&out);
}

static void test_arena_that_was_not_agreed_on_is_refused(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job job = fake_front_job(1, CODEC_OP_DECODE, "");
    struct buf out = BUF_INIT;

    worker_fixture_seat(fixture, "0");
    job.payload.in_arena = true;
    job.payload.offset = UINT64_MAX;
    job.payload.bytes.len = 4096;
    wire_put_jobs(&out, &job, 1);
    check_dropped(fixture, out.data, out.len);
    buf_free(&out);
}

/* A front that ignores credits would fill the worker's memory. */
static void test_front_beyond_its_credits_is_dropped(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job job = fake_front_job(1, CODEC_OP_DECODE, "1");
    static char text[16 << 20];
    struct buf out = BUF_INIT;

    worker_fixture_seat(fixture, "0");
    memset(text, '[', 4);
    memset(text + 4, ' ', sizeof(text) - 5);
    job.payload.bytes = (struct slice){(const uint8_t *)text, sizeof(text) - 1};
    fake_front_send_jobs(fixture->server, 0, &job, 1);
    job.payload.bytes.len = 1;
    wire_put_jobs(&out, &job, 1);
    buf_append(&out, "1", 1);
    for (unsigned i = 0; i < WIRE_MAX_CREDITS + 1; i++)
        fake_front_send(fixture->server, 0, buf_slice(&out));
    fake_front_expect_hello(fixture->server, 0);
    worker_fixture_check_job(fixture, 0);
    buf_free(&out);
}

static void test_bad_answers_of_the_gate_are_outlived(void **state)
{
    struct worker_fixture *fixture = *state;

    fake_front_open_seat(fixture->server, 0, 5);
    fake_front_open_gate(fixture->server);
    fake_front_set_gate(fixture->server, FAKE_GATE_WRONG_VERSION);
    worker_fixture_start(fixture, "0", "10000", 0);
    fake_front_wait_hellos(fixture->server, 1);
    fake_front_set_gate(fixture->server, FAKE_GATE_GARBAGE);
    fake_front_wait_hellos(fixture->server, 1);
    fake_front_set_gate(fixture->server, FAKE_GATE_REFUSE);
    fake_front_wait_hellos(fixture->server, 1);
    fake_front_set_gate(fixture->server, FAKE_GATE_SILENT);
    fake_front_wait_hellos(fixture->server, 1);
    fake_front_set_gate(fixture->server, FAKE_GATE_WELCOME);
    fake_front_expect_hello(fixture->server, 0);
    worker_fixture_check_job(fixture, 0);
}

static void test_gate_may_restart(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    fake_front_close_gate(fixture->server);
    worker_fixture_check_job(fixture, 0);
    fake_front_open_gate(fixture->server);
    fake_front_wait_hellos(fixture->server, 2);
    fake_front_open_seat(fixture->server, 1, 7);
    fake_front_expect_hello(fixture->server, 1);
    worker_fixture_check_job(fixture, 0);
}

/* A front that is replaced: the old seat lives until it hangs up, the new one at once. */
static void test_unlisted_seat_lives_until_hung_up(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    fake_front_list_seat(fixture->server, 0, false);
    fake_front_open_seat(fixture->server, 1, 2);
    fake_front_expect_hello(fixture->server, 1);
    fake_front_wait_hellos(fixture->server, 2);
    worker_fixture_check_job(fixture, 0);
    fake_front_close_seat(fixture->server, 0);
    fake_front_wait_hellos(fixture->server, 3);
    fake_front_open_seat(fixture->server, 0, 3);
    fake_front_expect_hello(fixture->server, 0);
    worker_fixture_check_job(fixture, 0);
    worker_fixture_check_job(fixture, 1);
}

/* A front that is listed at another address has given the old connection up, though it
   still stands here: so it looks when a network was cut. */
static void test_moved_seat_is_left(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    fake_front_list_seat(fixture->server, 0, false);
    fake_front_open_seat(fixture->server, 1, 1001);
    fake_front_list_seat(fixture->server, 1, true);
    fake_front_expect_hello(fixture->server, 1);
    fake_front_wait_gone(fixture->server, 0);
    worker_fixture_check_job(fixture, 1);
}

static void test_front_may_hang_up_any_time(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    for (unsigned i = 0; i < 10; i++) {
        worker_fixture_check_job(fixture, 0);
        fake_front_hang_up(fixture->server, 0);
        fake_front_expect_hello(fixture->server, 0);
    }
}

/* Results of jobs whose front went away must not reach the next connection. */
static void test_old_results_stay_off_a_new_connection(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job jobs[WIRE_MAX_BATCH];
    struct buf ping = BUF_INIT;

    worker_fixture_seat(fixture, "0");
    for (unsigned i = 0; i < WIRE_MAX_BATCH; i++)
        jobs[i] = fake_front_job(i, CODEC_OP_DECODE, "[]");
    wire_put_ping(&ping, 1);
    for (unsigned i = 0; i < 20; i++) {
        fake_front_send_jobs(fixture->server, 0, jobs, WIRE_MAX_BATCH);
        fake_front_send(fixture->server, 0, buf_slice(&ping));
        while (fake_front_recv(fixture->server, 0)->type != WIRE_ALIVE)
            continue; /* the worker has the jobs now; results may be under way */
        fake_front_hang_up(fixture->server, 0);
        fake_front_expect_hello(fixture->server, 0);
        worker_fixture_check_job(fixture, 0);
    }
    buf_free(&ping);
}

/* ---- a seat played on a bare socket, without nng ---- */

static int raw_listen(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof(address.sun_path));
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int raw_accept(int listener)
{
    struct pollfd ready = {listener, POLLIN, 0};

    assert_int_equal(poll(&ready, 1, FAKE_FRONT_PATIENCE_MS), 1);
    return accept(listener, NULL, NULL);
}

static void raw_read(int fd, void *bytes, size_t len)
{
    assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
}

/* SP's greeting for PAIR0, both ways. */
static void raw_greet(int fd)
{
    uint8_t theirs[8];

    assert_int_equal(send(fd, "\0SP\0\0\x10\0\0", 8, MSG_NOSIGNAL), 8);
    raw_read(fd, theirs, sizeof(theirs));
    assert_memory_equal(theirs, "\0SP\0\0\x10\0\0", 8);
}

/* Opens gate and worker with seat 0 named but nobody there. */
static int raw_seat(struct worker_fixture *fixture)
{
    fake_front_name_seat(fixture->server, 0, 1);
    fake_front_open_gate(fixture->server);
    worker_fixture_start(fixture, "0", "10000", 0);
    return raw_listen(fake_front_seat_path(fixture->server, 0));
}

/* Names the socket at `path` as the place of an arena, with a token that Redis would take
   for a command, and waits until the worker has done with it. */
static void offer_arena_at(struct worker_fixture *fixture, const char *path)
{
    struct wire_seat_welcome welcome = {
        .incarnation = 1001,
        .has_arena = true,
        .arena_path = {(const uint8_t *)path, strlen(path)},
        .arena_bytes = 65536};
    struct buf out = BUF_INIT;

    memcpy(welcome.arena_token.bytes, "FLUSHALL\r\nPING\r\n", 16);
    wire_put_seat_welcome(&out, &welcome);
    fake_front_send(fixture->server, 0, buf_slice(&out));
    buf_free(&out);
    worker_fixture_check_job(fixture, 0);
}

/* A front cannot have the worker speak to sockets that only the worker may reach: one
   that lies elsewhere is not even connected to, and what is beside the seats, perhaps by
   a link, is not told anything before it has shown what it is. */
static void test_sockets_of_others_are_told_nothing(void **state)
{
    struct worker_fixture *fixture = *state;
    char directory[] = "/tmp/offloop-others-XXXXXX", *outside, *beside;
    struct pollfd ready = {.events = POLLIN};
    uint8_t byte;
    int fd;

    worker_fixture_seat(fixture, "0");
    assert_non_null(mkdtemp(directory));
    outside = str_printf("%s/redis.sock", directory);
    beside = str_printf("%s-beside", fake_front_seat_path(fixture->server, 0));
    ready.fd = raw_listen(outside);
    assert_int_equal(symlink(outside, beside), 0);
    offer_arena_at(fixture, outside);
    assert_int_equal(poll(&ready, 1, 0), 0);
    offer_arena_at(fixture, beside);
    fd = raw_accept(ready.fd);
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    close(ready.fd);
    unlink(beside);
    unlink(outside);
    rmdir(directory);
    mem_free(outside);
    mem_free(beside);
}

/* nng issue 1518: a dialer whose handshake is broken off may never try again. */
static void test_broken_handshakes_are_outlived(void **state)
{
    struct worker_fixture *fixture = *state;
    int listener = raw_seat(fixture);

    for (unsigned i = 0; i < 24; i++) {
        int fd = raw_accept(listener);

        if (i % 4 == 1)
            assert_int_equal(send(fd, "\0SP", 3, MSG_NOSIGNAL), 3);
        else if (i % 4 == 2)
            assert_int_equal(send(fd, "\0SP\0\0\x31\0\0", 8, MSG_NOSIGNAL), 8);
        else if (i % 4 == 3)
            raw_greet(fd);
        close(fd);
    }
    close(listener);
}

/* A length is a promise of the peer's: too large a one ends the connection unread. */
static void test_oversized_message_costs_the_connection(void **state)
{
    struct worker_fixture *fixture = *state;
    int listener = raw_seat(fixture);
    uint8_t byte;

    for (unsigned i = 0; i < 2; i++) {
        int fd = raw_accept(listener);

        raw_greet(fd);
        assert_int_equal(send(fd, "\1\0\0\1\0\0\0\0\0", 9, MSG_NOSIGNAL), 9);
        while (recv(fd, &byte, 1, 0) == 1)
            continue;
        close(fd);
    }
    close(listener);
}

#define WORKER_TEST(f) \
    cmocka_unit_test_setup_teardown(f, worker_fixture_setup, worker_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_worker_may_start_before_the_server),
        WORKER_TEST(test_killed_worker_is_noticed),
        WORKER_TEST(test_bad_messages_cost_the_connection),
        WORKER_TEST(test_right_seat_welcome_is_taken),
        WORKER_TEST(test_arena_that_was_not_agreed_on_is_refused),
        WORKER_TEST(test_sockets_of_others_are_told_nothing),
        WORKER_TEST(test_front_beyond_its_credits_is_dropped),
        WORKER_TEST(test_bad_answers_of_the_gate_are_outlived),
        WORKER_TEST(test_gate_may_restart),
        WORKER_TEST(test_unlisted_seat_lives_until_hung_up),
        WORKER_TEST(test_moved_seat_is_left),
        WORKER_TEST(test_front_may_hang_up_any_time),
        WORKER_TEST(test_old_results_stay_off_a_new_connection),
        WORKER_TEST(test_broken_handshakes_are_outlived),
        WORKER_TEST(test_oversized_message_costs_the_connection),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
