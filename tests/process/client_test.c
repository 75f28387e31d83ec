/*
 * liboffloop against the real daemon, and against one that this test plays: what it sends
 * anew, what it runs itself, and what it makes of nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <offloop.h>
#include <offloop_libev.h>
#include <offloop_poll.h>

#include "common/base/buf.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "tests/process/support/daemon.h"

#define PATIENCE_MS 30000

static char worker[512], dir[] = "/tmp/offloop-client-XXXXXX";
static char path[64], listen_flag[80];
static const struct offloop_options never_here = {.name = "client_test", .no_inline = 1};

static int set_up(void **state)
{
    const char *build = getenv("OFFLOOP_BUILD");

    (void)state;
    if (build == NULL || mkdtemp(dir) == NULL)
        return -1;
    snprintf(worker, sizeof worker, "%s/offloop-worker", build);
    snprintf(path, sizeof path, "%s/jobs.sock", dir);
    snprintf(listen_flag, sizeof listen_flag, "--listen=unix:%s", path);
    setenv("RUNTIME_DIRECTORY", dir, 1);
    daemon_adopt_orphans();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

/* ---- jobs and what they give ---- */

struct outcome {
    unsigned calls;
    enum offloop_outcome outcome;
    unsigned status;
    uint64_t offset;
    int ran_here;
    char message[64];
    struct buf data;
};

static void done(void *user, const struct offloop_result *result)
{
    struct outcome *outcome = user;

    outcome->calls++;
    outcome->outcome = result->outcome;
    outcome->status = result->status;
    outcome->offset = result->offset;
    outcome->ran_here = result->ran_here;
    assert_non_null(result->message);
    snprintf(outcome->message, sizeof outcome->message, "%s", result->message);
    outcome->data.len = 0;
    if (result->len > 0)
        buf_append(&outcome->data, result->data, result->len);
}

static uint64_t submit(struct offloop *offloop, enum offloop_op op, const char *text,
                       struct outcome *outcome)
{
    const struct offloop_request request = {.op = op, .data = text, .len = strlen(text)};

    return offloop_submit(offloop, &request, done, outcome);
}

static void check_text(struct outcome *outcome, const char *text)
{
    assert_int_equal(outcome->calls, 1);
    assert_int_equal(outcome->outcome, OFFLOOP_OK);
    assert_int_equal(outcome->data.len, strlen(text));
    assert_memory_equal(outcome->data.data, text, strlen(text));
    buf_free(&outcome->data);
    *outcome = (struct outcome){0};
}

/* One round of a loop. */
static void turn(struct offloop *offloop, int timeout_ms)
{
    struct pollfd fd;

    timeout_ms = offloop_poll_before(offloop, &fd, timeout_ms);
    if (poll(&fd, 1, timeout_ms) >= 0)
        offloop_poll_after(offloop, &fd);
}

static struct daemon *start_daemon(void)
{
    struct daemon *daemon =
        daemon_start((const char *const[]){worker, listen_flag, "--processes=2", NULL});

    daemon_expect(daemon, "applications on unix:");
    return daemon;
}

static void end_daemon(struct daemon *daemon)
{
    daemon_signal(daemon, SIGTERM);
    assert_int_equal(daemon_wait(daemon), 0);
    daemon_end(daemon);
}

/* ---- with the real daemon ---- */

