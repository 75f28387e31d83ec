/* The shared counters and the loop's accounting. */
#include "server/stats/stats.h"

#include <errno.h>
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "server/stats/stats_loop.h"

static void test_shared_by_processes(void **state)
{
    int fd = stats_create_fd(2), status;
    struct stats *stats = stats_open(fd);
    pid_t child;

    (void)state;
    assert_non_null(stats);
    assert_int_equal(stats_fronts(stats), 2);
    child = fork();
    if (child == 0) {
        struct stats *mine = stats_open(fd);

        stats_add(&stats_slot(mine, 1)->codec_runs, 3);
        stats_set(&stats_slot(mine, 1)->queue_depth, 7);
        stats_close(&mine);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(stats_read(&stats_slot(stats, 1)->codec_runs), 3);
    assert_int_equal(stats_read(&stats_slot(stats, 1)->queue_depth), 7);
    assert_int_equal(stats_read(&stats_slot(stats, 0)->codec_runs), 0);
    stats_close(&stats);
    assert_null(stats);
    close(fd);
}

static void test_foreign_memory_is_refused(void **state)
{
    char garbage[sizeof(struct stats_front) * 2];
    int fd = memfd_create("garbage", MFD_CLOEXEC);

    (void)state;
    assert_null(stats_open(fd));
    memset(garbage, 0x5a, sizeof garbage);
    assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
    assert_null(stats_open(fd));
    assert_int_equal(errno, EINVAL);
    close(fd);
    assert_null(stats_open(fd));
}

static void test_fronts_come_and_go(void **state)
{
    static struct stats_front slot;

    (void)state;
    assert_false(stats_front_is_alive(&slot)); /* never used */
    stats_front_take(&slot, (uint64_t)getpid());
    assert_true(stats_front_is_alive(&slot));
    stats_set(&slot.connections, 5);
    stats_add(&slot.connections_total, 5);
    assert_non_null(stats_worker_take(&slot, 11));
    /* Killed, and another has taken its place: counts stay, gauges do not. */
    stats_front_take(&slot, (uint64_t)getpid());
    assert_int_equal(stats_read(&slot.connections), 0);
    assert_int_equal(stats_read(&slot.connections_total), 5);
    assert_int_equal(stats_read(&slot.worker[0].up), 0);
    stats_front_leave(&slot);
    assert_false(stats_front_is_alive(&slot));
    assert_int_equal(stats_read(&slot.pid), getpid());
}

static void test_a_killed_front_is_not_alive(void **state)
{
    static struct stats_front slot;
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0)
        _exit(0);
    stats_front_take(&slot, (uint64_t)child);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(stats_front_is_alive(&slot));
}

static void test_workers_get_rows(void **state)
{
    static struct stats_front slot;
    struct stats_worker *one = stats_worker_take(&slot, 11);
    struct stats_worker *two = stats_worker_take(&slot, 12);

    (void)state;
    assert_ptr_equal(one, &slot.worker[0]);
    assert_ptr_equal(two, &slot.worker[1]);
    stats_set(&one->jobs_in_flight, 3);
    stats_worker_leave(one);
    assert_int_equal(stats_read(&one->jobs_in_flight), 0);
    /* The same process again is no restart; another one in its place is. */
    assert_ptr_equal(stats_worker_take(&slot, 11), one);
    assert_int_equal(stats_read(&one->restarts), 0);
    stats_worker_leave(one);
    assert_ptr_equal(stats_worker_take(&slot, 13), one);
    assert_int_equal(stats_read(&one->restarts), 1);
    for (unsigned i = 2; i < STATS_WORKERS; i++)
        assert_non_null(stats_worker_take(&slot, 100 + i));
    assert_null(stats_worker_take(&slot, 99));
    stats_worker_leave(NULL);
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(stats_size_of(0), STATS_LIGHT);
    assert_int_equal(stats_size_of(16383), STATS_LIGHT);
    assert_int_equal(stats_size_of(16384), STATS_MEDIUM);
    assert_int_equal(stats_size_of(262144), STATS_HEAVY);
    assert_int_equal(stats_size_of(UINT64_MAX), STATS_HEAVY);
    assert_string_equal(stats_size_label(STATS_HEAVY), "heavy");
}

/* Uses that much CPU time of this thread. */
static void burn(uint64_t ns)
{
    uint64_t end = clock_thread_cpu_ns() + ns;

    while (clock_thread_cpu_ns() < end) {
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    enum stats_phase was = stats_phase_enter(STATS_ENCODE);

    (void)events;
    assert_int_equal(was, STATS_HTTP);
    assert_int_equal(stats_phase_enter(was), STATS_ENCODE);
    if (--*(int *)timer->data == 0)
        ev_break(loop, EVBREAK_ALL);
}

/* Runs a loop over five timers; `what` is done in each. */
static void run_loop(struct stats_front *slot,
                     void (*what)(struct ev_loop *, ev_timer *, int))
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer timer;
    int turns = 5;

    stats_loop_watch(loop, slot);
    ev_timer_init(&timer, what, 0.001, 0.001);
    timer.data = &turns;
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    stats_loop_unwatch(loop);
    ev_timer_stop(loop, &timer);
    ev_loop_destroy(loop);
}

