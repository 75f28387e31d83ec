/* A worker on the socket beside its seat: jobs there are answered there, what a front
   must not send costs the connection, and a front that does not read keeps no other
   waiting. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "proto/frame.h"
#include "tests/process/support/worker_fixture.h"

#define TOKEN_BYTES 16

/* The front's descriptor server, and the front's end of a fast path. */
struct descriptors {
    int listen_fd;
    char name[108]; /* a path */
    int fast;
    struct frame_reader reader;
};

/* The worker connects only in the directory of the gate's URL. */
static void descriptors_open(struct descriptors *descriptors, struct fake_front *server,
                             unsigned seat)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *descriptors = (struct descriptors){.fast = -1};
    frame_reader_init(&descriptors->reader, WIRE_MAX_FAST_BYTES);
    snprintf(descriptors->name, sizeof descriptors->name, "%s-arena",
             fake_front_seat_path(server, seat));
    assert_true(strlen(descriptors->name) < sizeof address.sun_path);
    strcpy(address.sun_path, descriptors->name);
    descriptors->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(descriptors->listen_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(descriptors->listen_fd, 4), 0);
}

static void descriptors_close(struct descriptors *descriptors)
{
    close(descriptors->listen_fd);
    unlink(descriptors->name);
    if (descriptors->fast >= 0)
        close(descriptors->fast);
    frame_reader_free(&descriptors->reader);
}

static void send_file(int to, int file)
{
    char byte = 1;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof file);
    memcpy(CMSG_DATA(head), &file, sizeof file);
    assert_int_equal(sendmsg(to, &message, MSG_NOSIGNAL), 1);
}

/* Plays the descriptor server for the worker that has been told of it. */
static void hand_out(struct descriptors *descriptors)
{
    struct pollfd readable = {descriptors->listen_fd, POLLIN, 0};
    uint8_t token[TOKEN_BYTES], word;
    int ends[2], guest;

    assert_int_equal(poll(&readable, 1, FAKE_FRONT_PATIENCE_MS), 1);
    guest = accept(descriptors->listen_fd, NULL, NULL);
    assert_int_equal(send(guest, WIRE_ARENA_GREETING, sizeof WIRE_ARENA_GREETING - 1, 0),
                     sizeof WIRE_ARENA_GREETING - 1);
    assert_int_equal(recv(guest, token, sizeof token, MSG_WAITALL), sizeof token);
    assert_int_equal(token[0], 7);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    send_file(guest, ends[1]);
    close(ends[1]);
    assert_int_equal(recv(guest, &word, 1, 0), 1);
    assert_int_equal(word, WIRE_TOOK_FASTPATH);
    close(guest);
    if (descriptors->fast >= 0)
        close(descriptors->fast);
    descriptors->fast = ends[0];
    frame_reader_free(&descriptors->reader);
}

static void offer(struct worker_fixture *fixture, struct descriptors *descriptors,
                  unsigned seat, uint64_t incarnation)
{
    const struct wire_seat_welcome welcome = {
        .incarnation = incarnation,
        .has_arena = true,
        .arena_path = {(const uint8_t *)descriptors->name, strlen(descriptors->name)},
        .arena_token = {{7}},
        .has_fastpath = true};
    struct buf out = BUF_INIT;

    wire_put_seat_welcome(&out, &welcome);
    fake_front_send(fixture->server, seat, buf_slice(&out));
    buf_free(&out);
    hand_out(descriptors);
}

/* A worker with a seat and a fast path. */
static void seat_fast(struct worker_fixture *fixture, struct descriptors *descriptors,
                      const char *max_jobs)
{
    worker_fixture_seat(fixture, max_jobs);
    descriptors_open(descriptors, fixture->server, 0);
    offer(fixture, descriptors, 0, 1001);
}

static void send_all(int to, const void *bytes, size_t len)
{
    assert_int_equal(send(to, bytes, len, MSG_NOSIGNAL), len);
}

static void put_frame(struct buf *out, struct slice message)
{
    frame_put_head(buf_reserve(out, FRAME_HEAD_BYTES), message.len);
    out->len += FRAME_HEAD_BYTES;
    buf_append(out, message.data, message.len);
}

static void put_job(struct buf *out, uint64_t id, const char *text)
{
    struct wire_job job = fake_front_job(id, CODEC_OP_DECODE, text);
    struct buf message = BUF_INIT;

    wire_put_jobs(&message, &job, 1);
    buf_append_str(&message, text);
    put_frame(out, buf_slice(&message));
    buf_free(&message);
}

