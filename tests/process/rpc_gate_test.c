/* The gate as workers and strangers see it, and nng's listeners under peers that leave in
   the middle of their handshake (nng issue 1518). */
#include <dirent.h>
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "proto/wire.h"
#include "server/workers/link/rpc_address.h"
#include "server/workers/gate/gate_message.h"
#include "tests/process/support/child.h"
#include "tests/process/support/rpc_fixture.h"
#include "tests/process/support/sp_peer.h"

#define DROPS 200

static const struct jobs_config usual = {.job_timeout_ns = 60 * NS_PER_S};

static const struct wire_hello hello = {
    .worker = {{7}}, .pid = 1, .credits = 2, .engine = {(const uint8_t *)"yajl", 4}};

/* ---- asking the gate ---- */

/* A request's id; the last one of a chain has the highest bit. */
static const uint8_t request_id[4] = {0x80, 0, 0, 1};

/* A question under way; the front's loop runs meanwhile. */
struct question {
    struct sp_peer peer;
    struct wire_message answer; /* points into what the peer received */
};

/* Asks, and does not wait for the answer. */
static void begin_question(struct rpc_fixture *fixture, struct question *question,
                           struct slice bytes)
{
    sp_peer_connect(&question->peer, fixture->url, SP_REQ0);
    sp_peer_send(&question->peer, (struct slice){request_id, sizeof request_id}, bytes);
}

static void wait_answer(struct rpc_fixture *fixture, struct question *question)
{
    struct slice got;

    rpc_fixture_run_until(fixture, sp_peer_has_message, &question->peer);
    got = sp_peer_message(&question->peer);
    assert_true(got.len > sizeof request_id);
    assert_memory_equal(got.data, request_id, sizeof request_id);
    got = (struct slice){got.data + sizeof request_id, got.len - sizeof request_id};
    assert_int_equal(wire_decode(got, &question->answer, NULL), WIRE_OK);
}

static void ask(struct rpc_fixture *fixture, struct question *question,
                struct slice bytes)
{
    begin_question(fixture, question, bytes);
    wait_answer(fixture, question);
}

static void end_question(struct question *question)
{
    sp_peer_close(&question->peer);
}

/* Says hello as a worker; returns how many seats it was given, and the first one's URL.
 */
static unsigned say_hello(struct rpc_fixture *fixture, char url_r[RPC_ADDRESS_MAX_BYTES],
                          uint64_t *incarnation_r)
{
    struct buf bytes = BUF_INIT;
    struct question question;
    unsigned count;

    wire_put_hello(&bytes, &hello);
    ask(fixture, &question, buf_slice(&bytes));
    buf_free(&bytes);
    assert_int_equal(question.answer.type, WIRE_WELCOME);
    count = question.answer.welcome.seat_count;
    if (count > 0) {
        const struct wire_seat *seat = &question.answer.welcome.seats[0];

        snprintf(url_r, RPC_ADDRESS_MAX_BYTES, "%.*s", (int)seat->url.len,
                 (const char *)seat->url.data);
        *incarnation_r = seat->incarnation;
    }
    end_question(&question);
    return count;
}

/* A gate answers with what it knows in time; so workers repeat their hello until they
   have a seat, and this does. */
static void say_hello_until_seated(struct rpc_fixture *fixture,
                                   char url_r[RPC_ADDRESS_MAX_BYTES],
                                   uint64_t *incarnation_r)
{
    uint64_t end_ns = clock_now_ns() + RPC_FIXTURE_PATIENCE_S * NS_PER_S;

    while (say_hello(fixture, url_r, incarnation_r) != 1)
        assert_true(clock_now_ns() < end_ns);
}

static void expect_refusal(struct rpc_fixture *fixture, struct slice bytes,
                           enum wire_refusal reason)
{
    struct question question;

    ask(fixture, &question, bytes);
    assert_int_equal(question.answer.type, WIRE_REFUSED);
    assert_int_equal(question.answer.refused.reason, reason);
    end_question(&question);
}

static void what_is_no_hello_is_refused(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    struct buf bytes = BUF_INIT;

    (void)state;
    rpc_fixture_start_gate(fixture);
    wire_put_hello(&bytes, &hello);
    bytes.data[1] = WIRE_VERSION + 1;
    expect_refusal(fixture, buf_slice(&bytes), WIRE_REFUSED_VERSION);
    bytes.data[1] = WIRE_VERSION;
    bytes.len--;
    expect_refusal(fixture, buf_slice(&bytes), WIRE_REFUSED_OTHER);
    bytes.len = 0;
    wire_put_ping(&bytes, 1);
    expect_refusal(fixture, buf_slice(&bytes), WIRE_REFUSED_OTHER);
    expect_refusal(fixture, (struct slice){(const uint8_t *)"", 0}, WIRE_REFUSED_OTHER);
    buf_free(&bytes);
    rpc_fixture_destroy(&fixture);
}

