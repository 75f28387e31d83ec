/* kill -9 of the writer and of readers under load: no answered write is lost, nothing
   stays blocked, and the front continues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "tests/process/support/child.h"
#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/store/store.h"

#define MAP_BYTES (UINT64_C(256) << 20)

static int setup(void **state)
{
    return rig_set_up(state, MAP_BYTES);
}

/* A load of puts, `width` at a time, which continues by itself. Document n has the text
   "n:round"; the rounds grow, and the answered ones are remembered. */
struct load {
    struct rig *rig;
    unsigned width;
    unsigned documents;
    uint64_t started; /* puts */
    uint64_t limit;
    uint64_t answered;
    uint64_t down;
    uint32_t *acknowledged; /* the last round answered as stored, per document */
    uint32_t *tried;        /* the last round sent */
    struct slot {
        struct store_put put;
        struct load *load;
        char id[16];
        unsigned document;
        uint32_t round;
        bool busy;
    } * slots;
    unsigned busy;
};

static void next_put(struct slot *slot);

static void slot_done(struct store_put *put)
{
    struct slot *slot = (struct slot *)(void *)put;
    struct load *load = slot->load;

    slot->busy = false;
    load->busy--;
    load->answered++;
    if (put->status == STORE_OK || put->status == STORE_CREATED) {
        if (slot->round > load->acknowledged[slot->document])
            load->acknowledged[slot->document] = slot->round;
    } else {
        RIG_CHECK(put->status == STORE_DOWN || put->status == STORE_UNSURE);
        load->down++;
    }
}

/* Each slot has its own documents, so that the rounds of a document stay in order. */
static void next_put(struct slot *slot)
{
    struct load *load = slot->load;
    unsigned lane = (unsigned)(slot - load->slots);
    unsigned per_lane = load->documents / load->width;
    char text[64];
    struct blob *blob;

    slot->document = lane * per_lane + (unsigned)(load->started / load->width % per_lane);
    slot->round = ++load->tried[slot->document];
    snprintf(slot->id, sizeof slot->id, "%u", slot->document);
    snprintf(text, sizeof text, "%u:%u", slot->document, slot->round);
    blob = blob_new_copy(text, strlen(text));
    slot->put = (struct store_put){.key = {rig_slice("k"), rig_slice(slot->id)},
                                   .blob = blob,
                                   .format = STORE_JSON,
                                   .done = slot_done};
    slot->busy = true;
    load->busy++;
    load->started++;
    store_put(load->rig->store, &slot->put);
    blob_unref(&blob);
}

static void load_init(struct load *load, struct rig *rig, unsigned width,
                      unsigned documents, uint64_t limit)
{
    *load =
        (struct load){.rig = rig, .width = width, .documents = documents, .limit = limit};
    load->acknowledged = mem_zalloc(documents * sizeof *load->acknowledged);
    load->tried = mem_zalloc(documents * sizeof *load->tried);
    load->slots = mem_zalloc(width * sizeof *load->slots);
    for (unsigned i = 0; i < width; i++)
        load->slots[i].load = load;
}

/* Starts puts on idle slots, then waits for events once. */
static void load_turn(struct load *load, int flags)
{
    for (unsigned i = 0; i < load->width && load->started < load->limit; i++)
        if (!load->slots[i].busy)
            next_put(&load->slots[i]);
    if (load->busy > 0 || flags == EVRUN_NOWAIT)
        ev_run(load->rig->loop, flags);
}

static void load_free(struct load *load)
{
    mem_free(load->acknowledged);
    mem_free(load->tried);
    mem_free(load->slots);
}

/* Checks that every document has the round that was answered, or a later one that was
   sent. */
static void verify(struct load *load)
{
    for (unsigned i = 0; i < load->documents; i++) {
        char id[16], text[64] = "";
        unsigned document, round;
        struct blob *blob;
        enum store_status status;

        snprintf(id, sizeof id, "%u", i);
        status = rig_get_blob(load->rig, "k", id, &blob, NULL);
        if (status == STORE_NOT_FOUND) {
            assert_int_equal(load->acknowledged[i], 0);
            continue;
        }
        assert_int_equal(status, STORE_OK);
        memcpy(text, blob->bytes.data, blob->bytes.len);
        blob_unref(&blob);
        assert_int_equal(sscanf(text, "%u:%u", &document, &round), 2);
        assert_int_equal(document, i);
        assert_in_range(round, load->acknowledged[i], load->tried[i]);
    }
}