static void each_kind_of_job(void **state)
{
    struct daemon *daemon = start_daemon();
    struct offloop *offloop = offloop_create(path, &never_here);
    struct outcome outcomes[6] = {{0}};
    const char document[] = "{\"a\":1,\"b\":[2,3]}", patch[] = "{\"b\":null}";
    const struct offloop_request project = {.op = OFFLOOP_ENCODE,
                                            .options = OFFLOOP_INPUT_JSON,
                                            .data = document,
                                            .len = sizeof document - 1,
                                            .fields = "b"};
    const struct offloop_request patched = {.op = OFFLOOP_PATCH,
                                            .options = OFFLOOP_INPUT_JSON,
                                            .data = document,
                                            .len = sizeof document - 1,
                                            .argument = patch,
                                            .argument_len = sizeof patch - 1};

    (void)state;
    assert_true(submit(offloop, OFFLOOP_COMPACT, "[1 , 2]", &outcomes[0]) > 0);
    submit(offloop, OFFLOOP_ENCODE, "\x81\xa1x\x05", &outcomes[1]);
    submit(offloop, OFFLOOP_DECODE, "[1,", &outcomes[2]);
    offloop_submit(offloop, &project, done, &outcomes[3]);
    offloop_submit(offloop, &patched, done, &outcomes[4]);
    submit(offloop, OFFLOOP_DECODE, "", &outcomes[5]);
    assert_int_equal(offloop_pending(offloop), 6);
    offloop_poll_all(offloop);
    check_text(&outcomes[0], "[1,2]");
    check_text(&outcomes[1], "{\"x\":5}");
    assert_int_equal(outcomes[2].outcome, OFFLOOP_REFUSED);
    assert_int_equal(outcomes[2].offset, 3);
    assert_string_equal(offloop_status_text(outcomes[2].status), "ends too early");
    check_text(&outcomes[3], "{\"b\":[2,3]}");
    check_text(&outcomes[4], "{\"a\":1}");
    assert_int_equal(outcomes[5].outcome, OFFLOOP_REFUSED);
    assert_false(outcomes[5].ran_here);
    assert_true(offloop_is_connected(offloop));
    offloop_destroy(offloop);
    end_daemon(daemon);
}

/* Says what is wrong with a program, wherever it is run. */
static void check_program_fault(struct offloop *offloop, const char *program,
                                const char *message)
{
    struct outcome outcome = {0};
    size_t packed_len;
    void *packed = offloop_pack_program(program, NULL, 0, &packed_len);
    const struct offloop_request request = {.op = OFFLOOP_ENCODE,
                                            .options = OFFLOOP_TRANSFORM,
                                            .data = "\x81\xa1x\x05",
                                            .len = 4,
                                            .argument = packed,
                                            .argument_len = packed_len};

    assert_true(offloop_submit(offloop, &request, done, &outcome) > 0);
    offloop_poll_all(offloop);
    assert_int_equal(outcome.outcome, OFFLOOP_REFUSED);
    assert_string_equal(outcome.message, message);
    offloop_free(packed);
}

static void a_program_that_fails_says_why(void **state)
{
    struct daemon *daemon = start_daemon();
    struct offloop *clients[] = {offloop_create(path, &never_here),
                                 offloop_create(path, NULL)};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        check_program_fault(clients[i], ".x | oops", "there is no function oops/0");
        check_program_fault(clients[i], ".x.y", "Cannot index number with string \"y\"");
        offloop_destroy(clients[i]);
    }
    end_daemon(daemon);
}

#define LARGE_BYTES ((size_t)3 << 20)

static void large_documents(void **state)
{
    struct daemon *daemon = start_daemon();
    const struct offloop_options options = {.no_inline = 1, .timeout_ms = 60000};
    struct offloop *offloop = offloop_create(path, &options);
    struct outcome outcomes[8] = {{0}};
    char *text = malloc(LARGE_BYTES + 1);

    (void)state;
    assert_non_null(text);
    memset(text, '1', LARGE_BYTES);
    for (size_t i = 1; i < LARGE_BYTES; i += 2)
        text[i] = ',';
    text[0] = '[';
    text[1] = '1';
    text[LARGE_BYTES - 1] = ']';
    text[LARGE_BYTES] = '\0';
    for (unsigned i = 0; i < 8; i++)
        submit(offloop, OFFLOOP_COMPACT, text, &outcomes[i]);
    offloop_poll_all(offloop);
    for (unsigned i = 0; i < 8; i++)
        check_text(&outcomes[i], text);
    free(text);
    offloop_destroy(offloop);
    end_daemon(daemon);
}

/* A document of its own for each job, so that an answer to another one shows. */
struct load {
    struct offloop *offloop;
    unsigned next, count, answered, pending;
};

struct load_job {
    struct load *load;
    char text[1024];
    size_t len;
};

static void on_load_done(void *user, const struct offloop_result *result);

static void submit_more(struct load *load)
{
    while (load->pending < 64 && load->next < load->count) {
        struct load_job *job = malloc(sizeof *job);
        struct offloop_request request = {.op = OFFLOOP_COMPACT};

        assert_non_null(job);
        job->load = load;
        job->len = (size_t)snprintf(job->text, sizeof job->text, "[%u,\"%0600u\"]",
                                    load->next, load->next);
        load->next++;
        load->pending++;
        request.data = job->text;
        request.len = job->len;
        assert_true(offloop_submit(load->offloop, &request, on_load_done, job) > 0);
    }
}

