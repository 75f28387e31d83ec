/* What lies where in an arena, and what a worker may not make the front believe of it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/codec/codec.h"
#include "common/base/blob.h"
#include "server/workers/memory/arena.h"
#include "server/workers/memory/job_memory.h"
#include "server/workers/memory/input_pool.h"
#include "server/workers/nng_faults/socket_closer.h"
#include "server/workers/memory/memory_quarantine.h"

#define ARENA_BYTES (UINT64_C(1) << 20)

struct fixture {
    struct socket_closer *socket_closer;
    struct arena *arena;
    struct job_memory *job_memory;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture.socket_closer = socket_closer_create();
    fixture.arena = arena_create(ARENA_BYTES);
    assert_non_null(fixture.arena);
    fixture.job_memory = job_memory_create(fixture.arena, NULL);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    job_memory_destroy(&fixture->job_memory);
    assert_int_equal(page_allocator_free_bytes(fixture->arena->pages), ARENA_BYTES);
    arena_destroy(&fixture->arena, fixture->socket_closer);
    assert_null(fixture->arena);
    assert_true(socket_closer_destroy(&fixture->socket_closer, 20000));
    return 0;
}

static struct wire_job job_of(uint64_t id, unsigned op, size_t bytes)
{
    return (struct wire_job){.id = id,
                             .op = op,
                             .max_output = WIRE_MAX_PAYLOAD_BYTES,
                             .payload = {.bytes = {NULL, bytes}}};
}

static struct wire_result result_at(uint64_t id, uint64_t offset, size_t bytes)
{
    return (struct wire_result){
        .id = id,
        .payload = {.bytes = {NULL, bytes}, .in_arena = true, .offset = offset}};
}

static void an_arena_keeps_its_size(void **state)
{
    struct fixture *fixture = *state;
    int fd = fixture->arena->fd;
    struct stat st;

    assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(ftruncate(fd, 2 * ARENA_BYTES), -1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, ARENA_BYTES);
    arena_close_fd(fixture->arena);
    assert_int_equal(fixture->arena->fd, -1);
    fixture->arena->data[ARENA_BYTES - 1] = 1; /* it is there without the descriptor */
}

static void payload_and_reply_have_room(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job encode = job_of(1, CODEC_OP_ENCODE, 40000);
    struct wire_job decode = job_of(2, CODEC_OP_DECODE, 40000);
    uint8_t *to = job_memory_place(fixture->job_memory, &encode, NULL);

    assert_true(encode.payload.in_arena && encode.has_reply_space);
    assert_ptr_equal(to, fixture->arena->data + encode.payload.offset);
    assert_in_range(encode.reply_bytes, 80000, 80000 + PAGE_ALLOCATOR_PAGE_BYTES);
    assert_non_null(job_memory_place(fixture->job_memory, &decode, NULL));
    assert_in_range(decode.reply_bytes, 60000, 60000 + PAGE_ALLOCATOR_PAGE_BYTES);
    assert_true(encode.reply_offset + encode.reply_bytes <= decode.payload.offset);
    assert_false(job_memory_is_empty(fixture->job_memory));
    job_memory_free(fixture->job_memory, 1);
    job_memory_free(fixture->job_memory, 1); /* it has nothing any more */
    job_memory_free(fixture->job_memory, 2);
    assert_true(job_memory_is_empty(fixture->job_memory));
}

static void small_payloads_stay_in_the_message(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job small = job_of(1, CODEC_OP_DECODE, 2000);
    struct wire_job grows = job_of(2, CODEC_OP_ENCODE, 2100);

    assert_null(job_memory_place(fixture->job_memory, &small, NULL));
    assert_false(small.payload.in_arena || small.has_reply_space);
    assert_true(job_memory_is_empty(fixture->job_memory));
    assert_null(job_memory_place(fixture->job_memory, &grows,
                                 NULL)); /* but its result need not */
    assert_false(grows.payload.in_arena);
    assert_true(grows.has_reply_space);
    assert_null(job_memory_place(NULL, &small, NULL));
    job_memory_free(NULL, 1);
}

static void no_more_room_than_the_result_may_need(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(1, CODEC_OP_ENCODE, 100000);

    job.max_output = 5000;
    assert_non_null(job_memory_place(fixture->job_memory, &job, NULL));
    assert_int_equal(job.reply_bytes, 2 * PAGE_ALLOCATOR_PAGE_BYTES);
}

