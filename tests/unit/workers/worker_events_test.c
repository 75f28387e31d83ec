/* A worker's states under events in every order that nng may tell them in. */
#include <ev.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/credentials/credentials.h"
#include "common/base/log.h"
#include "server/workers/link/inbox.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "server/workers/worker.h"
#include "server/stats/stats.h"
#include "tests/process/support/sp_peer.h"

#define PIPE       41
#define OTHER_PIPE 42

static struct stats_front stats;
static struct rpc_client_config config;
static struct workers_shared room;
static struct rpc_worker *worker;
static char directory[32];
static unsigned ups, losts;

static const struct wire_hello hello = {.worker = {{5}}, .pid = 77, .credits = 2};

static void on_up(void *ctx, struct rpc_worker *which)
{
    (void)ctx;
    assert_ptr_equal(which, worker);
    ups++;
}

static void on_lost(void *ctx, struct rpc_worker *which)
{
    (void)ctx;
    assert_ptr_equal(which, worker);
    losts++;
}

static void on_leaving(void *ctx, struct rpc_worker *which)
{
    (void)ctx;
    (void)which;
}

static int on_result(void *ctx, struct rpc_worker *which,
                     const struct wire_result *result, struct rpc_message *message)
{
    (void)ctx;
    (void)which;
    (void)result;
    (void)message;
    return -1;
}

static const struct rpc_client_events events = {
    .up = on_up, .leaving = on_leaving, .result = on_result, .lost = on_lost};

static void ignore(void *ctx)
{
    (void)ctx;
}

