/* The identity of a process, from OFFLOOP_CHILD; and the set of a master's children. */
#include "common/process/spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/master/master_child.h"

static void without_variable_it_is_the_master(void **state)
{
    struct spawn_self self;

    (void)state;
    unsetenv("OFFLOOP_CHILD");
    assert_int_equal(spawn_self_read(&self), 0);
    assert_int_equal(self.role, SPAWN_MASTER);
    assert_false(spawn_is_child());
}

static void children_are_named(void **state)
{
    (void)state;
    for (int role = SPAWN_MASTER + 1; role < SPAWN_ROLES; role++) {
        struct spawn_self self;
        char text[64], name[32] = "", wanted[64];

        snprintf(text, sizeof text, "%d %s 17 18446744073709551615", SPAWN_VERSION,
                 spawn_role_name((enum spawn_role)role));
        setenv("OFFLOOP_CHILD", text, 1);
        assert_int_equal(spawn_self_read(&self), 0);
        assert_int_equal(self.role, role);
        assert_true(spawn_is_child());
        assert_int_equal(self.index, 17);
        assert_true(self.generation == UINT64_MAX);
        assert_null(getenv("OFFLOOP_CHILD"));
        prctl(PR_GET_NAME, name);
        snprintf(wanted, sizeof wanted, "offloop-%s",
                 spawn_role_name((enum spawn_role)role));
        assert_string_equal(name, wanted);
    }
}

static void malformed_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "2",
        "2 front",
        "2 front 0",
        "2 front 0 x",
        "x front 0 1",
        "1 front 0 1",
        "2 master 0 1",
        "2 nobody 0 1",
        "2 front 0 1 more",
        "2 averyveryverylongrole 0 1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct spawn_self self;

        setenv("OFFLOOP_CHILD", texts[i], 1);
        if (spawn_self_read(&self) == 0)
            fail_msg("\"%s\" was taken", texts[i]);
    }
    unsetenv("OFFLOOP_CHILD");
}

/* Each message is one byte. Without a master, sending does nothing. */
static void messages_arrive(void **state)
{
    int pair[2], saved = fcntl(SPAWN_FD_CONTROL, F_DUPFD, 20), master_end;
    char byte;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    master_end = fcntl(pair[0], F_DUPFD, 20); /* out of the way of the fixed number */
    assert_true(dup2(pair[1], SPAWN_FD_CONTROL) >= 0);
    for (int i = 0; i < 2; i++)
        if (pair[i] != SPAWN_FD_CONTROL)
            close(pair[i]);
    spawn_tell(SPAWN_READY);
    spawn_tell(SPAWN_DID);
    assert_int_equal(recv(master_end, &byte, 1, 0), 1);
    assert_int_equal(byte, SPAWN_READY);
    assert_int_equal(recv(master_end, &byte, 1, 0), 1);
    assert_int_equal(byte, SPAWN_DID);
    close(master_end);
    spawn_tell(SPAWN_DID);
    close(SPAWN_FD_CONTROL);
    if (saved >= 0) {
        dup2(saved, SPAWN_FD_CONTROL);
        close(saved);
    }
}

static const struct master_role roles[] = {
    {.role = SPAWN_WRITER, .count = 1},
    {.role = SPAWN_FRONT, .count = 3, .stage = 1, .renewed = true},
};
static const struct master_plan plan = {.roles = roles, .role_count = 2, .shared_fd = -1};

static unsigned count_index(const struct master_set *set, unsigned index)
{
    unsigned count = 0;

    for (unsigned i = 0; i < set->count; i++)
        count +=
            set->items[i]->self.role == SPAWN_FRONT && set->items[i]->self.index == index;
    return count;
}

static void indices_are_unique_and_low(void **state)
{
    struct master_set set = {NULL, 0};

    (void)state;
    master_set_add(&set, "test", &plan, false, 1);
    assert_int_equal(set.count, 4);
    master_set_add(&set, "test", &plan, true, 2);
    assert_int_equal(set.count, 7); /* the writer stays alone */
    for (unsigned index = 0; index < 6; index++)
        assert_int_equal(count_index(&set, index), 1);
    for (unsigned i = 0; i < set.count; i++)
        if (set.items[i]->self.generation == 1 && set.items[i]->stage == 1)
            master_child_stop(set.items[i], 0); /* without a process: gone at once */
    master_set_sweep(&set);
    assert_int_equal(set.count, 4);
    master_set_add(&set, "test", &plan, true, 3);
    for (unsigned index = 0; index < 6; index++)
        assert_int_equal(count_index(&set, index), 1);
    master_set_free(&set);
}

static void stages_of_a_set(void **state)
{
    struct master_set set = {NULL, 0};

    (void)state;
    assert_true(master_set_is_ready(&set, &plan));
    assert_false(master_set_lives(&set, 0));
    master_set_add(&set, "test", &plan, false, 1);
    assert_int_equal(master_set_last_stage(&set), 1);
    assert_false(master_set_is_ready(&set, &plan));
    for (unsigned i = 0; i < set.count; i++) /* the writer has no stage before it */
        assert_int_equal(master_set_may_start(&set, set.items[i]),
                         set.items[i]->stage == 0);
    assert_true(master_set_lives(&set, 1));
    assert_false(master_set_lives(&set, 2));
    assert_null(master_set_find(&set, 1));
    master_set_free(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_variable_it_is_the_master),
        cmocka_unit_test(children_are_named),
        cmocka_unit_test(malformed_is_refused),
        cmocka_unit_test(messages_arrive),
        cmocka_unit_test(indices_are_unique_and_low),
        cmocka_unit_test(stages_of_a_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
