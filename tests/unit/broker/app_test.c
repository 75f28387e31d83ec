/* One connection of an application: how long it is waited for, and how much is read. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/loop/memory_budget.h"
#include "server/jobs/jobs.h"
#include "worker/broker/app.h"

#define UNKNOWN_OP 200 /* answered at once: no worker is needed */

struct rig {
    struct app_world world;
    struct app *app; /* NULL once it may be gone */
    int peer;
    struct frame_reader in;
    struct wire_message message;
};

static void no_wake(void *context)
{
    (void)context;
}

static void rig_open(struct rig *rig)
{
    const struct jobs_config config = {.mode = JOBS_RPC};
    int ends[2];

    memset(rig, 0, sizeof *rig);
    rig->world = (struct app_world){.loop = ev_loop_new(0), .engine = "yajl"};
    app_shared_init(&rig->world.shared, jobs_create(rig->world.loop, &config));
    rig->world.shared.wake = no_wake;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    rig->peer = ends[0];
    rig->app = app_create(&rig->world, ends[1]);
    frame_reader_init(&rig->in, WIRE_MAX_MESSAGE_BYTES);
}

static void rig_close(struct rig *rig)
{
    if (rig->app != NULL)
        app_destroy(rig->app);
    close(rig->peer);
    frame_reader_free(&rig->in);
    app_shared_end(&rig->world.shared);
    jobs_destroy(&rig->world.shared.jobs);
    ev_loop_destroy(rig->world.loop);
}

/* Lets the loop do all that it can. */
static void settle(struct rig *rig)
{
    struct list *dirty;

    for (unsigned i = 0; i < 50; i++) {
        ev_run(rig->world.loop, EVRUN_NOWAIT);
        app_jobs_pump(&rig->world.shared);
        while ((dirty = list_shift(&rig->world.shared.dirty)) != NULL)
            app_flush(container_of(dirty, struct app, jobs.dirty));
    }
}

static void say(struct rig *rig, const void *bytes, size_t len)
{
    assert_int_equal(send(rig->peer, bytes, len, MSG_NOSIGNAL), len);
    settle(rig);
}

