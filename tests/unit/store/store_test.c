/* The store as a front sees it, with a real writer process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/store/store_rig.h"

#include "common/alloc.h"

static int setup(void **state)
{
    struct rig *rig = mem_zalloc(sizeof *rig);

    rig_start(rig, 64 << 20);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    rig_stop(rig);
    mem_free(rig);
    return 0;
}

static void put_get_delete(void **state)
{
    struct rig *rig = *state;

    assert_int_equal(rig_find(rig, "a", "1"), STORE_NOT_FOUND);
    assert_int_equal(rig_put_text(rig, "a", "1", "one"), STORE_CREATED);
    assert_true(rig_has_text(rig, "a", "1", "one"));
    assert_int_equal(rig_put_text(rig, "a", "1", "two"), STORE_OK);
    assert_true(rig_has_text(rig, "a", "1", "two"));
    assert_int_equal(rig_find(rig, "a", "2"), STORE_NOT_FOUND);
    assert_int_equal(rig_find(rig, "a1", "1"), STORE_NOT_FOUND);
    assert_int_equal(rig_remove(rig, "a", "1"), STORE_OK);
    assert_int_equal(rig_find(rig, "a", "1"), STORE_NOT_FOUND);
    assert_int_equal(rig_remove(rig, "a", "1"), STORE_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_get_delete, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
