/* Large memory that another thread frees; the sanitizers find blocks that are lost or
 * freed twice.
 */
#include "common/loop/background_free.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"

#define LARGE BACKGROUND_FREE_MIN_BYTES
#define SMALL (BACKGROUND_FREE_MIN_BYTES - 1)

static void free_both(void)
{
    background_free_bytes(mem_zalloc(LARGE), LARGE);
    background_free_bytes(mem_zalloc(SMALL), SMALL);
    background_free_bytes(NULL, LARGE);
}

static void without_a_thread_all_is_freed_at_once(void **state)
{
    (void)state;
    free_both();
    assert_int_equal(background_free_count(), 0);
    background_free_stop(); /* no-op */
}

static void the_thread_frees_what_is_large(void **state)
{
    uint64_t before = background_free_count();

    (void)state;
    background_free_start();
    background_free_start(); /* no-op */
    for (unsigned i = 0; i < 50; i++)
        free_both();
    background_free_stop(); /* waits until all is freed */
    assert_int_equal(background_free_count() - before, 50);
    free_both();
    assert_int_equal(background_free_count() - before, 50);
}

static void it_may_start_again(void **state)
{
    uint64_t before = background_free_count();

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        background_free_start();
        free_both();
        background_free_stop();
        assert_int_equal(background_free_count() - before, i);
    }
}

/* Blobs that were copied, taken over, or are still a buffer. A blob with a second
   reference stays. */
static void large_blobs_and_buffers_go_that_way(void **state)
{
    struct buf bytes = BUF_INIT;
    struct blob *copy, *taken, *held;
    uint64_t before = background_free_count();

    (void)state;
    background_free_start();
    memset(buf_reserve(&bytes, LARGE), 'x', LARGE);
    bytes.len = LARGE;
    copy = blob_new_copy(bytes.data, bytes.len);
    taken = blob_new_steal(&bytes);
    held = blob_ref(taken);
    memset(buf_reserve(&bytes, LARGE), 'y', LARGE);
    blob_unref(&copy);
    blob_unref(&taken);
    buf_free(&bytes);
    background_free_stop();
    assert_int_equal(background_free_count() - before, 2);
    assert_int_equal(held->bytes.data[LARGE - 1], 'x');
    blob_unref(&held);
}

static void free_own(void *object)
{
    struct blob **blob = object;

    blob_unref(blob); /* small: freed here */
    mem_free(object);
}

static void objects_are_freed_in_their_own_way(void **state)
{
    uint64_t before = background_free_count();

    (void)state;
    for (unsigned threads = 0; threads < 2; threads++) {
        for (unsigned large = 0; large < 2; large++) {
            struct blob **object = mem_alloc(sizeof(struct blob *));

            *object = blob_new_copy("x", 1);
            background_free_object(free_own, object, large ? LARGE : SMALL);
        }
        background_free_start();
    }
    background_free_stop();
    assert_int_equal(background_free_count() - before, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_thread_all_is_freed_at_once),
        cmocka_unit_test(the_thread_frees_what_is_large),
        cmocka_unit_test(it_may_start_again),
        cmocka_unit_test(objects_are_freed_in_their_own_way),
        cmocka_unit_test(large_blobs_and_buffers_go_that_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
