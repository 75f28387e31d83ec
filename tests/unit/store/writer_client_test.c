/* The front's side of the connection, against a fake writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/store/writer/writer_client.h"
#include "server/store/writer/writer_protocol.h"

/* Long enough for a writer that answers on a busy machine. */
#define TIMEOUT_S 3.0

struct fake {
    struct rig rig; /* its loop and listening socket */
    struct writer_client *link;
    int ups;
    int fd; /* the fake writer's end */
    uint64_t began_ns;
};

static void on_up(void *ctx)
{
    ((struct fake *)ctx)->ups++;
}

static void spin(struct fake *f)
{
    ev_run(f->rig.loop, EVRUN_ONCE);
}

/* Reads exactly that many bytes while the front's loop runs. */
static void read_all(struct fake *f, void *bytes, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = recv(f->fd, (char *)bytes + have, len - have, MSG_DONTWAIT);

        RIG_CHECK(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0)
            have += (size_t)n;
        else
            ev_run(f->rig.loop, EVRUN_NOWAIT);
    }
}

static struct writer_head read_head(struct fake *f)
{
    uint8_t bytes[WRITER_HEAD_BYTES];
    struct writer_head head;

    read_all(f, bytes, sizeof bytes);
    RIG_CHECK(writer_read_head(bytes, &head) == 0);
    return head;
}

/* Reads a WRITE; its names and document are dropped. */
static struct writer_head read_write(struct fake *f)
{
    struct writer_head head = read_head(f);
    size_t len = head.collection_len + head.id_len + head.payload_len;
    uint8_t *rest = mem_alloc(len);

    RIG_CHECK(head.type == WRITER_WRITE);
    read_all(f, rest, len);
    mem_free(rest);
    return head;
}

static void send_head(struct fake *f, struct writer_head head)
{
    uint8_t bytes[WRITER_HEAD_BYTES];

    writer_put_head(bytes, &head);
    RIG_CHECK(send(f->fd, bytes, sizeof bytes, MSG_NOSIGNAL) == sizeof bytes);
}

static void say_hello(struct fake *f)
{
    send_head(f, (struct writer_head){.type = WRITER_HELLO,
                                      .number = WRITER_MAGIC,
                                      .version = WRITER_VERSION});
}

static void reply(struct fake *f, uint64_t number, enum store_status status)
{
    send_head(f, (struct writer_head){.type = WRITER_REPLY,
                                      .status = (uint8_t)status,
                                      .number = number,
                                      .version = number + 100,
                                      .commits = 5,
                                      .writes = 6});
}

/* Accepts the front (again), and sends HELLO. */
static void meet(struct fake *f)
{
    int before = f->ups;

    do {
        ev_run(f->rig.loop, EVRUN_NOWAIT);
        f->fd = accept4(f->rig.listen_fd, NULL, NULL, SOCK_CLOEXEC);
    } while (f->fd < 0);
    RIG_CHECK(read_head(f).type == WRITER_HELLO);
    say_hello(f);
    while (f->ups == before)
        spin(f);
    RIG_CHECK(writer_client_is_up(f->link));
}

static int setup(void **state)
{
    struct fake *f = mem_zalloc(sizeof *f);

    rig_init(&f->rig, 1 << 20);
    RIG_CHECK(fcntl(f->rig.listen_fd, F_SETFL, O_NONBLOCK) == 0);
    f->link = writer_client_create(f->rig.loop, f->rig.listen_fd, TIMEOUT_S, on_up, f);
    RIG_CHECK(f->link != NULL && !writer_client_is_up(f->link));
    f->began_ns = clock_now_ns();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;

    writer_client_destroy(&f->link);
    close(f->fd);
    rig_stop(&f->rig);
    mem_free(f);
    return 0;
}

static void begin(struct fake *f, struct rig_put *put, size_t size)
{
    uint8_t *bytes = mem_zalloc(size);
    struct blob *blob = blob_new_copy(bytes, size);

    *put = (struct rig_put){.put = {.key = {rig_slice("c"), rig_slice("id")},
                                    .blob = blob,
                                    .format = STORE_JSON,
                                    .condition = STORE_IF_VERSION,
                                    .if_version = 77,
                                    .done = rig_put_done}};
    writer_client_put(f->link, &put->put);
    blob_unref(&blob);
    mem_free(bytes);
}

static void wait_done(struct fake *f, struct rig_put *put, enum store_status status)
{
    while (!put->done)
        spin(f);
    assert_int_equal(put->put.status, status);
}