static void send_job(struct descriptors *descriptors, uint64_t id, const char *text)
{
    struct buf out = BUF_INIT;

    put_job(&out, id, text);
    send_all(descriptors->fast, out.data, out.len);
    buf_free(&out);
}

/* The next message on the fast path, which must be RESULTS. */
static const struct wire_results *receive_results(struct descriptors *descriptors)
{
    static struct wire_message decoded;
    struct slice message;

    while (frame_reader_next(&descriptors->reader, &message) == FRAME_MORE) {
        struct pollfd readable = {descriptors->fast, POLLIN, 0};
        size_t room;
        uint8_t *space = frame_reader_space(&descriptors->reader, &room);
        ssize_t got;

        assert_int_equal(poll(&readable, 1, FAKE_FRONT_PATIENCE_MS), 1);
        got = recv(descriptors->fast, space, room, 0);
        assert_true(got > 0);
        frame_reader_add(&descriptors->reader, (size_t)got);
    }
    assert_int_equal(wire_decode(message, &decoded, NULL), WIRE_OK);
    assert_int_equal(decoded.type, WIRE_RESULTS);
    return &decoded.results;
}

static void check_job(struct descriptors *descriptors, uint64_t id)
{
    const struct wire_results *results;

    send_job(descriptors, id, "[true]");
    results = receive_results(descriptors);
    assert_int_equal(results->count, 1);
    assert_int_equal(results->results[0].id, id);
    assert_int_equal(results->results[0].payload.bytes.len, 2);
    assert_memory_equal(results->results[0].payload.bytes.data, "\x91\xc3", 2);
}

static void test_results_return_by_the_way_of_their_jobs(void **state)
{
    struct worker_fixture *fixture = *state;
    struct descriptors descriptors;

    seat_fast(fixture, &descriptors, "0");
    for (unsigned i = 1; i <= 20; i++) {
        check_job(&descriptors, i);
        worker_fixture_check_job(fixture, 0);
    }
    descriptors_close(&descriptors);
}

/* Several frames at once, and one in two pieces. */
static void test_frames_may_be_cut_anywhere(void **state)
{
    struct worker_fixture *fixture = *state;
    struct descriptors descriptors;
    struct buf out = BUF_INIT;

    seat_fast(fixture, &descriptors, "0");
    for (unsigned i = 1; i <= 10; i++)
        put_job(&out, i, "[1,2,3]");
    send_all(descriptors.fast, out.data, out.len - 10);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(receive_results(&descriptors)->results[0].id, i);
    send_all(descriptors.fast, out.data + out.len - 10, 10);
    assert_int_equal(receive_results(&descriptors)->results[0].id, 10);
    buf_free(&out);
    descriptors_close(&descriptors);
}

/* The worker hangs up on both, and comes again. */
static void check_dropped(struct worker_fixture *fixture, struct descriptors *descriptors,
                          const void *bytes, size_t len)
{
    struct pollfd readable = {descriptors->fast, POLLIN, 0};

    send_all(descriptors->fast, bytes, len);
    assert_int_equal(poll(&readable, 1, FAKE_FRONT_PATIENCE_MS), 1);
    assert_true(recv(descriptors->fast, &(char){0}, 1, 0) <= 0);
    fake_front_expect_hello(fixture->server, 0);
    offer(fixture, descriptors, 0, 1001);
    check_job(descriptors, 1);
}

static void check_dropped_message(struct worker_fixture *fixture,
                                  struct descriptors *descriptors,
                                  const struct buf *message)
{
    struct buf out = BUF_INIT;

    put_frame(&out, buf_slice(message));
    check_dropped(fixture, descriptors, out.data, out.len);
    buf_free(&out);
}

static void test_bad_bytes_cost_the_connection(void **state)
{
    struct worker_fixture *fixture = *state;
    uint8_t head[FRAME_HEAD_BYTES];
    struct buf out = BUF_INIT;
    struct descriptors descriptors;

    seat_fast(fixture, &descriptors, "0");
    check_dropped(fixture, &descriptors, "GET / HTTP/1.1", 14);
    frame_put_head(head, 0);
    check_dropped(fixture, &descriptors, head, sizeof head);
    frame_put_head(head, WIRE_MAX_FAST_BYTES + 1);
    check_dropped(fixture, &descriptors, head, sizeof head);
    buf_append_str(&out, "nonsense");
    check_dropped_message(fixture, &descriptors, &out);
    out.len = 0;
    wire_put_ping(&out, 1); /* it belongs on the seat */
    check_dropped_message(fixture, &descriptors, &out);
    buf_free(&out);
    descriptors_close(&descriptors);
}