static void on_load_done(void *user, const struct offloop_result *result)
{
    struct load_job *job = user;
    struct load *load = job->load;

    assert_int_equal(result->outcome, OFFLOOP_OK);
    assert_int_equal(result->len, job->len);
    assert_memory_equal(result->data, job->text, job->len);
    free(job);
    load->answered++;
    load->pending--;
    submit_more(load);
}

static void kill_child(struct daemon *daemon, const char *role)
{
    pid_t pid = daemon_find_child(daemon, role);

    if (pid > 0)
        kill(pid, SIGKILL);
}

static uint64_t now_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void run_while_killing(const char *role, unsigned kills)
{
    struct daemon *daemon = start_daemon();
    struct load load = {.offloop = offloop_create(path, &never_here), .count = 10000};
    uint64_t next_ms = now_ms() + 100;

    submit_more(&load);
    while (load.pending > 0) {
        turn(load.offloop, 10);
        if (kills > 0 && now_ms() >= next_ms) {
            kill_child(daemon, role);
            next_ms = now_ms() + 200;
            kills--;
        }
        if (kills > 0 && load.next == load.count)
            load.count += 64; /* until there has been enough killing */
    }
    assert_int_equal(load.answered, load.count);
    offloop_destroy(load.offloop);
    end_daemon(daemon);
}

static void workers_are_killed(void **state)
{
    (void)state;
    run_while_killing("worker: worker", 10);
}

static void the_broker_is_killed(void **state)
{
    (void)state;
    run_while_killing("worker: broker", 3);
}

static void the_daemon_goes_and_comes(void **state)
{
    struct offloop_options options = {.inline_bytes = 1};
    struct offloop *offloop = offloop_create(path, &options);
    struct outcome outcome = {0};
    struct daemon *daemon;

    (void)state;
    submit(offloop, OFFLOOP_COMPACT, "[1 , 2]", &outcome);
    offloop_poll_all(offloop);
    assert_true(outcome.ran_here); /* nobody is there */
    check_text(&outcome, "[1,2]");
    daemon = start_daemon();
    for (uint64_t end_ms = now_ms() + PATIENCE_MS;;) {
        submit(offloop, OFFLOOP_COMPACT, "[1 , 2]", &outcome);
        offloop_poll_all(offloop);
        if (!outcome.ran_here)
            break;
        check_text(&outcome, "[1,2]");
        assert_true(now_ms() < end_ms);
        usleep(1000);
    }
    check_text(&outcome, "[1,2]"); /* it was found */
    end_daemon(daemon);
    submit(offloop, OFFLOOP_COMPACT, "[1 , 2]", &outcome);
    offloop_poll_all(offloop);
    assert_true(outcome.ran_here);
    check_text(&outcome, "[1,2]");
    offloop_destroy(offloop);
}

static void on_libev_done(void *user, const struct offloop_result *result)
{
    done(user, result);
    ev_break(EV_DEFAULT, EVBREAK_ALL);
}

static void on_late(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
    fail_msg("nothing came for long");
}

static void a_loop_of_libev(void **state)
{
    struct daemon *daemon = start_daemon();
    struct offloop *offloop = offloop_create(path, &never_here);
    struct offloop_request request = {.op = OFFLOOP_COMPACT, .data = "[1 ]", .len = 4};
    struct offloop_libev adapter;
    struct outcome outcome = {0};
    ev_timer late;

    (void)state;
    ev_timer_init(&late, on_late, PATIENCE_MS / 1e3, 0.);
    ev_timer_start(EV_DEFAULT, &late);
    offloop_libev_start(&adapter, EV_DEFAULT, offloop);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(offloop_submit(offloop, &request, on_libev_done, &outcome) > 0);
        ev_run(EV_DEFAULT, 0);
        check_text(&outcome, "[1]");
        if (i % 5 == 4)
            kill_child(daemon, "worker: broker");
    }
    offloop_libev_stop(&adapter);
    ev_timer_stop(EV_DEFAULT, &late);
    offloop_destroy(offloop);
    end_daemon(daemon);
}

/* ---- with a daemon that this test plays ---- */

static struct fake {
    int listener, link;
    int arena; /* the descriptor that came last; -1 */
    struct frame_reader in;
    struct wire_message message;
} fake;

static void fake_listen(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(address.sun_path, path);
    unlink(path);
    fake.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(
        bind(fake.listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fake.listener, 5), 0);
    fake.link = fake.arena = -1;
}