static void every_front_offers_a_seat_at_first_contact(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    char url[RPC_ADDRESS_MAX_BYTES];
    uint64_t incarnation;

    (void)state;
    rpc_fixture_start_gate(fixture);
    assert_int_equal(say_hello(fixture, url, &incarnation), 0); /* no front is there */
    rpc_fixture_start_front(fixture);
    say_hello_until_seated(fixture, url, &incarnation);
    rpc_fixture_stop_front(fixture);
    rpc_fixture_destroy(&fixture);
}

/* While there is no front, as when the only one is being restarted, a hello waits. */
static void a_hello_waits_for_a_front_that_starts(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    struct question question;
    struct buf bytes = BUF_INIT;

    (void)state;
    rpc_fixture_start_gate(fixture);
    wire_put_hello(&bytes, &hello);
    begin_question(fixture, &question, buf_slice(&bytes));
    rpc_fixture_start_front(fixture);
    wait_answer(fixture, &question);
    assert_int_equal(question.answer.type, WIRE_WELCOME);
    assert_int_equal(question.answer.welcome.seat_count, 1);
    end_question(&question);
    buf_free(&bytes);
    rpc_fixture_stop_front(fixture);
    rpc_fixture_destroy(&fixture);
}

/* Connects to the gate as a front does. */
static int come_as_front(const struct rpc_fixture *fixture)
{
    struct sockaddr_un address;
    socklen_t len = sizeof address;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(getsockname(fixture->gate_fd, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
    return fd;
}

/* The next note from the gate. */
static enum gate_message_type read_note(int fd)
{
    uint8_t bytes[GATE_MESSAGE_MAX_BYTES];
    struct gate_message note;
    ssize_t got = recv(fd, bytes, sizeof bytes, 0);

    assert_true(got > 0);
    assert_int_equal(gate_message_decode((struct slice){bytes, (size_t)got}, &note), 0);
    return note.type;
}

static void fronts_are_told_to_prompt_their_workers_for_a_new_one(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    int first, second;

    (void)state;
    rpc_fixture_start_gate(fixture);
    first = come_as_front(fixture);
    assert_int_equal(read_note(first), GATE_MESSAGE_PROMPT); /* its own coming */
    second = come_as_front(fixture);
    assert_int_equal(read_note(first), GATE_MESSAGE_PROMPT);
    assert_int_equal(read_note(second), GATE_MESSAGE_PROMPT);
    close(first);
    close(second);
    rpc_fixture_destroy(&fixture);
}

/* ---- the address ---- */

static void a_killed_gate_leaves_its_file_and_a_new_one_takes_it(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);

    (void)state;
    rpc_fixture_stop_gate(fixture, SIGKILL);
    assert_int_equal(access(rpc_address_path(fixture->url), F_OK), 0);
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_destroy(&fixture);
}

static void an_address_in_use_is_left_alone(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);
    char self[] = "/proc/self/exe";
    char *argv[] = {self, fixture->url, NULL};
    pid_t second = child_start(argv, fixture->gate_fd);

    (void)state;
    assert_int_equal(child_wait(second, RPC_FIXTURE_PATIENCE_S * 1000), 1);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_destroy(&fixture);
}

static void the_gate_ends_with_its_address_free(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        rpc_fixture_start_gate(fixture);
        rpc_fixture_stop_gate(fixture, SIGTERM);
        assert_int_not_equal(access(rpc_address_path(fixture->url), F_OK), 0);
    }
    rpc_fixture_destroy(&fixture);
}

/* A file as a killed front would leave it. */
static void leave_file(struct rpc_fixture *fixture, char *path, size_t size)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    snprintf(path, size, "%s-1-%d-1", rpc_address_path(fixture->url), (int)pid);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(access(path, F_OK), 0);
}

static bool is_no_file(void *path)
{
    return access(path, F_OK) != 0;
}

static void what_dead_fronts_left_goes(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    char path[256], url[RPC_ADDRESS_MAX_BYTES];
    uint64_t incarnation;

    (void)state;
    leave_file(fixture, path, sizeof path);
    rpc_fixture_start_gate(fixture);
    assert_true(is_no_file(path));
    rpc_fixture_start_front(fixture);
    say_hello_until_seated(fixture, url, &incarnation); /* so they have met */
    leave_file(fixture, path, sizeof path);
    rpc_fixture_stop_front(fixture); /* the gate notices, and looks around */
    rpc_fixture_run_until(fixture, is_no_file, path);
    leave_file(fixture, path, sizeof path);
    rpc_fixture_stop_gate(fixture, SIGTERM); /* and once more at its end */
    assert_true(is_no_file(path));
    rpc_fixture_destroy(&fixture);
}

