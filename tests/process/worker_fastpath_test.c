/* A worker on the socket beside its seat: jobs there are answered there, what a front
   must not send costs the connection, and a front that does not read keeps no other
   waiting. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

/* The front's door, and its end of a fast path. */
struct door {
    int listen_fd;
    char name[32]; /* "@..." */
    int fast;
    struct frame_reader reader;
};

static void door_open(struct door *door)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = sizeof address;

    *door = (struct door){.fast = -1};
    frame_reader_init(&door->reader, WIRE_MAX_FAST_BYTES);
    door->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        bind(door->listen_fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    assert_int_equal(listen(door->listen_fd, 4), 0);
    assert_int_equal(getsockname(door->listen_fd, (struct sockaddr *)&address, &len), 0);
    memcpy(door->name, address.sun_path, len - offsetof(struct sockaddr_un, sun_path));
    door->name[0] = '@';
}

static void door_close(struct door *door)
{
    close(door->listen_fd);
    if (door->fast >= 0)
        close(door->fast);
    frame_reader_free(&door->reader);
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

/* Plays the door for the worker that has been told of it. */
static void hand_out(struct door *door)
{
    int ends[2], guest = accept(door->listen_fd, NULL, NULL);
    uint8_t token[TOKEN_BYTES], word;

    assert_int_equal(recv(guest, token, sizeof token, MSG_WAITALL), sizeof token);
    assert_int_equal(token[0], 7);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    send_file(guest, ends[1]);
    close(ends[1]);
    assert_int_equal(recv(guest, &word, 1, 0), 1);
    assert_int_equal(word, WIRE_TOOK_FASTPATH);
    close(guest);
    if (door->fast >= 0)
        close(door->fast);
    door->fast = ends[0];
    frame_reader_free(&door->reader);
}

static void offer(struct worker_fixture *fixture, struct door *door, unsigned seat,
                  uint64_t incarnation)
{
    const struct wire_seat_welcome welcome = {
        .incarnation = incarnation,
        .has_arena = true,
        .arena_path = {(const uint8_t *)door->name, strlen(door->name)},
        .arena_token = {{7}},
        .has_fastpath = true};
    struct buf out = BUF_INIT;

    wire_put_seat_welcome(&out, &welcome);
    fake_front_send(fixture->server, seat, buf_slice(&out));
    buf_free(&out);
    hand_out(door);
}

/* A worker with a seat and a fast path. */
static void seat_fast(struct worker_fixture *fixture, struct door *door,
                      const char *max_jobs)
{
    worker_fixture_seat(fixture, max_jobs);
    door_open(door);
    offer(fixture, door, 0, 1001);
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

static void send_job(struct door *door, uint64_t id, const char *text)
{
    struct buf out = BUF_INIT;

    put_job(&out, id, text);
    send_all(door->fast, out.data, out.len);
    buf_free(&out);
}

/* The next message on the fast path, which must be RESULTS. */
static const struct wire_results *receive_results(struct door *door)
{
    static struct wire_message decoded;
    struct slice message;

    while (frame_reader_next(&door->reader, &message) == FRAME_MORE) {
        struct pollfd readable = {door->fast, POLLIN, 0};
        size_t room;
        uint8_t *space = frame_reader_space(&door->reader, &room);
        ssize_t got;

        assert_int_equal(poll(&readable, 1, FAKE_FRONT_PATIENCE_MS), 1);
        got = recv(door->fast, space, room, 0);
        assert_true(got > 0);
        frame_reader_add(&door->reader, (size_t)got);
    }
    assert_int_equal(wire_decode(message, &decoded, NULL), WIRE_OK);
    assert_int_equal(decoded.type, WIRE_RESULTS);
    return &decoded.results;
}

static void check_job(struct door *door, uint64_t id)
{
    const struct wire_results *results;

    send_job(door, id, "[true]");
    results = receive_results(door);
    assert_int_equal(results->count, 1);
    assert_int_equal(results->results[0].id, id);
    assert_int_equal(results->results[0].payload.bytes.len, 2);
    assert_memory_equal(results->results[0].payload.bytes.data, "\x91\xc3", 2);
}

static void test_results_return_by_the_way_of_their_jobs(void **state)
{
    struct worker_fixture *fixture = *state;
    struct door door;

    seat_fast(fixture, &door, "0");
    for (unsigned i = 1; i <= 20; i++) {
        check_job(&door, i);
        worker_fixture_check_job(fixture, 0);
    }
    door_close(&door);
}

/* Several frames at once, and one in two pieces. */
static void test_frames_may_be_cut_anywhere(void **state)
{
    struct worker_fixture *fixture = *state;
    struct door door;
    struct buf out = BUF_INIT;

    seat_fast(fixture, &door, "0");
    for (unsigned i = 1; i <= 10; i++)
        put_job(&out, i, "[1,2,3]");
    send_all(door.fast, out.data, out.len - 10);
    for (unsigned i = 1; i < 10; i++)
        assert_int_equal(receive_results(&door)->results[0].id, i);
    send_all(door.fast, out.data + out.len - 10, 10);
    assert_int_equal(receive_results(&door)->results[0].id, 10);
    buf_free(&out);
    door_close(&door);
}

/* The worker hangs up on both, and comes again. */
static void check_dropped(struct worker_fixture *fixture, struct door *door,
                          const void *bytes, size_t len)
{
    struct pollfd readable = {door->fast, POLLIN, 0};

    send_all(door->fast, bytes, len);
    assert_int_equal(poll(&readable, 1, FAKE_FRONT_PATIENCE_MS), 1);
    assert_true(recv(door->fast, &(char){0}, 1, 0) <= 0);
    fake_front_expect_hello(fixture->server, 0);
    offer(fixture, door, 0, 1001);
    check_job(door, 1);
}

static void check_dropped_message(struct worker_fixture *fixture, struct door *door,
                                  const struct buf *message)
{
    struct buf out = BUF_INIT;

    put_frame(&out, buf_slice(message));
    check_dropped(fixture, door, out.data, out.len);
    buf_free(&out);
}

static void test_bad_bytes_cost_the_connection(void **state)
{
    struct worker_fixture *fixture = *state;
    uint8_t head[FRAME_HEAD_BYTES];
    struct buf out = BUF_INIT;
    struct door door;

    seat_fast(fixture, &door, "0");
    check_dropped(fixture, &door, "GET / HTTP/1.1", 14);
    frame_put_head(head, 0);
    check_dropped(fixture, &door, head, sizeof head);
    frame_put_head(head, WIRE_MAX_FAST_BYTES + 1);
    check_dropped(fixture, &door, head, sizeof head);
    buf_append_str(&out, "nonsense");
    check_dropped_message(fixture, &door, &out);
    out.len = 0;
    wire_put_ping(&out, 1); /* it belongs on the seat */
    check_dropped_message(fixture, &door, &out);
    buf_free(&out);
    door_close(&door);
}

static void test_half_a_frame_and_an_end(void **state)
{
    struct worker_fixture *fixture = *state;
    struct door door;

    seat_fast(fixture, &door, "0");
    send_all(door.fast, "\x01\x00\x00\x00", 4);
    shutdown(door.fast, SHUT_RDWR);
    fake_front_expect_hello(fixture->server, 0);
    offer(fixture, &door, 0, 1001);
    check_job(&door, 1);
    door_close(&door);
}

/* It sends jobs without end and takes no result: it is left, and others are served
   meanwhile. */
static void test_a_front_that_does_not_read(void **state)
{
    struct worker_fixture *fixture = *state;
    struct door good, bad;
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
    door_open(&good);
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
    door_close(&good);
    door_close(&bad);
}

/* A CANCEL finds jobs that wait behind another message. */
static void test_waiting_jobs_can_be_cancelled(void **state)
{
    struct worker_fixture *fixture = *state;
    struct door door;
    struct buf out = BUF_INIT, cancel = BUF_INIT;
    const struct wire_results *results;

    seat_fast(fixture, &door, "0");
    put_job(&out, 1, "[1]");
    put_job(&out, 2, "[2]");
    wire_put_cancel(&cancel, (const uint64_t[]){2}, 1);
    put_frame(&out, buf_slice(&cancel));
    send_all(door.fast, out.data, out.len);
    results = receive_results(&door);
    assert_int_equal(results->results[0].verdict, WIRE_DONE);
    results = receive_results(&door);
    assert_int_equal(results->results[0].id, 2);
    assert_int_equal(results->results[0].verdict, WIRE_CANCELLED);
    buf_free(&out);
    buf_free(&cancel);
    door_close(&door);
}

/* What it has taken it answers before it leaves. */
static void test_leaving_in_order(void **state)
{
    struct worker_fixture *fixture = *state;
    struct door door;

    seat_fast(fixture, &door, "3");
    for (unsigned i = 1; i <= 3; i++)
        check_job(&door, i);
    assert_int_equal(fake_front_expect(fixture->server, 0, WIRE_BYE)->bye,
                     WIRE_BYE_RETIRE);
    check_job(&door, 4);
    fake_front_hang_up(fixture->server, 0);
    assert_int_equal(worker_fixture_wait(fixture), 0);
    door_close(&door);
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
