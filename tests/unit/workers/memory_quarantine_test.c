/* What lost workers may still read: how long it is kept, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/blob.h"
#include "server/workers/memory/memory_quarantine.h"

#define MAX_BYTES 1000
#define NOW       (5 * NS_PER_S)

static unsigned alive; /* blobs */

static void release(struct blob *blob)
{
    free(blob);
    alive--;
}

static int setup(void **state)
{
    alive = 0;
    *state = memory_quarantine_create(MAX_BYTES);
    return 0;
}

static int teardown(void **state)
{
    struct memory_quarantine *quarantine = *state;

    memory_quarantine_destroy(&quarantine);
    assert_null(quarantine);
    memory_quarantine_destroy(&quarantine); /* none is allowed */
    assert_int_equal(alive, 0);
    return 0;
}

static void add(struct memory_quarantine *quarantine, size_t len, pid_t process,
                uint64_t now_ns)
{
    struct blob *blob = malloc(sizeof *blob);

    assert_non_null(blob);
    *blob = (struct blob){{NULL, len}, 1, release};
    alive++;
    memory_quarantine_add(quarantine, &blob, process, now_ns);
    assert_null(blob);
}

/* The number of a process that has ended. */
static pid_t ended_process(void)
{
    pid_t process = fork();

    if (process == 0)
        _exit(0);
    assert_true(process > 0);
    assert_int_equal(waitpid(process, NULL, 0), process);
    return process;
}

static void a_process_that_is_there_keeps_it(void **state)
{
    struct memory_quarantine *quarantine = *state;

    add(quarantine, 10, getpid(), NOW);
    memory_quarantine_tick(quarantine, NOW);
    memory_quarantine_tick(quarantine, NOW + MEMORY_QUARANTINE_NS);
    assert_int_equal(alive, 1);
    assert_int_equal(memory_quarantine_bytes(quarantine), 10);
    memory_quarantine_tick(quarantine, NOW + MEMORY_QUARANTINE_NS + 1); /* not for ever */
    assert_int_equal(alive, 0);
    assert_int_equal(memory_quarantine_bytes(quarantine), 0);
}

static void a_process_that_has_ended_does_not(void **state)
{
    struct memory_quarantine *quarantine = *state;

    add(quarantine, 10, getpid(), NOW);
    add(quarantine, 20, ended_process(), NOW);
    add(quarantine, 30, getpid(), NOW);
    memory_quarantine_tick(quarantine, NOW);
    assert_int_equal(alive, 2);
    assert_int_equal(memory_quarantine_bytes(quarantine), 40);
}

/* Of another container: nobody knows. (0 and less would be groups of processes.) */
static void a_process_that_is_not_seen_keeps_it(void **state)
{
    struct memory_quarantine *quarantine = *state;

    add(quarantine, 10, 0, NOW);
    add(quarantine, 20, -1, NOW);
    memory_quarantine_tick(quarantine, NOW + MEMORY_QUARANTINE_NS);
    assert_int_equal(alive, 2);
    memory_quarantine_tick(quarantine, NOW + MEMORY_QUARANTINE_NS + 1);
    assert_int_equal(alive, 0);
}

static void the_oldest_go_where_there_is_too_much(void **state)
{
    struct memory_quarantine *quarantine = *state;

    add(quarantine, 600, 0, NOW);
    add(quarantine, 400, 0, NOW);
    assert_int_equal(alive, 2);
    add(quarantine, 1, 0, NOW);
    assert_int_equal(alive, 2);
    assert_int_equal(memory_quarantine_bytes(quarantine), 401);
    add(quarantine, MAX_BYTES, 0, NOW);
    assert_int_equal(alive, 1);
    add(quarantine, MAX_BYTES + 1, 0, NOW); /* itself, too */
    assert_int_equal(alive, 0);
    assert_int_equal(memory_quarantine_bytes(quarantine), 0);
}

static void many_leave_nothing(void **state)
{
    struct memory_quarantine *quarantine = *state;

    for (unsigned i = 0; i < 100000; i++) {
        add(quarantine, i % 300, i % 2 == 0 ? 0 : getpid(), NOW + i);
        assert_true(memory_quarantine_bytes(quarantine) <= MAX_BYTES);
    }
    memory_quarantine_tick(quarantine, NOW + 100000 + MEMORY_QUARANTINE_NS);
    assert_int_equal(alive, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_process_that_is_there_keeps_it),
        TEST(a_process_that_has_ended_does_not),
        TEST(a_process_that_is_not_seen_keeps_it),
        TEST(the_oldest_go_where_there_is_too_much),
        TEST(many_leave_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