static void say_message(struct rig *rig, struct buf *message)
{
    uint8_t head[FRAME_HEAD_BYTES];

    frame_put_head(head, message->len);
    assert_int_equal(send(rig->peer, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    say(rig, message->data, message->len);
    buf_free(message);
}

static void say_hello(struct rig *rig, uint64_t version)
{
    const struct wire_app_hello hello = {version, {(const uint8_t *)"unit", 4}, 0};
    struct buf message = BUF_INIT;

    say(rig, WIRE_GREETING, WIRE_GREETING_BYTES);
    wire_put_app_hello(&message, &hello);
    say_message(rig, &message);
}

/* A message of as many jobs as may be, from that id on. */
static struct buf jobs_message(unsigned op, uint64_t first, unsigned count)
{
    static struct wire_job jobs[WIRE_MAX_BATCH];
    struct buf message = BUF_INIT;

    for (unsigned i = 0; i < count; i++)
        jobs[i] =
            (struct wire_job){.id = first + i, .op = op, .payload = {.bytes = {NULL, 1}}};
    wire_put_jobs(&message, jobs, count);
    for (unsigned i = 0; i < count; i++)
        buf_append(&message, "1", 1);
    return message;
}

/* Reads on; false where there is no message for now or ever. */
static bool hear(struct rig *rig)
{
    struct slice bytes;
    size_t room_bytes;
    uint8_t *room;
    ssize_t got;

    for (;;) {
        if (frame_reader_next(&rig->in, &bytes) == FRAME_MESSAGE) {
            assert_int_equal(wire_decode(bytes, &rig->message, NULL), WIRE_OK);
            return true;
        }
        room = frame_reader_space(&rig->in, &room_bytes);
        got = recv(rig->peer, room, room_bytes, MSG_DONTWAIT);
        if (got <= 0)
            return false;
        frame_reader_add(&rig->in, (size_t)got);
    }
}

static void hear_welcome(struct rig *rig)
{
    uint8_t greeting[WIRE_GREETING_BYTES];

    settle(rig);
    assert_int_equal(recv(rig->peer, greeting, sizeof greeting, 0), sizeof greeting);
    assert_memory_equal(greeting, WIRE_GREETING, sizeof greeting);
    assert_true(hear(rig));
}

/* True where the other side has hung up: nothing comes any more. */
static bool has_ended(struct rig *rig)
{
    uint8_t bytes[65536];
    ssize_t got;

    while ((got = recv(rig->peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        ;
    return got == 0 || errno == ECONNRESET; /* what it had sent was not all read */
}

static void check_ended(struct rig *rig)
{
    assert_true(has_ended(rig));
    rig->app = NULL;
    rig_close(rig);
}

static void tick_later(struct rig *rig, uint64_t ms)
{
    app_tick(rig->app, clock_now_ns() + ms * NS_PER_MS);
    settle(rig);
}

static void test_who_says_nothing_is_left(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say(&rig, WIRE_GREETING, WIRE_GREETING_BYTES);
    tick_later(&rig, APP_HELLO_MS / 4);
    assert_false(has_ended(&rig));
    tick_later(&rig, APP_HELLO_MS + 1);
    check_ended(&rig);
}

static void test_a_welcome_and_idleness(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    hear_welcome(&rig);
    assert_int_equal(rig.message.type, WIRE_APP_WELCOME);
    assert_int_equal(rig.message.app_welcome.max_jobs, APP_MAX_JOBS);
    tick_later(&rig, 1000 * APP_STALL_MS); /* who is idle may be */
    assert_false(has_ended(&rig));
    rig_close(&rig);
}

static void test_another_version_is_refused(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 2);
    hear_welcome(&rig);
    assert_int_equal(rig.message.type, WIRE_REFUSED);
    assert_int_equal(rig.message.refused.reason, WIRE_REFUSED_VERSION);
    check_ended(&rig);
}

static void test_half_a_message_is_not_waited_for(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    say(&rig, "\x01\0\0\0", 4);
    tick_later(&rig, APP_STALL_MS / 4);
    assert_false(has_ended(&rig));
    tick_later(&rig, APP_STALL_MS + 1);
    check_ended(&rig);
}

/* Sends jobs until nothing more is taken: how many. */
static uint64_t flood(struct rig *rig)
{
    uint64_t sent = 0;
    bool is_full = false;

    while (!is_full) {
        struct buf message = jobs_message(UNKNOWN_OP, sent + 1, WIRE_MAX_BATCH);
        uint8_t head[FRAME_HEAD_BYTES];
        struct buf whole = BUF_INIT;

        frame_put_head(head, message.len);
        buf_append(&whole, head, sizeof head);
        buf_append(&whole, message.data, message.len);
        buf_free(&message);
        is_full =
            send(rig->peer, whole.data, whole.len, MSG_NOSIGNAL) != (ssize_t)whole.len;
        buf_free(&whole);
        sent += is_full ? 0 : WIRE_MAX_BATCH;
        settle(rig);
        assert_true(sent < 10000000);
    }
    return sent;
}

static void test_who_takes_no_answers_is_not_read(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    assert_true(flood(&rig) > 1000);
    assert_true(rig.app->out.bytes > 0);
    assert_true(rig.app->out.bytes < (size_t)8 << 20);
    assert_true(rig.app->jobs.member.is_held);
    tick_later(&rig, APP_STALL_MS / 4);
    assert_false(ev_is_active(&rig.app->on_read));
    tick_later(&rig, APP_STALL_MS + 1);
    check_ended(&rig);
}

static void test_who_takes_them_at_last_gets_all(void **state)
{
    struct rig rig;
    uint64_t sent, heard = 0;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    sent = flood(&rig);
    hear_welcome(&rig);
    while (heard < sent) {
        settle(&rig);
        assert_true(hear(&rig));
        do {
            assert_int_equal(rig.message.type, WIRE_RESULTS);
            for (unsigned i = 0; i < rig.message.results.count; i++)
                assert_int_equal(rig.message.results.results[i].id, ++heard);
        } while (heard < sent && hear(&rig));
    }
    assert_false(rig.app->jobs.member.is_held);
    rig_close(&rig);
}

static void test_without_workers_half_the_deadline_is_waited(void **state)
{
    struct buf message = jobs_message(CODEC_OP_COMPACT, 1, 64);
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    hear_welcome(&rig);
    for (unsigned i = 0; i < 20; i++) { /* more than server/jobs gets: those wait here */
        say_message(&rig, &message);
        message = jobs_message(CODEC_OP_COMPACT, 65 + 64 * i, 64);
    }
    buf_free(&message);
    assert_true(hear(&rig)); /* the last ones are too many */
    assert_int_equal(rig.message.results.results[0].verdict, WIRE_OVERLOADED);
    assert_int_equal(rig.app->jobs.unanswered, APP_MAX_JOBS);
    while (hear(&rig))
        ;
    tick_later(&rig, 1000);
    assert_false(hear(&rig));
    tick_later(&rig, 5001);
    assert_true(hear(&rig));
    assert_int_equal(rig.message.results.results[0].verdict, WIRE_NO_WORKER);
    rig_close(&rig);
}

/* Of a large message with many jobs the last one holds no more than its own bytes. */
static void test_a_job_keeps_no_others_bytes(void **state)
{
    enum { JOBS = 64, BYTES = 20000 };
    static struct wire_job jobs[JOBS];
    static const uint8_t payload[BYTES];
    struct buf message = BUF_INIT, whole = BUF_INIT;
    uint64_t before = memory_budget_used();
    uint8_t head[FRAME_HEAD_BYTES];
    struct rig rig;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    hear_welcome(&rig);
    for (unsigned i = 0; i < JOBS; i++)
        jobs[i] = (struct wire_job){
            .id = i + 1, .op = CODEC_OP_COMPACT, .payload = {.bytes = {NULL, BYTES}}};
    wire_put_jobs(&message, jobs, JOBS);
    for (unsigned i = 0; i < JOBS; i++)
        buf_append(&message, payload, sizeof payload);
    frame_put_head(head, message.len);
    buf_append(&whole, head, sizeof head);
    buf_append(&whole, message.data, message.len);
    for (size_t at = 0, len; at < whole.len; at += len) {
        len = whole.len - at < 32768 ? whole.len - at : 32768;
        say(&rig, whole.data + at, len);
    }
    assert_int_equal(rig.app->jobs.unanswered, JOBS);
    for (unsigned i = 1; i < JOBS; i++)
        app_jobs_cancel(&rig.app->jobs, i);
    settle(&rig);
    assert_int_equal(rig.app->jobs.unanswered, 1);
    assert_true(memory_budget_used() - before < 2 * BYTES);
    buf_free(&message);
    buf_free(&whole);
    rig_close(&rig);
}

static void test_goodbye(void **state)
{
    struct buf message = jobs_message(CODEC_OP_COMPACT, 1, 1), late;
    struct rig rig;
    uint64_t id = 1;

    (void)state;
    rig_open(&rig);
    say_hello(&rig, 1);
    hear_welcome(&rig);
    say_message(&rig, &message);
    app_drain(rig.app);
    settle(&rig);
    assert_true(hear(&rig));
    assert_int_equal(rig.message.type, WIRE_BYE);
    late = jobs_message(UNKNOWN_OP, 2, 1); /* not read any more */
    say_message(&rig, &late);
    assert_false(hear(&rig));
    app_jobs_cancel(&rig.app->jobs, id); /* as if it were answered */
    settle(&rig);
    assert_true(hear(&rig));
    assert_int_equal(rig.message.results.count, 1);
    assert_int_equal(rig.message.results.results[0].id, 1);
    rig.app = NULL;
    assert_false(hear(&rig));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_says_nothing_is_left),
        cmocka_unit_test(test_a_welcome_and_idleness),
        cmocka_unit_test(test_another_version_is_refused),
        cmocka_unit_test(test_half_a_message_is_not_waited_for),
        cmocka_unit_test(test_who_takes_no_answers_is_not_read),
        cmocka_unit_test(test_who_takes_them_at_last_gets_all),
        cmocka_unit_test(test_without_workers_half_the_deadline_is_waited),
        cmocka_unit_test(test_a_job_keeps_no_others_bytes),
        cmocka_unit_test(test_goodbye),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