static void fake_send(const void *bytes, size_t len)
{
    assert_int_equal(send(fake.link, bytes, len, MSG_NOSIGNAL), len);
}

static void fake_send_message(struct buf *message)
{
    uint8_t head[FRAME_HEAD_BYTES];

    frame_put_head(head, message->len);
    fake_send(head, sizeof head);
    fake_send(message->data, message->len);
    buf_free(message);
}

/* Takes the next connection, whose greeting and hello have been read, and says what it
   can. */
static void fake_accept_with(struct offloop *offloop, uint64_t capabilities)
{
    const struct wire_app_welcome welcome = {1, 1024, 1 << 27, capabilities, {NULL, 0}};
    struct buf message = BUF_INIT;
    uint8_t bytes[256];

    offloop_process(offloop, 0);
    fake.link = accept(fake.listener, NULL, NULL);
    assert_true(fake.link >= 0);
    assert_int_equal(recv(fake.link, bytes, WIRE_GREETING_BYTES, MSG_WAITALL),
                     WIRE_GREETING_BYTES);
    assert_memory_equal(bytes, WIRE_GREETING, WIRE_GREETING_BYTES);
    frame_reader_init(&fake.in, WIRE_MAX_MESSAGE_BYTES);
    fake_send(WIRE_GREETING, WIRE_GREETING_BYTES);
    wire_put_app_welcome(&message, &welcome);
    fake_send_message(&message);
}

static void fake_accept(struct offloop *offloop)
{
    fake_accept_with(offloop, 0);
}

