/* The front's end of a fast path: what is collected leaves at once and in order, a peer
   that does not read is noticed, and the end comes after all that was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ev.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/workers/fastpath.h"

static struct ev_loop *loop;
static struct fastpath *fastpath;
static int peer;
static unsigned messages, received, ended;
static const char *reason, *verdict;
static struct buf last;

static const char *on_message(void *ctx, struct slice message,
                              struct frame_reader *reader)
{
    assert_ptr_equal(ctx, &messages);
    (void)reader;
    messages++;
    last.len = 0;
    buf_append(&last, message.data, message.len);
    return verdict;
}

static void on_received(void *ctx)
{
    (void)ctx;
    received++;
}

static void on_ended(void *ctx, const char *why)
{
    (void)ctx;
    ended++;
    reason = why;
    fastpath_destroy(&fastpath);
}

static int setup(void **state)
{
    static const struct fastpath_events events = {on_message, on_received, on_ended};

    (void)state;
    messages = received = ended = 0;
    reason = verdict = NULL;
    loop = ev_loop_new(0);
    fastpath = fastpath_create(loop, &events, &messages);
    assert_non_null(fastpath);
    peer = dup(fastpath_peer_fd(fastpath));
    fastpath_start(fastpath);
    assert_int_equal(fastpath_peer_fd(fastpath), -1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fastpath_destroy(&fastpath);
    close(peer);
    ev_loop_destroy(loop);
    buf_free(&last);
    return 0;
}

static void run(void)
{
    for (unsigned i = 0; i < 8; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

static void add(const char *head, size_t bytes, uint8_t fill)
{
    struct slice slice = {(const uint8_t *)head, strlen(head)};

    memset(fastpath_add(fastpath, slice, bytes), fill, bytes);
}

static void send_frame(const char *text)
{
    uint8_t head[FRAME_HEAD_BYTES];

    frame_put_head(head, strlen(text));
    assert_int_equal(send(peer, head, sizeof head, 0), sizeof head);
    assert_int_equal(send(peer, text, strlen(text), 0), strlen(text));
}

static void messages_of_a_turn_leave_together(void **state)
{
    static const char expected[] = "\x01\0\0\0\0\0\0\0\x04"
                                   "jobx"
                                   "\x01\0\0\0\0\0\0\0\x01"
                                   "c";
    char got[64];

    (void)state;
    add("job", 1, 'x');
    add("c", 0, 0);
    assert_int_equal(recv(peer, got, sizeof got, MSG_DONTWAIT), -1);
    fastpath_flush(fastpath);
    assert_int_equal(recv(peer, got, sizeof got, MSG_DONTWAIT), sizeof expected - 1);
    assert_memory_equal(got, expected, sizeof expected - 1);
    fastpath_flush(fastpath); /* nothing is left */
    assert_int_equal(recv(peer, got, sizeof got, MSG_DONTWAIT), -1);
}

/* What the socket does not take is kept, told of, and sent in the end as it was. */
static void a_peer_that_does_not_read_for_a_while(void **state)
{
    enum { BYTES = 50000, ROUNDS = 100 };
    static uint8_t chunk[65536];
    struct frame_reader reader;
    struct slice message;
    unsigned sent = 0, got = 0;
    size_t room;
    ssize_t len;

    (void)state;
    while (!fastpath_is_full(fastpath)) {
        assert_true(sent < ROUNDS);
        add("x", BYTES, (uint8_t)++sent);
        fastpath_flush(fastpath);
    }
    run();
    assert_true(fastpath_stuck_since_ns(fastpath) != 0);
    frame_reader_init(&reader, 2 * BYTES);
    while (got < sent) {
        len = recv(peer, chunk, sizeof chunk, MSG_DONTWAIT);
        for (ssize_t at = 0; at < len;) {
            uint8_t *pages = frame_reader_space(&reader, &room);

            room = (size_t)(len - at) < room ? (size_t)(len - at) : room;
            memcpy(pages, chunk + at, room);
            frame_reader_add(&reader, room);
            at += (ssize_t)room;
            while (frame_reader_next(&reader, &message) == FRAME_MESSAGE) {
                assert_int_equal(message.len, BYTES + 1);
                assert_int_equal(message.data[BYTES], (uint8_t)++got);
            }
        }
        run();
    }
    frame_reader_free(&reader);
    assert_int_equal(fastpath_stuck_since_ns(fastpath), 0);
    assert_false(fastpath_is_full(fastpath));
    assert_int_equal(ended, 0);
}

static void messages_are_passed_on(void **state)
{
    (void)state;
    send_frame("one");
    send_frame("two");
    run();
    assert_int_equal(messages, 2);
    assert_int_equal(received, 1);
    assert_int_equal(last.len, 3);
    assert_memory_equal(last.data, "two", 3);
}

static void a_bad_message_ends_it(void **state)
{
    (void)state;
    verdict = "wrong";
    send_frame("one");
    send_frame("two");
    run();
    assert_int_equal(messages, 1);
    assert_int_equal(ended, 1);
    assert_string_equal(reason, "wrong");
}

static void what_is_no_frame_ends_it(void **state)
{
    (void)state;
    assert_int_equal(send(peer, "GET /", 5, 0), 5);
    run();
    assert_int_equal(messages, 0);
    assert_int_equal(ended, 1);
    assert_non_null(reason);
}

/* All that was sent before the end is there before the end is told. */
static void draining(void **state)
{
    (void)state;
    send_frame("one");
    send_frame("two");
    close(peer);
    fastpath_drain(fastpath);
    assert_int_equal(messages, 2);
    assert_int_equal(ended, 1);
    assert_null(reason);
    peer = dup(0);
}

static void writing_to_one_that_is_gone(void **state)
{
    (void)state;
    close(peer);
    add("x", 10, 'x');
    fastpath_flush(fastpath);
    fastpath_flush(fastpath);
    assert_int_equal(ended, 0);
    run();
    assert_int_equal(ended, 1);
    peer = dup(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_of_a_turn_leave_together),
        TEST(a_peer_that_does_not_read_for_a_while),
        TEST(messages_are_passed_on),
        TEST(a_bad_message_ends_it),
        TEST(what_is_no_frame_ends_it),
        TEST(draining),
        TEST(writing_to_one_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
