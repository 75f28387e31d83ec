/* A front's pool: what of it is whose, and who may write to it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/workers/memory/input_pool.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "common/base/page_allocator.h"

#define BYTES (UINT64_C(1) << 20)
#define PAGE  PAGE_ALLOCATOR_PAGE_BYTES

struct fixture {
    struct socket_closer *socket_closer;
    struct input_pool *pool;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture.socket_closer = socket_closer_create();
    fixture.pool = input_pool_create(BYTES);
    assert_non_null(fixture.pool);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    input_pool_destroy(&fixture->pool, fixture->socket_closer);
    assert_null(fixture->pool);
    input_pool_destroy(&fixture->pool, fixture->socket_closer); /* none is allowed */
    assert_true(socket_closer_destroy(&fixture->socket_closer, 20000));
    return 0;
}

/* A worker has the descriptor, and may try what it likes. */
static void nobody_else_can_write(void **state)
{
    struct fixture *fixture = *state;
    int fd = input_pool_fd(fixture->pool);
    struct stat st;
    uint8_t *bytes, *theirs;
    struct blob *blob = input_pool_take(fixture->pool, 3, &bytes);

    assert_ptr_equal(mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
                     MAP_FAILED);
    assert_int_equal(errno, EPERM);
    assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 2 * BYTES), -1);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE),
                     -1);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, BYTES);
    theirs = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(theirs, MAP_FAILED);
    assert_int_equal(mprotect(theirs, BYTES, PROT_READ | PROT_WRITE), -1);
    memcpy(bytes, "abc", 3); /* but we can */
    assert_memory_equal(theirs, "abc", 3);
    munmap(theirs, BYTES);
    blob_unref(&blob);
}

static void sizes_are_whole_pages(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *pool = input_pool_create(PAGE + 1);

    assert_int_equal(input_pool_bytes(fixture->pool), BYTES);
    assert_int_equal(input_pool_bytes(pool), 2 * PAGE);
    input_pool_destroy(&pool, fixture->socket_closer);
}

static void what_is_taken_is_nobody_elses(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *first_bytes, *second_bytes, *bytes;
    struct blob *first = input_pool_take(fixture->pool, PAGE + 1, &first_bytes);
    struct blob *second = input_pool_take(fixture->pool, BYTES - 2 * PAGE, &second_bytes);

    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(first->bytes.len, PAGE + 1);
    assert_ptr_equal(first->bytes.data, first_bytes);
    assert_ptr_equal(second_bytes, first_bytes + 2 * PAGE);
    assert_null(input_pool_take(fixture->pool, 1, &bytes));
    (void)blob_ref(first);
    blob_unref(&(struct blob *){first});
    assert_null(input_pool_take(fixture->pool, 1, &bytes)); /* somebody still has it */
    blob_unref(&first);
    first = input_pool_take(fixture->pool, 1, &bytes);
    assert_ptr_equal(bytes, first_bytes);
    blob_unref(&first);
    blob_unref(&second);
    first = input_pool_take(fixture->pool, BYTES, &bytes);
    assert_non_null(first);
    blob_unref(&first);
}

static void bytes_are_found(void **state)
{
    struct fixture *fixture = *state;
    uint8_t *bytes, *other_bytes;
    struct blob *blob = input_pool_take(fixture->pool, BYTES - PAGE, &bytes);
    struct blob *other = input_pool_take(fixture->pool, PAGE, &other_bytes);
    static const uint8_t elsewhere[10];
    uint64_t offset = 9;

    assert_true(input_pool_find(fixture->pool, blob->bytes, &offset));
    assert_int_equal(offset, 0);
    assert_true(input_pool_find(fixture->pool, other->bytes, &offset));
    assert_int_equal(offset, BYTES - PAGE);
    assert_true(input_pool_find(fixture->pool, (struct slice){other_bytes + PAGE - 1, 1},
                                &offset));
    assert_int_equal(offset, BYTES - 1);
    assert_false(input_pool_find(fixture->pool, (struct slice){elsewhere, 10}, &offset));
    assert_false(input_pool_find(fixture->pool, (struct slice){NULL, 0}, &offset));
    assert_false(
        input_pool_find(fixture->pool, (struct slice){other_bytes + PAGE, 0}, &offset));
    blob_unref(&blob);
    blob_unref(&other);
}

static void it_outlives_its_last_blob(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *ending = input_pool_create(BYTES);
    uint8_t *bytes, *last;
    struct blob *blob = input_pool_take(ending, 10, &bytes);
    struct blob *other = input_pool_take(ending, BYTES - PAGE, &last);

    input_pool_destroy(&ending, fixture->socket_closer);
    assert_null(ending);
    memset(bytes, 1, 10);
    blob_unref(&blob);
    memset(last, 2, BYTES - PAGE);
    assert_int_equal(other->bytes.data[0], 2);
    blob_unref(&other); /* a sanitizer would tell of what is left */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_else_can_write),         TEST(sizes_are_whole_pages),
        TEST(what_is_taken_is_nobody_elses), TEST(bytes_are_found),
        TEST(it_outlives_its_last_blob),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