static uint64_t sum_of(const stats_counter *phases)
{
    uint64_t sum = 0;

    for (int i = 0; i < STATS_PHASES; i++)
        sum += stats_read(&phases[i]);
    return sum;
}

static void test_loop_is_accounted(void **state)
{
    static struct stats_front slot;

    (void)state;
    assert_int_equal(stats_phase_enter(STATS_STORE), STATS_POLL);
    run_loop(&slot, on_timer);
    assert_true(stats_histogram_total(&slot.away) >= 5);
    assert_int_equal(stats_histogram_total(&slot.away), stats_read(&slot.loop_turns));
    assert_int_equal(stats_histogram_total(&slot.away_cpu), stats_read(&slot.loop_turns));
    assert_true(stats_read(&slot.phase_ns[STATS_POLL]) > 0);
    assert_true(stats_read(&slot.phase_ns[STATS_ENCODE]) > 0);
    assert_true(stats_read(&slot.loop_cpu_ns) > 0);
    assert_true(stats_read(&slot.away.max_ns) > 0);
}

static void on_timer_burning(struct ev_loop *loop, ev_timer *timer, int events)
{
    enum stats_phase was = stats_phase_enter(STATS_ENCODE);

    (void)events;
    burn(3000000);
    stats_phase_enter(was);
    if (--*(int *)timer->data == 0)
        ev_break(loop, EVBREAK_ALL);
}

/* CPU that a phase used is its own, and what all have is what the thread used. */
static void test_cpu_by_phase(void **state)
{
    static struct stats_front slot;
    uint64_t encode, all;

    (void)state;
    run_loop(&slot, on_timer_burning);
    encode = stats_read(&slot.phase_cpu_ns[STATS_ENCODE]);
    all = sum_of(slot.phase_cpu_ns);
    assert_true(encode >= 5 * UINT64_C(3000000));
    assert_true(encode <= stats_read(&slot.phase_ns[STATS_ENCODE]));
    assert_true(all >= encode);
    /* A preempted step shorter than a reading is all that may be too much. */
    assert_true(all >= stats_read(&slot.loop_cpu_ns));
    assert_true(all < 2 * stats_read(&slot.loop_cpu_ns));
    assert_true(slot.away_cpu.max_ns >= 3000000);
}

static void on_timer_sleeping(struct ev_loop *loop, ev_timer *timer, int events)
{
    enum stats_phase was = stats_phase_enter(STATS_STORE);

    (void)events;
    usleep(20000);
    stats_phase_enter(was);
    if (--*(int *)timer->data == 0)
        ev_break(loop, EVBREAK_ALL);
}

/* A loop that is kept waiting is away, without using CPU. */
static void test_waiting_is_no_cpu(void **state)
{
    static struct stats_front slot;

    (void)state;
    run_loop(&slot, on_timer_sleeping);
    assert_true(stats_read(&slot.phase_ns[STATS_STORE]) >= 5 * UINT64_C(20000000));
    assert_true(stats_read(&slot.phase_cpu_ns[STATS_STORE]) <=
                stats_read(&slot.loop_cpu_ns));
    assert_true(stats_histogram_quantile_ns(&slot.away, 0.5) >= 20000000);
    assert_true(stats_histogram_quantile_ns(&slot.away_cpu, 0.5) < 20000000);
}

static void late_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    stats_phase_enter(STATS_RPC);
    burn(2000000);
    stats_phase_enter(STATS_POLL);
}

/* What another room does before poll, though after ours, belongs to the time away. */
static void test_late_prepare_is_away(void **state)
{
    static struct stats_front slot;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    ev_prepare prepare;
    ev_timer timer;
    int turns = 2;

    (void)state;
    ev_prepare_init(&prepare, late_prepare);
    ev_set_priority(&prepare, EV_MINPRI);
    ev_prepare_start(loop, &prepare);
    stats_loop_watch(loop, &slot);
    ev_timer_init(&timer, on_timer, 0.001, 0.001);
    timer.data = &turns;
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    stats_loop_unwatch(loop);
    assert_true(stats_read(&slot.away.max_ns) >= 2000000);
    ev_prepare_stop(loop, &prepare);
    ev_timer_stop(loop, &timer);
    ev_loop_destroy(loop);
}

static void test_labels(void **state)
{
    (void)state;
    assert_string_equal(stats_phase_label(STATS_WRITE), "write");
    assert_string_equal(stats_route_label(STATS_ROUTE_OTHER), "other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_by_processes),
        cmocka_unit_test(test_foreign_memory_is_refused),
        cmocka_unit_test(test_fronts_come_and_go),
        cmocka_unit_test(test_a_killed_front_is_not_alive),
        cmocka_unit_test(test_workers_get_rows),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_loop_is_accounted),
        cmocka_unit_test(test_cpu_by_phase),
        cmocka_unit_test(test_waiting_is_no_cpu),
        cmocka_unit_test(test_late_prepare_is_away),
        cmocka_unit_test(test_labels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