static void write_and_answer(void **state)
{
    struct fake *f = *state;
    struct store_counters counters = {0};
    struct writer_head head;
    struct rig_put put;

    meet(f);
    begin(f, &put, 10);
    head = read_write(f);
    assert_int_equal(head.collection_len, 1);
    assert_int_equal(head.id_len, 2);
    assert_int_equal(head.payload_len, 10);
    assert_int_equal(head.condition, STORE_IF_VERSION);
    assert_int_equal(head.version, 77);
    assert_false(put.done);
    reply(f, head.number, STORE_CREATED);
    wait_done(f, &put, STORE_CREATED);
    assert_int_equal(put.put.version, head.number + 100);
    writer_client_read_counters(f->link, &counters);
    assert_int_equal(counters.writer_commits, 5);
    assert_int_equal(counters.writer_writes, 6);
    assert_int_equal(counters.writes_sent, 1);
    assert_int_equal(counters.writes_waiting, 0);
}

static void writes_wait_for_the_first_writer(void **state)
{
    struct fake *f = *state;
    struct rig_put put;

    begin(f, &put, 10);
    assert_false(put.done);
    meet(f);
    reply(f, read_write(f).number, STORE_OK);
    wait_done(f, &put, STORE_OK);
}

/* Sent writes are lost and not sent again; unsent ones go to the next writer. */
static void lost_writer(void **state)
{
    struct fake *f = *state;
    struct store_counters counters = {0};
    struct rig_put sent, later;

    meet(f);
    begin(f, &sent, 10);
    read_write(f);
    close(f->fd);
    wait_done(f, &sent, STORE_UNSURE);
    assert_false(writer_client_is_up(f->link));
    begin(f, &later, 20);
    assert_false(later.done);
    meet(f);
    {
        struct writer_head head = read_write(f);

        assert_int_equal(head.payload_len, 20);
        reply(f, head.number, STORE_OK);
    }
    wait_done(f, &later, STORE_OK);
    writer_client_read_counters(f->link, &counters);
    assert_int_equal(counters.writes_unsure, 1);
    assert_int_equal(counters.writer_restarts, 1);
}

/* It has certainly not happened. */
static void half_sent_write_is_lost(void **state)
{
    struct fake *f = *state;
    struct rig_put large, behind;

    meet(f);
    begin(f, &large, 8 << 20);
    begin(f, &behind, 1);
    assert_int_equal(read_head(f).payload_len, 8 << 20);
    close(f->fd);
    wait_done(f, &large, STORE_DOWN);
    meet(f);
    reply(f, read_write(f).number, STORE_OK);
    wait_done(f, &behind, STORE_OK);
}

/* BYE: a write that has begun is finished, the others wait, none is lost. */
static void bye_loses_nothing(void **state)
{
    struct fake *f = *state;
    struct rig_put first, large, behind;
    uint64_t number;
    uint8_t byte;

    meet(f);
    begin(f, &first, 1);
    number = read_write(f).number;
    begin(f, &large, 4 << 20);
    begin(f, &behind, 3);
    while (recv(f->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) != 1) /* it has begun */
        ev_run(f->rig.loop, EVRUN_NOWAIT);
    send_head(f, (struct writer_head){.type = WRITER_BYE});
    while (writer_client_is_up(f->link))
        spin(f);
    assert_int_equal(read_write(f).payload_len, 4 << 20);
    while (recv(f->fd, &byte, 1, MSG_DONTWAIT) != 0) /* its side is shut down */
        ev_run(f->rig.loop, EVRUN_NOWAIT);
    reply(f, number, STORE_OK);
    reply(f, number + 1, STORE_CREATED);
    wait_done(f, &first, STORE_OK);
    wait_done(f, &large, STORE_CREATED);
    close(f->fd);
    meet(f);
    reply(f, read_write(f).number, STORE_OK);
    wait_done(f, &behind, STORE_OK);
}

static void held_writes_end_as_down(void **state)
{
    struct fake *f = *state;
    struct rig_put held, late;

    meet(f);
    close(f->fd);
    while (writer_client_is_up(f->link))
        spin(f);
    begin(f, &held, 1);
    wait_done(f, &held, STORE_DOWN);
    begin(f, &late, 1);
    assert_true(late.done); /* at once now */
    assert_int_equal(late.put.status, STORE_DOWN);
    meet(f);
    begin(f, &late, 1);
    reply(f, read_write(f).number, STORE_OK);
    wait_done(f, &late, STORE_OK);
}

/* A sent write may have happened, a partly sent one has not, the rest waits a moment for
   the next writer. */