/* recv() that keeps a descriptor which comes with the bytes. */
static ssize_t fake_receive(void *room, size_t bytes)
{
    union {
        struct cmsghdr head;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {room, bytes};
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t got = recvmsg(fake.link, &message, MSG_DONTWAIT);

    if (got > 0 && CMSG_FIRSTHDR(&message) != NULL) {
        if (fake.arena >= 0)
            close(fake.arena);
        memcpy(&fake.arena, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fake.arena);
    }
    return got;
}

/* Reads until a message of that type comes. */
static void fake_expect(struct offloop *offloop, enum wire_type type)
{
    struct slice bytes;

    for (;;) {
        enum frame_result result = frame_reader_next(&fake.in, &bytes);
        size_t room_bytes;
        uint8_t *room;
        ssize_t got;

        if (result == FRAME_MESSAGE) {
            assert_int_equal(wire_decode(bytes, &fake.message, NULL), WIRE_OK);
            if (fake.message.type == type)
                return;
            continue;
        }
        assert_int_equal(result, FRAME_MORE);
        turn(offloop, 0);
        room = frame_reader_space(&fake.in, &room_bytes);
        got = fake_receive(room, room_bytes);
        if (got > 0)
            frame_reader_add(&fake.in, (size_t)got);
        assert_true(got != 0);
    }
}

static void fake_answer(uint64_t id, enum wire_verdict verdict)
{
    const struct wire_result result = {.id = id, .verdict = verdict};
    struct buf message = BUF_INIT;

    wire_put_results(&message, &result, 1);
    fake_send_message(&message);
}

/* Answers by what lies in the arena. */
static void fake_answer_there(uint64_t id, uint64_t offset, uint64_t bytes)
{
    const struct wire_result result = {
        .id = id,
        .payload = {.bytes = {NULL, bytes}, .in_arena = true, .offset = offset}};
    struct buf message = BUF_INIT;

    wire_put_results(&message, &result, 1);
    fake_send_message(&message);
}

static void fake_hang_up(void)
{
    close(fake.link);
    frame_reader_free(&fake.in);
    fake.link = -1;
}

static void fake_end(void)
{
    if (fake.link >= 0)
        fake_hang_up();
    if (fake.arena >= 0)
        close(fake.arena);
    close(fake.listener);
    unlink(path);
}

static void each_verdict(void **state)
{
    static const enum offloop_outcome outcomes[WIRE_VERDICTS] = {
        OFFLOOP_OK,        OFFLOOP_TIMEOUT, OFFLOOP_LOST,  OFFLOOP_OVERLOADED,
        OFFLOOP_NO_WORKER, OFFLOOP_LOST,    OFFLOOP_POISON};
    struct offloop *offloop;
    struct outcome outcome = {0};

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept(offloop);
    for (int verdict = 0; verdict < WIRE_VERDICTS; verdict++) {
        submit(offloop, OFFLOOP_COMPACT, "[1]", &outcome);
        fake_expect(offloop, WIRE_JOBS);
        fake_answer(fake.message.jobs.jobs[0].id, (enum wire_verdict)verdict);
        offloop_poll_all(offloop);
        assert_int_equal(outcome.outcome, outcomes[verdict]);
    }
    assert_int_equal(outcome.calls, WIRE_VERDICTS);
    offloop_destroy(offloop);
    fake_end();
}

static void a_lost_job_is_sent_once_more(void **state)
{
    struct offloop *offloop;
    struct outcome outcome = {0};
    uint64_t id;

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept(offloop);
    submit(offloop, OFFLOOP_COMPACT, "[1]", &outcome);
    fake_expect(offloop, WIRE_JOBS);
    id = fake.message.jobs.jobs[0].id;
    assert_true(offloop_is_connected(offloop));
    fake_hang_up();
    turn(offloop, PATIENCE_MS);
    assert_int_equal(outcome.calls, 0);
    fake_accept(offloop);
    fake_expect(offloop, WIRE_JOBS);
    assert_int_equal(fake.message.jobs.jobs[0].id, id);
    assert_true(offloop_is_connected(offloop));
    fake_hang_up();
    offloop_poll_all(offloop);
    assert_int_equal(outcome.calls, 1);
    assert_int_equal(outcome.outcome, OFFLOOP_LOST);
    offloop_destroy(offloop);
    fake_end();
}

static void goodbye_is_waited_for(void **state)
{
    struct offloop *offloop;
    struct outcome outcomes[2] = {{0}};
    struct buf bye = BUF_INIT;
    uint64_t id;

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept(offloop);
    submit(offloop, OFFLOOP_COMPACT, "[1]", &outcomes[0]);
    fake_expect(offloop, WIRE_JOBS);
    id = fake.message.jobs.jobs[0].id;
    wire_put_bye(&bye, WIRE_BYE_DRAIN);
    fake_send_message(&bye);
    turn(offloop, PATIENCE_MS);
    submit(offloop, OFFLOOP_COMPACT, "[2]", &outcomes[1]); /* for the next connection */
    turn(offloop, 0);
    fake_answer(id, WIRE_OVERLOADED);
    turn(offloop, PATIENCE_MS);
    assert_int_equal(outcomes[0].calls, 1);
    fake_hang_up();
    turn(offloop, PATIENCE_MS);
    fake_accept(offloop);
    fake_expect(offloop, WIRE_JOBS);
    assert_int_equal(fake.message.jobs.count, 1);
    assert_memory_equal(fake.message.jobs.jobs[0].payload.bytes.data, "[2]", 3);
    offloop_destroy(offloop);
    fake_end();
}

/* Nothing that a daemon says may harm the program: the connection ends, and jobs run
 * here. */
static void nonsense_ends_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } nonsense[] = {
        {"\x02", 1},
        {"\x01\xff\xff\xff\xff\xff\xff\xff\xff", 9},
        {"\x01\0\0\0\0\0\0\0\x04what", 13},
        {"\x01\0\0\0\0\0\0\0\x06\x4f\x01\x12\x90\x00\x00", 15},
        /* a result in an arena */
        {"\x01\0\0\0\0\0\0\0\x0d\x4f\x01\x20\x91\x98\x01\x00\x00\x00\x00\x00\x01\x00",
         22},
        /* refused */
        {"\x01\0\0\0\0\0\0\0\x06\x4f\x01\x03\x92\x03\xa0", 15},
    };
    struct offloop_options options = {.inline_bytes = 1};

    (void)state;
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        struct offloop *offloop;
        struct outcome outcome = {0};

        fake_listen();
        offloop = offloop_create(path, &options);
        fake_accept(offloop);
        submit(offloop, OFFLOOP_COMPACT, "[1 ]", &outcome);
        fake_expect(offloop, WIRE_JOBS);
        close(fake.listener); /* it does not come back */
        fake_send(nonsense[i].bytes, nonsense[i].len);
        offloop_poll_all(offloop);
        assert_true(outcome.ran_here);
        check_text(&outcome, "[1]");
        offloop_destroy(offloop);
        fake_hang_up();
        unlink(path);
    }
}