static void a_full_arena_is_done_without(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job too_large = job_of(1, CODEC_OP_DECODE, ARENA_BYTES + 1);
    struct wire_job fills = job_of(2, CODEC_OP_DECODE, ARENA_BYTES);
    struct wire_job late = job_of(3, CODEC_OP_DECODE, 10000);

    assert_null(job_memory_place(fixture->job_memory, &too_large, NULL));
    assert_false(too_large.payload.in_arena);
    job_memory_free(fixture->job_memory, 1);
    assert_non_null(job_memory_place(fixture->job_memory, &fills, NULL));
    assert_false(fills.has_reply_space); /* its result has to come in the message */
    assert_null(job_memory_place(fixture->job_memory, &late, NULL));
    assert_false(late.payload.in_arena || late.has_reply_space);
    job_memory_free(fixture->job_memory, 2);
    assert_non_null(job_memory_place(fixture->job_memory, &late, NULL));
}

static void a_result_is_found_once(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(9, CODEC_OP_DECODE, 50000);
    struct wire_result result;

    (void)job_memory_place(fixture->job_memory, &job, NULL);
    result = result_at(9, job.reply_offset + 5, (size_t)job.reply_bytes - 5);
    assert_ptr_equal(job_memory_find_result(fixture->job_memory, &result),
                     fixture->arena->data + job.reply_offset + 5);
    assert_null(
        job_memory_find_result(fixture->job_memory, &result)); /* it is being copied */
}

/* ---- lent results ---- */

/* A job's result of so many bytes, found where it is. */
static struct wire_result find_result(struct fixture *fixture, uint64_t id, size_t bytes)
{
    struct wire_job job = job_of(id, CODEC_OP_ENCODE, 50000);
    struct wire_result result;

    assert_non_null(job_memory_place(fixture->job_memory, &job, NULL));
    result = result_at(id, job.reply_offset, bytes);
    assert_non_null(job_memory_find_result(fixture->job_memory, &result));
    return result;
}

static void a_lent_result_keeps_its_pages_only(void **state)
{
    struct fixture *fixture = *state;
    struct wire_result result =
        find_result(fixture, 1, 3 * PAGE_ALLOCATOR_PAGE_BYTES - 1);
    struct blob *lent = job_memory_lend_result(fixture->job_memory, &result);

    assert_non_null(lent);
    assert_ptr_equal(lent->bytes.data, fixture->arena->data + result.payload.offset);
    assert_int_equal(lent->bytes.len, 3 * PAGE_ALLOCATOR_PAGE_BYTES - 1);
    job_memory_free(fixture->job_memory, 1);
    assert_true(job_memory_is_empty(fixture->job_memory));
    assert_int_equal(page_allocator_free_bytes(fixture->arena->pages),
                     ARENA_BYTES - 3 * PAGE_ALLOCATOR_PAGE_BYTES);
    blob_unref(&lent);
    assert_int_equal(page_allocator_free_bytes(fixture->arena->pages), ARENA_BYTES);
}

/* Of no bytes too, wherever a worker says that they are. */
static void what_is_short_is_not_lent(void **state)
{
    struct fixture *fixture = *state;
    struct wire_result empty = find_result(fixture, 1, 0);
    struct wire_result small = find_result(fixture, 2, 100);

    assert_null(job_memory_lend_result(fixture->job_memory, &empty));
    assert_null(job_memory_lend_result(fixture->job_memory, &small));
    assert_int_equal(fixture->arena->lent_results, 0);
}

static void half_of_the_arena_is_lent_at_most(void **state)
{
    struct fixture *fixture = *state;
    struct blob *lent[16] = {NULL};
    unsigned count = 0;

    for (uint64_t id = 1; count < 16; id++) {
        struct wire_result result = find_result(fixture, id, 90000);

        lent[count] = job_memory_lend_result(fixture->job_memory, &result);
        job_memory_free(fixture->job_memory, id);
        if (lent[count] == NULL)
            break;
        count++;
    }
    assert_in_range(count, 4, ARENA_BYTES / 2 / 90000);
    while (count > 0)
        blob_unref(&lent[--count]);
    assert_int_equal(fixture->arena->lent_bytes, 0);
}

static void an_arena_outlives_what_is_lent(void **state)
{
    struct fixture *fixture = *state;
    struct wire_result result = find_result(fixture, 1, 90000);
    struct blob *lent = job_memory_lend_result(fixture->job_memory, &result);
    uint8_t *last = fixture->arena->data + result.payload.offset + 89999;
    struct arena *ending = fixture->arena;

    *last = 7;
    job_memory_destroy(&fixture->job_memory);
    arena_destroy(&ending, fixture->socket_closer);
    assert_null(ending);
    assert_int_equal(lent->bytes.data[89999], 7);
    blob_unref(&lent);
    fixture->arena = arena_create(ARENA_BYTES); /* for the end of the test */
    fixture->job_memory = job_memory_create(fixture->arena, NULL);
}

static struct blob *lend(struct fixture *fixture)
{
    struct wire_result result = find_result(fixture, 1, 90000);
    struct blob *lent = job_memory_lend_result(fixture->job_memory, &result);