/* ---- peers that leave in the middle of their handshake ---- */

/* Connects again and again, and leaves after 0 to 8 bytes of a handshake. */
static void leave_early(const char *url, uint8_t protocol)
{
    for (unsigned i = 0; i < DROPS; i++) {
        int fd = sp_peer_dial(url);

        if (fd < 0)
            return; /* it is deaf already */
        sp_peer_open(fd, protocol, i % (SP_OPENING_BYTES + 1));
        close(fd);
    }
}

static void the_gate_survives_peers_that_leave_early(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 0, NULL);

    (void)state;
    leave_early(fixture->url, SP_REQ0);
    rpc_fixture_start_worker(fixture, NULL, 0);
    rpc_fixture_run_until_workers(fixture, 1);
    rpc_fixture_destroy(&fixture);
}

/* Takes a seat as a worker would, comes up, and leaves. */
static void take_seat(struct rpc_fixture *fixture, const char *url, uint64_t incarnation)
{
    const struct wire_seat_hello seat_hello = {hello.worker, incarnation};
    struct buf bytes = BUF_INIT;
    struct sp_peer peer;

    sp_peer_connect(&peer, url, SP_PAIR0);
    wire_put_seat_hello(&bytes, &seat_hello);
    sp_peer_send(&peer, (struct slice){NULL, 0}, buf_slice(&bytes));
    buf_free(&bytes);
    rpc_fixture_run_until_workers(fixture, 1);
    sp_peer_close(&peer);
    rpc_fixture_run_until_workers(fixture, 0);
}

/* A seat whose listener may be dead is replaced when its worker says hello again. */
static void a_seat_survives_peers_that_leave_early(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create(&usual);
    char first[RPC_ADDRESS_MAX_BYTES], second[RPC_ADDRESS_MAX_BYTES];
    uint64_t incarnation;

    (void)state;
    rpc_fixture_start_gate(fixture);
    rpc_fixture_start_front(fixture);
    say_hello_until_seated(fixture, first, &incarnation);
    leave_early(first, SP_PAIR0);
    do {
        rpc_fixture_run_for(fixture, 0.5); /* hellos have pauses between them */
        say_hello_until_seated(fixture, second, &incarnation);
    } while (strcmp(first, second) == 0);
    take_seat(fixture, second, incarnation);
    rpc_fixture_destroy(&fixture);
}

/* A seat is for one worker: a second connection to it changes nothing. */
static void a_taken_seat_takes_nobody_else(void **state)
{
    struct rpc_fixture *fixture = rpc_fixture_create_running(&usual, 1, NULL);
    struct dirent *entry;
    DIR *dir = opendir(fixture->directory);
    char url[RPC_ADDRESS_MAX_BYTES + 256];

    (void)state;
    while ((entry = readdir(dir)) != NULL)
        if (strncmp(entry->d_name, "rpc-", 4) == 0)
            snprintf(url, sizeof url, "ipc://%s/%s", fixture->directory, entry->d_name);
    closedir(dir);
    leave_early(url, SP_PAIR0);
    rpc_fixture_run_for(fixture, 0.2);
    assert_int_equal(jobs_workers(fixture->jobs), 1);
    assert_int_equal(stats_read(&fixture->stats.workers_lost), 0);
    rpc_fixture_destroy(&fixture);
}

#define TEST(name) cmocka_unit_test_teardown(name, rpc_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_hello_is_refused),
        TEST(every_front_offers_a_seat_at_first_contact),
        TEST(a_hello_waits_for_a_front_that_starts),
        TEST(fronts_are_told_to_prompt_their_workers_for_a_new_one),
        TEST(a_killed_gate_leaves_its_file_and_a_new_one_takes_it),
        TEST(an_address_in_use_is_left_alone),
        TEST(the_gate_ends_with_its_address_free),
        TEST(what_dead_fronts_left_goes),
        TEST(the_gate_survives_peers_that_leave_early),
        TEST(a_seat_survives_peers_that_leave_early),
        TEST(a_taken_seat_takes_nobody_else),
    };

    if (argc > 1)
        return rpc_fixture_gate(argv, rpc_gate_main);
    cmocka_set_test_filter(getenv("TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