/* Bytes of a job that is taken back may be freed at once, though half are sent. */
static void a_job_is_taken_back_half_sent(void **state)
{
    struct offloop *offloop;
    struct outcome outcome = {0};
    char *text = malloc(LARGE_BYTES);
    struct offloop_request request = {
        .op = OFFLOOP_COMPACT, .data = text, .len = LARGE_BYTES};
    uint64_t number;

    (void)state;
    assert_non_null(text);
    memset(text, 'x', LARGE_BYTES);
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept(offloop);
    number = offloop_submit(offloop, &request, done, &outcome);
    offloop_process(offloop, 0);
    assert_true(offloop_wants(offloop) & OFFLOOP_WRITE);
    offloop_cancel(offloop, number);
    memset(text, 'y', LARGE_BYTES);
    free(text);
    assert_int_equal(offloop_pending(offloop), 0);
    fake_expect(offloop, WIRE_JOBS);
    assert_int_equal(fake.message.jobs.jobs[0].payload.bytes.len, LARGE_BYTES);
    for (size_t i = 0; i < LARGE_BYTES; i += 4096)
        assert_int_equal(fake.message.jobs.jobs[0].payload.bytes.data[i], 'x');
    fake_expect(offloop, WIRE_CANCEL);
    assert_int_equal(fake.message.cancel.ids[0], number);
    fake_answer(number, WIRE_CANCELLED);
    turn(offloop, 0);
    offloop_cancel(offloop, number);
    assert_int_equal(outcome.calls, 0);
    offloop_destroy(offloop);
    fake_end();
}

#define SHARED_BYTES ((size_t)200 << 10)

/* The one job of a JOBS message that lies in the arena, filled so. */
static struct wire_job fake_expect_there(struct offloop *offloop, char filled)
{
    static char text[SHARED_BYTES];
    struct wire_job job;

    fake_expect(offloop, WIRE_JOBS);
    job = fake.message.jobs.jobs[0];
    assert_int_equal(fake.message.jobs.count, 1);
    assert_true(job.payload.in_arena && !job.has_reply_space);
    assert_int_equal(job.payload.bytes.len, SHARED_BYTES);
    assert_int_equal(pread(fake.arena, text, sizeof text, (off_t)job.payload.offset),
                     sizeof text);
    for (size_t i = 0; i < sizeof text; i++)
        assert_int_equal(text[i], filled);
    return job;
}

static uint64_t submit_shared(struct offloop *offloop, char filled,
                              struct outcome *outcome)
{
    static char text[SHARED_BYTES];
    const struct offloop_request request = {
        .op = OFFLOOP_COMPACT, .data = text, .len = sizeof text};

    memset(text, filled, sizeof text);
    return offloop_submit(offloop, &request, done, outcome);
}

/* A large payload is copied to where the daemon finds it. */
static void large_ones_lie_in_the_arena(void **state)
{
    struct offloop *offloop;
    struct outcome outcome = {0}, small = {0};
    struct wire_job job;

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept_with(offloop, WIRE_APP_TAKES_ARENA);
    submit(offloop, OFFLOOP_COMPACT, "[1]", &small);
    fake_expect(offloop, WIRE_JOBS);
    assert_false(fake.message.jobs.jobs[0].payload.in_arena);
    fake_answer(fake.message.jobs.jobs[0].id, WIRE_DONE);
    offloop_poll_all(offloop);
    submit_shared(offloop, 'a', &outcome);
    fake_expect(offloop, WIRE_APP_ARENA);
    assert_int_equal(fake.message.app_arena_bytes, WIRE_MAX_APP_ARENA_BYTES);
    for (char filled = 'a'; filled <= 'c'; filled++) {
        job = fake_expect_there(offloop, filled);
        assert_int_equal(job.payload.offset, 0); /* the same memory as before */
        fake_answer(job.id, WIRE_DONE);
        offloop_poll_all(offloop);
        assert_int_equal(outcome.outcome, OFFLOOP_OK);
        submit_shared(offloop, (char)(filled + 1), &outcome);
    }
    assert_int_equal(outcome.calls, 3);
    buf_free(&outcome.data);
    offloop_destroy(offloop);
    fake_end();
}