static void check_soundness(const struct rig *rig)
{
    struct store_check_counts counts;

    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES}, NULL,
                    NULL, &counts),
        0);
}

/* 1,000 puts are answered, then all processes get kill -9; a new writer and front see
   them all. */
static void thousand_puts_then_kill(void **state)
{
    struct rig *rig = *state;
    struct load load;
    unsigned sum = 0;

    load_init(&load, rig, 50, 1000, 1000);
    while (load.answered < 1000)
        load_turn(&load, EVRUN_ONCE);
    assert_int_equal(load.down, 0);
    rig_end_writer(rig, SIGKILL);
    store_close(&rig->store);
    assert_int_equal(rig_start_writer(rig), 0);
    rig_open_store(rig);
    for (unsigned i = 0; i < load.documents; i++)
        sum += load.acknowledged[i]; /* rounds: the puts of this document */
    assert_int_equal(sum, 1000);
    verify(&load);
    check_soundness(rig);
    load_free(&load);
}

/* The front itself is killed together with the writer, during the load; the answered
   rounds are in shared memory. */
static void front_and_writer_killed_mid_load(void **state)
{
    enum { DOCUMENTS = 200 };
    struct rig *rig = *state;
    struct load load;
    uint32_t *shared = mmap(NULL, 2 * DOCUMENTS * sizeof *shared, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile uint32_t *rounds = shared;
    pid_t front;

    RIG_CHECK(shared != MAP_FAILED);
    store_close(&rig->store);
    load_init(&load, rig, 20, DOCUMENTS, UINT64_MAX);
    mem_free(load.acknowledged);
    mem_free(load.tried);
    load.acknowledged = shared;
    load.tried = shared + DOCUMENTS;
    fflush(NULL);
    front = fork();
    RIG_CHECK(front >= 0);
    if (front == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        ev_loop_fork(rig->loop);
        rig_open_store(rig);
        for (;;)
            load_turn(&load, EVRUN_ONCE);
    }
    while (rounds[DOCUMENTS - 1] < 3) /* well under way */
        usleep(500);
    kill(rig->writer, SIGKILL);
    kill(front, SIGKILL);
    waitpid(front, NULL, 0);
    rig_wait_writer(rig);
    assert_int_equal(rig_start_writer(rig), 0);
    rig_open_store(rig);
    verify(&load);
    check_soundness(rig);
    munmap(shared, 2 * DOCUMENTS * sizeof *shared);
    load.acknowledged = load.tried = NULL;
    load_free(&load);
}

/* Sent writes end as UNSURE, unsent ones as DOWN, and the next writer accepts new
   ones. */
static void writer_killed_mid_batch(void **state)
{
    struct rig *rig = *state;
    struct rig_put puts[100];
    unsigned down = 0, unsure = 0;

    for (unsigned i = 0; i < 100; i++)
        rig_begin_put(rig, &puts[i], "b", "x", "1", 1);
    child_stop(rig->writer); /* so that none is answered */
    for (unsigned i = 0; i < 3; i++)
        ev_run(rig->loop, EVRUN_NOWAIT);
    rig_end_writer(rig, SIGKILL);
    for (unsigned i = 0; i < 100; i++)
        switch (rig_wait_put(rig, &puts[i], NULL)) {
        case STORE_UNSURE: unsure++; break;
        case STORE_DOWN: down++; break;
        default: fail();
        }
    assert_int_equal(unsure + down, 100);
    assert_true(unsure > 0);
    assert_int_equal(rig_find(rig, "b", "x"), STORE_NOT_FOUND); /* reads still work */
    assert_int_equal(rig_start_writer(rig), 0);
    assert_int_equal(rig_put_text(rig, "b", "x", "2"), STORE_CREATED);
}

/* A simple, reproducible random number. */
static uint32_t dice(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Kills after a random number of turns of the loop or of microseconds, until the time is
   used up, at most 200 times. */
static void random_kills(void **state)
{
    struct rig *rig = *state;
    uint64_t end = clock_now_ns() + 6 * NS_PER_S;
    struct load load;
    uint32_t seed = 1;
    int kills;

    load_init(&load, rig, 40, 400, UINT64_MAX);
    for (kills = 0; kills < 200 && clock_now_ns() < end; kills++) {
        uint64_t before = load.answered - load.down;

        while (load.answered - load.down < before + 1 + dice(&seed) % 40)
            load_turn(&load, EVRUN_ONCE);
        load_turn(&load, EVRUN_NOWAIT); /* a new batch is being sent, */
        load_turn(&load, EVRUN_NOWAIT);
        usleep(dice(&seed) % 1500); /* and the kill comes during its transaction */
        rig_end_writer(rig, SIGKILL);
        assert_int_equal(rig_start_writer(rig), 0);
    }
    load.limit = load.started;
    while (load.busy > 0)
        load_turn(&load, EVRUN_ONCE);
    verify(&load);
    check_soundness(rig);
    print_message("%d kills, %llu puts, %llu of them unsure\n", kills,
                  (unsigned long long)load.answered, (unsigned long long)load.down);
    assert_true(kills > 10);
    load_free(&load);
}

/* A graceful replacement under load loses nothing. */
static void graceful_restarts_lose_nothing(void **state)
{
    struct rig *rig = *state;
    struct load load;

    load_init(&load, rig, 40, 400, UINT64_MAX);
    for (int i = 0; i < 20; i++) {
        uint64_t before = load.answered;

        while (load.answered < before + 100)
            load_turn(&load, EVRUN_ONCE);
        assert_int_equal(kill(rig->writer, SIGTERM), 0);
        {
            int status = rig_wait_writer(rig); /* runs the loop */

            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        assert_int_equal(rig_start_writer(rig), 0);
    }
    load.limit = load.started;
    while (load.busy > 0)
        load_turn(&load, EVRUN_ONCE);
    assert_int_equal(load.down, 0);
    verify(&load);
    load_free(&load);
}

/* Two writers at once, as during an upgrade, each with a front of its own. */
static void two_writers_at_once(void **state)
{
    struct rig *rig = *state;
    struct rig other = *rig;
    struct rig_put a[50], b[50];
    uint64_t seen[100];

    other.writer = 0;
    other.listen_fd = rig_listen();
    RIG_CHECK(rig_start_writer(&other) == 0);
    rig_open_store(&other);
    for (int i = 0; i < 50; i++) {
        rig_begin_put(rig, &a[i], "two", "same", "a", 1);
        rig_begin_put(&other, &b[i], "two", "same", "b", 1);
    }
    for (int i = 0; i < 50; i++) {
        assert_in_range(rig_wait_put(rig, &a[i], &seen[i]), STORE_OK, STORE_CREATED);
        assert_in_range(rig_wait_put(&other, &b[i], &seen[50 + i]), STORE_OK,
                        STORE_CREATED);
    }
    for (int i = 0; i < 100; i++) /* no version is used twice */
        for (int n = 0; n < i; n++)
            assert_true(seen[i] != seen[n]);
    store_close(&other.store);
    assert_int_equal(rig_end_writer(&other, SIGTERM), 0);
    close(other.listen_fd);
    check_soundness(rig);
}

/* Few flushes answer many clients at once. */
static void groups_are_formed_under_load(void **state)
{
    struct rig *rig = *state;
    struct store_counters counters;
    struct load load;

    load_init(&load, rig, 256, 2560, 5000);
    while (load.answered < 5000)
        load_turn(&load, EVRUN_ONCE);
    assert_int_equal(load.down, 0);
    store_read_counters(rig->store, &counters);
    assert_int_equal(counters.writer_writes, 5000);
    assert_in_range(counters.writer_commits, 1, 5000 / 8);
    print_message("5000 puts in %llu commits\n",
                  (unsigned long long)counters.writer_commits);
    load_free(&load);
}

static void no_descriptor_is_leaked(void **state)
{
    struct rig *rig = *state;
    unsigned before = rig_count_fds();

    for (int i = 0; i < 10; i++) {
        rig_end_writer(rig, SIGKILL);
        assert_int_equal(rig_start_writer(rig), 0);
        assert_in_range(rig_put_text(rig, "fd", "x", "1"), STORE_OK, STORE_CREATED);
    }
    assert_int_equal(rig_count_fds(), before);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(thousand_puts_then_kill),
        WITH_STORE(front_and_writer_killed_mid_load),
        WITH_STORE(writer_killed_mid_batch),
        WITH_STORE(random_kills),
        WITH_STORE(graceful_restarts_lose_nothing),
        WITH_STORE(two_writers_at_once),
        WITH_STORE(groups_are_formed_under_load),
        WITH_STORE(no_descriptor_is_leaked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
