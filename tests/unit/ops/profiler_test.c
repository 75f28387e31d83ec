/* Profiles of the loop thread. */
#include "server/ops/profiler.h"

#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"

/* A test that gets a profiler in *state. */
#define PROFILER_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

struct fixture {
    struct ev_loop *loop;
    struct profiler *profiler;
    unsigned ended;
    size_t bytes;
    uint64_t samples;
};

/* The samples in gperftools' format: words; a header of 3 + 2, then per stack its count,
   its depth and its addresses, until a stack of count 0. */
static uint64_t count_samples(struct slice profile)
{
    const size_t words = profile.len / sizeof(uintptr_t);
    uint64_t samples = 0;
    uintptr_t at[3];
    size_t i;

    memcpy(at, profile.data, 2 * sizeof *at);
    assert_int_equal(at[0], 0);
    for (i = at[1] + 2; i + 2 < words; i += 2 + at[1]) {
        memcpy(at, profile.data + i * sizeof *at, sizeof at);
        if (at[0] == 0)
            return samples;
        samples += at[0];
    }
    fail_msg("no end of the samples");
    return 0;
}

static void on_done(void *ctx, struct blob *profile)
{
    struct fixture *f = ctx;

    f->ended++;
    assert_non_null(profile);
    f->bytes = profile->bytes.len;
    f->samples = count_samples(profile->bytes);
    ev_break(f->loop, EVBREAK_ALL);
}

static void on_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
    (void)loop, (void)idle, (void)events;
    usleep(100);
}

/* A loop that is busy for as long as it runs. */
static void on_busy(struct ev_loop *loop, ev_idle *idle, int events)
{
    uint64_t end = clock_thread_cpu_ns() + 1000000;

    (void)loop, (void)idle, (void)events;
    while (clock_thread_cpu_ns() < end) {
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->loop = ev_loop_new(EVFLAG_AUTO);
    f->profiler = profiler_create(f->loop);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    profiler_destroy(&f->profiler);
    assert_null(f->profiler);
    ev_loop_destroy(f->loop);
    free(f);
    return 0;
}

static void run_with(struct fixture *f, void (*what)(struct ev_loop *, ev_idle *, int))
{
    ev_idle idle;

    ev_idle_init(&idle, what);
    ev_idle_start(f->loop, &idle);
    ev_run(f->loop, 0);
    ev_idle_stop(f->loop, &idle);
}

static void test_cpu(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(profiler_start(f->profiler, 1, PROFILER_CPU, on_done, f), 0);
    /* One at a time. */
    assert_int_equal(profiler_start(f->profiler, 1, PROFILER_CPU, on_done, f), -1);
    run_with(f, on_busy);
    assert_int_equal(f->ended, 1);
    assert_true(f->samples >= 1); /* how much CPU we get is the machine's choice */
    /* And another. */
    assert_int_equal(profiler_start(f->profiler, 60, PROFILER_CPU, on_done, f), 0);
    profiler_finish(f->profiler);
    run_with(f, on_busy);
    assert_int_equal(f->ended, 2);
}

/* Waiting has no CPU samples to speak of, but wall samples. */
static void test_wall(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(profiler_start(f->profiler, 1, PROFILER_WALL, on_done, f), 0);
    run_with(f, on_idle);
    assert_int_equal(f->ended, 1);
    assert_true(f->samples >= 10);
}

static void test_cancelled(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(profiler_start(f->profiler, 60, PROFILER_CPU, on_done, f), 0);
    profiler_cancel(f->profiler);
    while (profiler_start(f->profiler, 1, PROFILER_CPU, on_done, f) != 0)
        ev_run(f->loop, EVRUN_ONCE); /* until the cancelled one has ended */
    assert_int_equal(f->ended, 0);
    profiler_finish(f->profiler);
    ev_run(f->loop, 0);
    assert_int_equal(f->ended, 1);
}

/* The destructor of a running one waits for its thread and calls nobody. */
static void test_destroyed_while_running(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(profiler_start(f->profiler, 60, PROFILER_WALL, on_done, f), 0);
    profiler_destroy(&f->profiler);
    assert_int_equal(f->ended, 0);
}

static void test_file(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/offloop-profiler-XXXXXX";
    uint8_t head[5 * sizeof(uintptr_t)];
    int fd = mkstemp(path);

    assert_int_equal(profiler_open_file("/no/such/folder/x"), -1);
    assert_int_equal(profiler_open_file(path), 0);
    /* The file's has the sampler: no other can start. */
    assert_int_equal(profiler_start(f->profiler, 1, PROFILER_CPU, on_done, f), -1);
    profiler_close_file();
    profiler_close_file(); /* nothing to do */
    assert_int_equal(read(fd, head, sizeof head), sizeof head);
    unlink(path);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROFILER_TEST(test_cpu),       PROFILER_TEST(test_wall),
        PROFILER_TEST(test_cancelled), PROFILER_TEST(test_destroyed_while_running),
        PROFILER_TEST(test_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