    job_memory_free(fixture->job_memory, 1);
    return lent;
}

/* Workers that come and go while clients stand still would pile arenas up. */
static void few_arenas_that_have_ended_are_kept(void **state)
{
    struct fixture *fixture = *state;
    struct blob *lent[32] = {NULL}, *one;
    unsigned count = 0;

    while (count < 32 && (lent[count] = lend(fixture)) != NULL) {
        count++;
        job_memory_destroy(&fixture->job_memory);
        arena_destroy(&fixture->arena, fixture->socket_closer);
        fixture->arena = arena_create(ARENA_BYTES);
        fixture->job_memory = job_memory_create(fixture->arena, NULL);
    }
    assert_in_range(count, 2, 16);
    blob_unref(&lent[0]);
    one = lend(fixture);
    assert_non_null(one);
    blob_unref(&one);
    while (--count > 0)
        blob_unref(&lent[count]);
}

/* Offsets and lengths as a hostile worker would choose them. */
static void lies_are_not_believed(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(1, CODEC_OP_DECODE, 50000);
    struct wire_job other = job_of(2, CODEC_OP_DECODE, 50000);
    struct wire_result result;
    uint64_t start, end;

    (void)job_memory_place(fixture->job_memory, &job, NULL);
    (void)job_memory_place(fixture->job_memory, &other, NULL);
    start = job.reply_offset;
    end = start + job.reply_bytes;
    {
        const struct {
            uint64_t offset;
            size_t bytes;
        } lies[] = {
            {start, (size_t)job.reply_bytes + 1}, /* a byte too long */
            {start, SIZE_MAX},
            {start + 1, (size_t)job.reply_bytes},
            {start - 1, 2}, /* a byte too early */
            {end, 1},       /* behind it */
            {end + 1, 0},
            {0, 1},
            {UINT64_MAX, 1},
            {UINT64_MAX, 2}, /* the sum wraps */
            {UINT64_MAX - 4096, 8192},
            {ARENA_BYTES, 1},
            {job.payload.offset, 10},  /* the job's own input */
            {other.reply_offset, 100}, /* another job's place */
        };

        for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
            result = result_at(1, lies[i].offset, lies[i].bytes);
            assert_null(job_memory_find_result(fixture->job_memory, &result));
        }
    }
    result = result_at(3, start, 1); /* a job that it does not have */
    assert_null(job_memory_find_result(fixture->job_memory, &result));
    assert_null(job_memory_find_result(NULL, &result)); /* no arena at all */
    result = result_at(1, end, 0);
    assert_non_null(
        job_memory_find_result(fixture->job_memory, &result)); /* nothing, at its end */
}

static void a_job_without_room_has_no_result_there(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(1, CODEC_OP_DECODE, ARENA_BYTES);
    struct wire_result result = result_at(1, 0, 1);

    assert_non_null(job_memory_place(fixture->job_memory, &job, NULL));
    assert_null(job_memory_find_result(fixture->job_memory, &result));
}

/* ---- payloads in the pool ---- */

#define POOL_BYTES (UINT64_C(256) << 10)

/* A job memory of a worker that has mapped a pool, and a job whose input is there. */
static struct blob *place_in_pool(struct fixture *fixture, struct input_pool *pool,
                                  struct wire_job *job, size_t len)
{
    uint8_t *bytes;
    struct blob *blob = input_pool_take(pool, len, &bytes);

    assert_non_null(blob);
    job_memory_destroy(&fixture->job_memory);
    fixture->job_memory = job_memory_create(fixture->arena, pool);
    *job = job_of(5, CODEC_OP_ENCODE, len);
    job->payload.bytes = blob->bytes;
    assert_null(job_memory_place(fixture->job_memory, job, blob)); /* nothing to copy */
    assert_true(job->payload.in_arena);
    return blob;
}

static bool is_free(struct input_pool *pool)
{
    uint8_t *bytes;
    struct blob *all = input_pool_take(pool, POOL_BYTES, &bytes);
    bool is = all != NULL;

    blob_unref(&all);
    return is;
}

static void a_payload_in_the_pool_stays_there(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *pool = input_pool_create(POOL_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 50000);
    struct wire_result result;

    assert_int_equal(job.payload.offset, ARENA_BYTES); /* behind the arena */
    assert_int_equal(job.payload.bytes.len, 50000);
    assert_true(job.has_reply_space);
    assert_int_equal(page_allocator_free_bytes(fixture->arena->pages),
                     ARENA_BYTES - job.reply_bytes);
    result = result_at(5, ARENA_BYTES, 10); /* no result comes from there */
    assert_null(job_memory_find_result(fixture->job_memory, &result));
    result = result_at(5, job.reply_offset, (size_t)job.reply_bytes);
    assert_non_null(job_memory_find_result(fixture->job_memory, &result));
    blob_unref(&blob);
    assert_false(is_free(pool)); /* the worker may be reading it */
    job_memory_free(fixture->job_memory, 5);
    assert_true(is_free(pool));
    job_memory_destroy(&fixture->job_memory);
    input_pool_destroy(&pool, fixture->socket_closer);
}