/* A worker with an offered seat. */
static int setup(void **state)
{
    char url[64];

    (void)state;
    strcpy(directory, "/tmp/offloop-worker-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(url, sizeof url, "ipc://%s/rpc", directory);
    memset(&stats, 0, sizeof stats);
    config = (struct rpc_client_config){.rpc_url = strdup(url), .stats = &stats};
    room =
        (struct workers_shared){.config = &config,
                                .events = &events,
                                .inbox = inbox_create(ev_default_loop(0), ignore, NULL),
                                .socket_closer = socket_closer_create(),
                                .incarnation = 9,
                                .next_seat_id = 1};
    ups = losts = 0;
    worker = worker_create(&room, &hello.worker);
    assert_int_equal(worker->state, WORKER_AWAY);
    assert_true(worker_take_hello(worker, &hello));
    assert_int_equal(worker->state, WORKER_OFFERED);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    worker_destroy(&worker);
    assert_true(socket_closer_destroy(&room.socket_closer, 20000));
    inbox_destroy(&room.inbox, false);
    buf_free(&room.scratch);
    free((char *)(uintptr_t)config.rpc_url);
    assert_int_equal(rmdir(directory), 0); /* no socket file is left */
    return 0;
}

static void happen(enum inbox_kind kind, int pipe)
{
    struct inbox_event event = {.kind = kind, .seat = worker->seat_id, .pipe = pipe};

    worker_take_event(worker, &event);
}

/* The next event of that kind that nng brings; others are thrown away. */
static struct inbox_event *next_event(enum inbox_kind kind)
{
    struct inbox_event *event;

    for (;;) {
        while ((event = inbox_shift(room.inbox)) == NULL)
            nng_msleep(1);
        if (event->kind == kind)
            return event;
        inbox_event_destroy(&event);
    }
}

/* Connects to the seat, sends a SEAT_HELLO, and has the worker told of nothing but that;
   returns the connection. */
static int say_seat_hello(uint8_t id, uint64_t incarnation)
{
    const struct wire_seat_hello bytes = {{{id}}, incarnation};
    struct inbox_event *event;
    struct buf out = BUF_INIT;
    struct sp_peer peer;
    int pipe;

    wire_put_seat_hello(&out, &bytes);
    sp_peer_connect(&peer, worker->address.url, SP_PAIR0);
    sp_peer_send(&peer, (struct slice){0}, buf_slice(&out));
    event = next_event(INBOX_MESSAGE);
    pipe = event->pipe;
    worker_take_event(worker, event);
    inbox_event_destroy(&event);
    sp_peer_close(&peer);
    buf_free(&out);
    return pipe;
}

static void joining_awaits_the_seat_hello(void **state)
{
    (void)state;
    happen(INBOX_JOINED, PIPE);
    assert_int_equal(worker->state, WORKER_JOINED);
    assert_int_equal(ups, 0);
    happen(INBOX_LEFT, PIPE);
    assert_int_equal(worker->state, WORKER_AWAY);
    assert_null(worker->seat);
    assert_int_equal(losts, 0); /* it never was up */
}

static void a_second_connection_is_not_listened_to(void **state)
{
    (void)state;
    happen(INBOX_JOINED, PIPE);
    happen(INBOX_JOINED, OTHER_PIPE);
    happen(INBOX_LEFT, OTHER_PIPE);
    assert_int_not_equal(say_seat_hello(66, 66), PIPE); /* nor does it count as wrong */
    assert_int_equal(worker->state, WORKER_JOINED);
    assert_int_equal(worker->pipe, PIPE);
}

static void an_end_told_before_its_start_is_believed(void **state)
{
    (void)state;
    happen(INBOX_LEFT, PIPE);
    assert_int_equal(worker->state, WORKER_OFFERED);
    happen(INBOX_JOINED, PIPE);
    assert_int_equal(worker->state, WORKER_AWAY);
    assert_true(worker_take_hello(worker, &hello)); /* and it gets another seat */
    assert_int_equal(worker->state, WORKER_OFFERED);
    assert_int_equal(stats_read(&stats.peers_dropped), 0);
}

static void a_refused_peers_end_does_not_keep_the_worker_away(void **state)
{
    (void)state;
    happen(INBOX_LEFT, OTHER_PIPE);
    happen(INBOX_JOINED, PIPE);
    assert_int_equal(worker->state, WORKER_JOINED);
}

static void events_of_an_earlier_seat_find_nothing(void **state)
{
    (void)state;
    happen(INBOX_JOINED, PIPE);
    happen(INBOX_LEFT, PIPE);
    happen(INBOX_LEFT, PIPE);
    happen(INBOX_JOINED, PIPE);
    assert_int_equal(worker->state, WORKER_AWAY);
}

static void expect_ban(uint8_t id, uint64_t incarnation)
{
    say_seat_hello(id, incarnation);
    assert_int_equal(worker->state, WORKER_BANNED);
    assert_int_equal(stats_read(&stats.peers_dropped), 1);
    assert_false(worker_take_hello(worker, &hello)); /* no seat for a while */
    assert_true(worker_tick(worker));
}

static void another_workers_hello_is_a_fault(void **state)
{
    (void)state;
    expect_ban(6, 9);
}

/* It looks for a front that was here before: another seat, and no ban. */
static void another_fronts_hello_costs_the_seat_only(void **state)
{
    (void)state;
    say_seat_hello(5, 10);
    assert_int_equal(worker->state, WORKER_AWAY);
    assert_true(worker_take_hello(worker, &hello));
}

/* The message may overtake the event that its sender has joined. */
static void a_message_is_a_sign_of_having_joined(void **state)
{
    int pipe = say_seat_hello(5, 9);

    (void)state;
    assert_int_equal(worker->state, WORKER_UP);
    assert_int_equal(ups, 1);
    happen(INBOX_JOINED, pipe);
    assert_int_equal(worker->state, WORKER_UP);
    assert_int_equal(rpc_worker_credits(worker), 2);
    assert_int_equal(rpc_worker_pid(worker), 77);
    happen(INBOX_LEFT, pipe);
    assert_int_equal(losts, 1);
    assert_int_equal(stats_read(&stats.workers_lost), 1);
}

/* Sends small messages, head and body apart, until it is hung up on. */
static void *babble(void *arg)
{
    static const uint8_t head[] = {1, 0, 0, 0, 0, 0, 0, 0, 4};
    const struct sp_peer *peer = arg;

    while (send(peer->fd, head, sizeof head, MSG_NOSIGNAL) == sizeof head &&
           send(peer->fd, "talk", 4, MSG_NOSIGNAL) == 4)
        continue;
    return NULL;
}

/* nng 1.5.2 is lost where it closes a connection between the two. */
static void a_seat_is_closed_while_its_peer_talks(void **state)
{
    (void)state;
    for (int round = 0; round < 100; round++) {
        struct sp_peer peer;
        pthread_t thread;

        sp_peer_connect(&peer, worker->address.url, SP_PAIR0);
        assert_int_equal(pthread_create(&thread, NULL, babble, &peer), 0);
        inbox_event_destroy(&(struct inbox_event *){next_event(INBOX_MESSAGE)});
        happen(INBOX_JOINED, PIPE);
        happen(INBOX_LEFT, PIPE);
        assert_null(worker->seat);
        pthread_join(thread, NULL);
        sp_peer_close(&peer);
        assert_true(worker_take_hello(worker, &hello));
    }
    assert_true(socket_closer_destroy(&room.socket_closer, 60000));
    room.socket_closer = socket_closer_create();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* As if its seat could be reached over a network. */
static void move_to_tcp(void)
{
    snprintf(worker->address.url, sizeof worker->address.url, "tcp://192.0.2.1:9");
}

static void silence(uint64_t seat_ns, uint64_t hello_ns)
{
    worker->heard_ns = clock_now_ns() - seat_ns;
    worker->hello_ns = clock_now_ns() - hello_ns;
}

static void a_cut_link_is_noticed(void **state)
{
    (void)state;
    say_seat_hello(5, 9);
    silence(4 * NS_PER_S, 4 * NS_PER_S);
    assert_true(worker_tick(worker));
    assert_int_equal(worker->state, WORKER_UP); /* on this host nothing is cut */
    move_to_tcp();
    silence(4 * NS_PER_S, 1 * NS_PER_S); /* a large result may be on its way */
    assert_true(worker_tick(worker));
    silence(1 * NS_PER_S, 4 * NS_PER_S); /* the gate is being restarted */
    assert_true(worker_tick(worker));
    assert_int_equal(worker->state, WORKER_UP);
    silence(4 * NS_PER_S, 4 * NS_PER_S);
    assert_true(worker_tick(worker));
    assert_int_equal(worker->state, WORKER_AWAY);
    assert_int_equal(losts, 1);
    assert_true(worker_take_hello(worker, &hello)); /* back: another seat at once */
    assert_int_equal(worker->state, WORKER_OFFERED);
}

/* The first hello after a cut shows it, before the tick does. */
static void a_hello_after_silence_brings_another_seat(void **state)
{
    uint64_t seat;

    (void)state;
    say_seat_hello(5, 9);
    move_to_tcp();
    seat = worker->seat_id;
    silence(2 * NS_PER_S, 2 * NS_PER_S);
    assert_true(worker_take_hello(worker, &hello));
    assert_int_equal(worker->state, WORKER_UP);
    silence(2900 * NS_PER_MS, 2900 * NS_PER_MS);
    assert_true(worker_take_hello(worker, &hello));
    assert_int_equal(worker->state, WORKER_OFFERED);
    assert_int_not_equal(worker->seat_id, seat);
    assert_int_equal(losts, 1);
}

/* Who comes to a seat over a network and is not the worker is not the worker's fault. */
static void a_stranger_bans_nobody(void **state)
{
    (void)state;
    happen(INBOX_JOINED, PIPE);
    move_to_tcp();
    worker->since_ns = clock_now_ns() - 3 * NS_PER_S; /* and says nothing */
    assert_true(worker_tick(worker));
    assert_int_equal(worker->state, WORKER_AWAY);
    assert_int_equal(stats_read(&stats.peers_dropped), 1);
    assert_true(worker_take_hello(worker, &hello));
    assert_int_equal(worker->state, WORKER_OFFERED);
}

/* With a secret a SEAT_HELLO alone opens nothing, whatever else is right. */
static void a_secret_is_asked_for(void **state)
{
    struct credentials credentials = {.secret = BUF_INIT};

    (void)state;
    buf_append_str(&credentials.secret, "a secret of both sides");
    config.credentials = &credentials;
    say_seat_hello(5, 9);
    assert_int_not_equal(worker->state, WORKER_UP);
    assert_int_equal(ups, 0);
    config.credentials = NULL;
    buf_free(&credentials.secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(joining_awaits_the_seat_hello),
        TEST(a_cut_link_is_noticed),
        TEST(a_hello_after_silence_brings_another_seat),
        TEST(a_stranger_bans_nobody),
        TEST(a_secret_is_asked_for),
        TEST(a_second_connection_is_not_listened_to),
        TEST(an_end_told_before_its_start_is_believed),
        TEST(a_refused_peers_end_does_not_keep_the_worker_away),
        TEST(events_of_an_earlier_seat_find_nothing),
        TEST(another_workers_hello_is_a_fault),
        TEST(another_fronts_hello_costs_the_seat_only),
        TEST(a_message_is_a_sign_of_having_joined),
        TEST(a_seat_is_closed_while_its_peer_talks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