static void a_writer_that_hangs_is_left(void **state)
{
    struct fake *f = *state;
    struct rig_put sent, large, behind;

    meet(f);
    begin(f, &sent, 1);
    read_write(f);
    begin(f, &large, 8 << 20);
    begin(f, &behind, 1);
    assert_int_equal(read_head(f).payload_len, 8 << 20);
    assert_false(writer_client_is_hung(f->link));
    wait_done(f, &sent, STORE_UNSURE);
    assert_true(writer_client_is_hung(f->link));
    assert_false(writer_client_is_up(f->link));
    wait_done(f, &large, STORE_DOWN);
    wait_done(f, &behind, STORE_DOWN);
    close(f->fd);
    meet(f);
    assert_false(writer_client_is_hung(f->link));
    begin(f, &sent, 1);
    reply(f, read_write(f).number, STORE_OK);
    wait_done(f, &sent, STORE_OK);
}

/* A front that was stopped itself finds the answer, and does not drop the writer.
 */
static void an_answer_that_is_there_is_in_time(void **state)
{
    struct fake *f = *state;
    struct rig_put put;
    uint64_t number;

    meet(f);
    begin(f, &put, 1);
    number = read_write(f).number;
    reply(f, number, STORE_OK);
    while (clock_now_ns() < f->began_ns + 2 * (uint64_t)TIMEOUT_S * NS_PER_S)
        usleep(10000); /* the front does nothing */
    wait_done(f, &put, STORE_OK);
    assert_false(writer_client_is_hung(f->link));
}

/* Each of these ends the connection, and the write gets no answer. */
static void bad_messages_drop_the_writer(void **state)
{
    struct fake *f = *state;
    struct rig_put put;

    for (int i = 0; i < 6; i++) {
        uint8_t noise[WRITER_HEAD_BYTES] = {99};
        uint64_t number;

        meet(f);
        begin(f, &put, 1);
        number = read_write(f).number;
        switch (i) {
        case 0: reply(f, number + 1, STORE_OK); break; /* no such write yet */
        case 1: say_hello(f); break;                   /* twice */
        case 2: RIG_CHECK(write(f->fd, noise, sizeof noise) == sizeof noise); break;
        case 3: RIG_CHECK(write(f->fd, noise, 7) == 7); break; /* cut short */
        case 4:
            send_head(f, (struct writer_head){.type = WRITER_WRITE,
                                              .remove = true,
                                              .collection_len = 1,
                                              .id_len = 1});
            break;
        case 5: /* BYE twice */
            send_head(f, (struct writer_head){.type = WRITER_BYE});
            send_head(f, (struct writer_head){.type = WRITER_BYE});
            break;
        }
        if (i == 3)
            shutdown(f->fd, SHUT_WR);
        wait_done(f, &put, STORE_UNSURE);
        close(f->fd);
    }
    meet(f);
    begin(f, &put, 1);
    {
        uint64_t number = read_write(f).number;

        reply(f, number, STORE_OK);
        reply(f, number, STORE_OK); /* answered twice: the first answer counts */
    }
    wait_done(f, &put, STORE_OK);
    while (writer_client_is_up(f->link))
        spin(f);
}

/* Callbacks that queue and cancel other writes while the connection is lost. */
struct chain {
    struct rig_put base;
    struct fake *fake;
    struct rig_put *victim;
    struct rig_put *next;
};

static void chain_done(struct store_put *put)
{
    struct chain *chain = (struct chain *)(void *)put;

    chain->base.done = true;
    store_cancel(&chain->victim->put.request);
    begin(chain->fake, chain->next, 1);
}

static void callbacks_may_queue_and_cancel(void **state)
{
    struct fake *f = *state;
    struct rig_put victim, next;
    struct chain chain = {.fake = f, .victim = &victim, .next = &next};
    struct blob *blob = blob_new_copy("x", 1);

    meet(f);
    chain.base.put = (struct store_put){.key = {rig_slice("c"), rig_slice("i")},
                                        .blob = blob,
                                        .format = STORE_JSON,
                                        .done = chain_done};
    writer_client_put(f->link, &chain.base.put);
    begin(f, &victim, 1);
    read_write(f);
    read_write(f);
    close(f->fd);
    wait_done(f, &chain.base, STORE_UNSURE);
    meet(f);
    reply(f, read_write(f).number, STORE_OK);
    wait_done(f, &next, STORE_OK);
    assert_false(victim.done);
    blob_unref(&blob);
}

#define WITH_FAKE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FAKE(write_and_answer),
        WITH_FAKE(writes_wait_for_the_first_writer),
        WITH_FAKE(lost_writer),
        WITH_FAKE(half_sent_write_is_lost),
        WITH_FAKE(bye_loses_nothing),
        WITH_FAKE(held_writes_end_as_down),
        WITH_FAKE(a_writer_that_hangs_is_left),
        WITH_FAKE(an_answer_that_is_there_is_in_time),
        WITH_FAKE(bad_messages_drop_the_writer),
        WITH_FAKE(callbacks_may_queue_and_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