/* The daemon may still read there. */
static void what_is_taken_back_stays_in_the_arena(void **state)
{
    struct offloop *offloop;
    struct outcome outcome = {0};
    struct wire_job first, second;

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept_with(offloop, WIRE_APP_TAKES_ARENA);
    turn(offloop, PATIENCE_MS);
    offloop_cancel(offloop, submit_shared(offloop, 'a', &outcome)); /* nothing was sent */
    submit_shared(offloop, 'a', &outcome);
    first = fake_expect_there(offloop, 'a');
    offloop_cancel(offloop, first.id);
    submit_shared(offloop, 'b', &outcome);
    second = fake_expect_there(offloop, 'b');
    assert_true(second.payload.offset >= first.payload.offset + SHARED_BYTES);
    fake_answer(first.id, WIRE_CANCELLED);
    fake_answer(second.id, WIRE_DONE);
    offloop_poll_all(offloop);
    assert_int_equal(outcome.calls, 1);
    submit_shared(offloop, 'c', &outcome);
    assert_int_equal(fake_expect_there(offloop, 'c').payload.offset, 0);
    buf_free(&outcome.data);
    offloop_destroy(offloop);
    fake_end();
}

/* A result that is not in the message ends the connection, and the job is sent once
   more. */
static void a_result_elsewhere(void **state)
{
    struct offloop *offloop;
    struct outcome outcome = {0};
    struct wire_job job;

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept_with(offloop, WIRE_APP_TAKES_ARENA);
    turn(offloop, PATIENCE_MS);
    submit_shared(offloop, 'a', &outcome);
    job = fake_expect_there(offloop, 'a');
    fake_answer_there(job.id, job.payload.offset, 1);
    while (offloop_is_connected(offloop))
        turn(offloop, PATIENCE_MS);
    fake_hang_up();
    assert_int_equal(outcome.calls, 0);
    fake_accept(offloop);
    fake_expect(offloop, WIRE_JOBS);
    assert_false(fake.message.jobs.jobs[0].payload.in_arena);
    assert_int_equal(fake.message.jobs.jobs[0].payload.bytes.data[0], 'a');
    fake_answer(job.id, WIRE_DONE);
    offloop_poll_all(offloop);
    assert_int_equal(outcome.calls, 1);
    offloop_destroy(offloop);
    fake_end();
}

/* Where its descriptor does not pass, a large job goes through the socket. */
static void no_descriptor_passes(void **state)
{
    struct offloop *offloop;
    struct outcome outcome = {0};

    (void)state;
    fake_listen();
    offloop = offloop_create(path, &never_here);
    fake_accept_with(offloop, WIRE_APP_TAKES_ARENA);
    turn(offloop, PATIENCE_MS);
    submit_shared(offloop, 'a', &outcome);
    fake_expect(offloop, WIRE_APP_ARENA);
    fake_hang_up();
    turn(offloop, PATIENCE_MS);
    fake_accept_with(offloop, WIRE_APP_TAKES_ARENA);
    turn(offloop, PATIENCE_MS);
    for (unsigned i = 1; i <= 2; i++) {
        fake_expect(offloop, WIRE_JOBS);
        assert_false(fake.message.jobs.jobs[0].payload.in_arena);
        fake_answer(fake.message.jobs.jobs[0].id, WIRE_DONE);
        offloop_poll_all(offloop);
        assert_int_equal(outcome.calls, i);
        submit_shared(offloop, 'b', &outcome);
    }
    assert_int_equal(outcome.outcome, OFFLOOP_OK);
    offloop_destroy(offloop);
    fake_end();
}

static void nobody_answers(void **state)
{
    struct offloop_options options = never_here;
    struct offloop *offloop;
    struct outcome outcome = {0};

    (void)state;
    options.timeout_ms = 50;
    offloop = offloop_create(path, &options); /* nobody is there */
    submit(offloop, OFFLOOP_COMPACT, "[1]", &outcome);
    offloop_poll_all(offloop);
    assert_int_equal(outcome.outcome, OFFLOOP_NO_WORKER);
    offloop_destroy(offloop);
    fake_listen();
    offloop = offloop_create(path, &options); /* one that says nothing more */
    fake_accept(offloop);
    turn(offloop, PATIENCE_MS);
    submit(offloop, OFFLOOP_COMPACT, "[1]", &outcome);
    offloop_poll_all(offloop);
    assert_int_equal(outcome.outcome, OFFLOOP_TIMEOUT);
    assert_int_equal(outcome.calls, 2);
    offloop_destroy(offloop);
    fake_end();
}

/* ---- without a daemon ---- */