static void test_half_a_frame_and_an_end(void **state)
{
    struct worker_fixture *fixture = *state;
    struct descriptors descriptors;

    seat_fast(fixture, &descriptors, "0");
    send_all(descriptors.fast, "\x01\x00\x00\x00", 4);
    shutdown(descriptors.fast, SHUT_RDWR);
    fake_front_expect_hello(fixture->server, 0);
    offer(fixture, &descriptors, 0, 1001);
    check_job(&descriptors, 1);
    descriptors_close(&descriptors);
}

/* It sends jobs without end and takes no result: it is left, and others are served
   meanwhile. */
static void test_a_front_that_does_not_read(void **state)
{
    struct worker_fixture *fixture = *state;
    struct descriptors good, bad;
    size_t bytes = 300000;
    char *text = mem_alloc(bytes + 1);
    struct buf out = BUF_INIT;
    ssize_t sent = 0;
    unsigned jobs = 0;

    memset(text, 'x', bytes);
    text[0] = text[bytes - 1] = '"';
    text[bytes] = '\0';
    seat_fast(fixture, &bad, "0");
    fake_front_open_seat(fixture->server, 1, 1002);
    fake_front_expect_hello(fixture->server, 1);
    descriptors_open(&good, fixture->server, 1);
    offer(fixture, &good, 1, 1002);
    while (sent >= 0) {
        assert_true(++jobs < 1000);
        out.len = 0;
        put_job(&out, jobs, text);
        for (size_t at = 0; at < out.len && sent >= 0; at += (size_t)sent)
            sent = send(bad.fast, out.data + at, out.len - at, MSG_NOSIGNAL);
        check_job(&good, jobs);
    }
    fake_front_expect_hello(fixture->server, 0); /* it may be back already */
    check_job(&good, 9999);
    buf_free(&out);
    mem_free(text);
    descriptors_close(&good);
    descriptors_close(&bad);
}

/* A CANCEL finds jobs that wait behind another message. */
static void test_waiting_jobs_can_be_cancelled(void **state)
{
    struct worker_fixture *fixture = *state;
    struct descriptors descriptors;
    struct buf out = BUF_INIT, cancel = BUF_INIT;
    const struct wire_results *results;

    seat_fast(fixture, &descriptors, "0");
    put_job(&out, 1, "[1]");
    put_job(&out, 2, "[2]");
    wire_put_cancel(&cancel, (const uint64_t[]){2}, 1);
    put_frame(&out, buf_slice(&cancel));
    send_all(descriptors.fast, out.data, out.len);
    results = receive_results(&descriptors);
    assert_int_equal(results->results[0].verdict, WIRE_DONE);
    results = receive_results(&descriptors);
    assert_int_equal(results->results[0].id, 2);
    assert_int_equal(results->results[0].verdict, WIRE_CANCELLED);
    buf_free(&out);
    buf_free(&cancel);
    descriptors_close(&descriptors);
}

/* What it has taken it answers before it leaves. */
static void test_leaving_in_order(void **state)
{
    struct worker_fixture *fixture = *state;
    struct descriptors descriptors;

    seat_fast(fixture, &descriptors, "3");
    for (unsigned i = 1; i <= 3; i++)
        check_job(&descriptors, i);
    assert_int_equal(fake_front_expect(fixture->server, 0, WIRE_BYE)->bye,
                     WIRE_BYE_RETIRE);
    check_job(&descriptors, 4);
    fake_front_hang_up(fixture->server, 0);
    assert_int_equal(worker_fixture_wait(fixture), 0);
    descriptors_close(&descriptors);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, worker_fixture_setup, worker_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_results_return_by_the_way_of_their_jobs),
        TEST(test_frames_may_be_cut_anywhere),
        TEST(test_bad_bytes_cost_the_connection),
        TEST(test_half_a_frame_and_an_end),
        TEST(test_a_front_that_does_not_read),
        TEST(test_waiting_jobs_can_be_cancelled),
        TEST(test_leaving_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