static void a_payload_in_the_pool_is_kept_with_the_seat(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *pool = input_pool_create(POOL_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 4096);

    blob_unref(&blob);
    assert_false(job_memory_is_empty(fixture->job_memory));
    assert_false(is_free(pool));
    job_memory_destroy(&fixture->job_memory);
    assert_true(is_free(pool));
    input_pool_destroy(&pool, fixture->socket_closer);
}

/* The worker is lost, its process may not be. */
static void a_payload_in_the_pool_may_outlive_the_seat(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *pool = input_pool_create(POOL_BYTES);
    struct memory_quarantine *quarantine = memory_quarantine_create(POOL_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 4097);

    blob_unref(&blob);
    job_memory_leave_inputs(NULL, quarantine, getpid());
    job_memory_leave_inputs(fixture->job_memory, quarantine, getpid());
    job_memory_leave_inputs(fixture->job_memory, quarantine, getpid()); /* once */
    assert_int_equal(memory_quarantine_bytes(quarantine), 4097);
    job_memory_destroy(&fixture->job_memory);
    assert_false(is_free(pool));
    memory_quarantine_destroy(&quarantine);
    assert_true(is_free(pool));
    input_pool_destroy(&pool, fixture->socket_closer);
}

/* Even where there is no room for a result. */
static void a_payload_in_the_pool_needs_no_arena(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *pool = input_pool_create(POOL_BYTES);
    struct page_block *all = page_allocator_take(fixture->arena->pages, ARENA_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 4096);

    assert_false(job.has_reply_space);
    assert_false(job_memory_is_empty(fixture->job_memory));
    blob_unref(&blob);
    assert_false(is_free(pool));
    job_memory_free(fixture->job_memory, 5);
    assert_true(is_free(pool));
    page_allocator_give_back(fixture->arena->pages, &all);
    job_memory_destroy(&fixture->job_memory);
    input_pool_destroy(&pool, fixture->socket_closer);
}

/* Whose blob it is cannot be told, or the worker has not mapped the pool. */
static void others_are_copied(void **state)
{
    struct fixture *fixture = *state;
    struct input_pool *pool = input_pool_create(POOL_BYTES);
    struct wire_job job = job_of(1, CODEC_OP_ENCODE, 50000);
    uint8_t *bytes;
    struct blob *blob = input_pool_take(pool, 50000, &bytes);
    struct blob *heap = blob_new_copy("abcdef", 6);

    job.payload.bytes = blob->bytes;
    assert_non_null(job_memory_place(fixture->job_memory, &job, blob)); /* no pool */
    assert_in_range(job.payload.offset, 0, ARENA_BYTES - 1);
    job_memory_destroy(&fixture->job_memory);
    fixture->job_memory = job_memory_create(fixture->arena, pool);
    job = job_of(2, CODEC_OP_ENCODE, 50000);
    job.payload.bytes = blob->bytes;
    assert_non_null(job_memory_place(fixture->job_memory, &job, NULL)); /* no blob */
    job = job_of(3, CODEC_OP_ENCODE, 6);
    job.payload.bytes = heap->bytes;
    assert_null(job_memory_place(fixture->job_memory, &job, heap)); /* not in the pool */
    assert_false(job.payload.in_arena);
    assert_int_equal(heap->refs, 1);
    assert_int_equal(blob->refs, 1);
    blob_unref(&heap);
    blob_unref(&blob);
    assert_true(is_free(pool));
    job_memory_destroy(&fixture->job_memory);
    input_pool_destroy(&pool, fixture->socket_closer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_arena_keeps_its_size),
        TEST(payload_and_reply_have_room),
        TEST(small_payloads_stay_in_the_message),
        TEST(no_more_room_than_the_result_may_need),
        TEST(a_full_arena_is_done_without),
        TEST(a_result_is_found_once),
        TEST(a_payload_in_the_pool_stays_there),
        TEST(a_payload_in_the_pool_is_kept_with_the_seat),
        TEST(a_payload_in_the_pool_may_outlive_the_seat),
        TEST(a_payload_in_the_pool_needs_no_arena),
        TEST(others_are_copied),
        TEST(a_lent_result_keeps_its_pages_only),
        TEST(what_is_short_is_not_lent),
        TEST(half_of_the_arena_is_lent_at_most),
        TEST(an_arena_outlives_what_is_lent),
        TEST(few_arenas_that_have_ended_are_kept),
        TEST(lies_are_not_believed),
        TEST(a_job_without_room_has_no_result_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