static void what_cannot_be_is_refused(void **state)
{
    struct offloop_options options = {.engine = "none"};
    struct offloop_request request = {.op = OFFLOOP_COMPACT, .flags = 2};
    struct outcome outcome = {0};
    struct offloop *offloop;
    char long_path[200];

    (void)state;
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    assert_null(offloop_create(long_path, NULL));
    assert_int_equal(errno, EINVAL);
    assert_null(offloop_create(path, &options));
    offloop = offloop_create(path, &never_here);
    assert_int_equal(offloop_submit(offloop, &request, done, &outcome), 0);
    assert_int_equal(errno, EINVAL);
    for (unsigned i = 0; i < 1024; i++)
        assert_true(submit(offloop, OFFLOOP_COMPACT, "[1]", &outcome) > 0);
    assert_int_equal(submit(offloop, OFFLOOP_COMPACT, "[1]", &outcome), 0);
    assert_int_equal(errno, EAGAIN);
    offloop_destroy(offloop);
    assert_int_equal(outcome.calls, 0);
}

static void end_all(void *user, const struct offloop_result *result)
{
    struct offloop **offloop = user;

    (void)result;
    offloop_destroy(*offloop);
    *offloop = NULL;
}

static void a_callback_may_end_it_all(void **state)
{
    struct offloop *offloop = offloop_create(path, NULL);
    struct offloop_request request = {.op = OFFLOOP_COMPACT, .data = "1", .len = 1};

    (void)state;
    offloop_submit(offloop, &request, end_all, &offloop);
    offloop_submit(offloop, &request, end_all, &offloop);
    offloop_process(offloop, 0);
    assert_null(offloop);
}

static void one_job_at_once(void **state)
{
    static const uint8_t options[] = {0x94, 0x01, 0x00, 0x00, 0xc4, 0x00}; /* gzip */
    unsigned char *result;
    size_t result_len;
    unsigned status;
    uint64_t fault;
    char text[5000];

    (void)state;
    assert_int_equal(offloop_run(OFFLOOP_COMPACT, 0, 0, NULL, 0, "[1 ]", 4, &result,
                                 &result_len, &status, &fault),
                     0);
    assert_int_equal(status, 0);
    assert_int_equal(result_len, 3);
    assert_memory_equal(result, "[1]", 3);
    offloop_free(result);
    assert_int_equal(offloop_run(OFFLOOP_DECODE, 0, 0, NULL, 0, "[1,", 3, &result,
                                 &result_len, &status, &fault),
                     0);
    assert_int_equal(status, 2);
    assert_int_equal(fault, 3);
    offloop_free(result);
    memset(text, ' ', sizeof text);
    text[0] = '"';
    text[sizeof text - 1] = '"';
    assert_int_equal(offloop_run(OFFLOOP_COMPACT, 0, 0, options, sizeof options, text,
                                 sizeof text, &result, &result_len, &status, &fault),
                     0);
    assert_int_equal(status, 0);
    assert_true(result_len < 200 && result[0] == 0x1f);
    offloop_free(result);
    assert_int_equal(offloop_run(OFFLOOP_COMPACT, 8, 0, NULL, 0, "1", 1, &result,
                                 &result_len, &status, &fault),
                     -1);
    assert_int_equal(errno, EINVAL);
}

static void a_program_is_packed(void **state)
{
    size_t len;
    uint8_t *packed = offloop_pack_program(".a", NULL, 0, &len);

    (void)state;
    assert_int_equal(len, 9);
    assert_memory_equal(packed, "\x92\xdb\0\0\0\x02.a\x80", 9);
    offloop_free(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_job),
        cmocka_unit_test(a_program_that_fails_says_why),
        cmocka_unit_test(large_documents),
        cmocka_unit_test(workers_are_killed),
        cmocka_unit_test(the_broker_is_killed),
        cmocka_unit_test(the_daemon_goes_and_comes),
        cmocka_unit_test(a_loop_of_libev),
        cmocka_unit_test(each_verdict),
        cmocka_unit_test(a_lost_job_is_sent_once_more),
        cmocka_unit_test(goodbye_is_waited_for),
        cmocka_unit_test(nonsense_ends_the_connection),
        cmocka_unit_test(a_job_is_taken_back_half_sent),
        cmocka_unit_test(large_ones_lie_in_the_arena),
        cmocka_unit_test(what_is_taken_back_stays_in_the_arena),
        cmocka_unit_test(a_result_elsewhere),
        cmocka_unit_test(no_descriptor_passes),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(a_callback_may_end_it_all),
        cmocka_unit_test(one_job_at_once),
        cmocka_unit_test(a_program_is_packed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
