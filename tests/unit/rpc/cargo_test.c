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
#include "common/blob.h"
#include "server/rpc/arena.h"
#include "server/rpc/cargo.h"
#include "server/rpc/pool.h"
#include "server/rpc/reaper.h"
#include "server/rpc/remains.h"

#define ARENA_BYTES (UINT64_C(1) << 20)

struct fixture {
    struct reaper *reaper;
    struct arena *arena;
    struct cargo *cargo;
};

static int setup(void **state)
{
    static struct fixture fixture;

    fixture.reaper = reaper_create();
    fixture.arena = arena_create(ARENA_BYTES);
    assert_non_null(fixture.arena);
    fixture.cargo = cargo_create(fixture.arena, NULL);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    cargo_destroy(&fixture->cargo);
    assert_int_equal(space_free_bytes(fixture->arena->space), ARENA_BYTES);
    arena_destroy(&fixture->arena, fixture->reaper);
    assert_null(fixture->arena);
    assert_true(reaper_destroy(&fixture->reaper, 20000));
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
    uint8_t *to = cargo_place(fixture->cargo, &encode, NULL);

    assert_true(encode.payload.in_arena && encode.has_reply_space);
    assert_ptr_equal(to, fixture->arena->data + encode.payload.offset);
    assert_in_range(encode.reply_bytes, 80000, 80000 + SPACE_PAGE_BYTES);
    assert_non_null(cargo_place(fixture->cargo, &decode, NULL));
    assert_in_range(decode.reply_bytes, 60000, 60000 + SPACE_PAGE_BYTES);
    assert_true(encode.reply_offset + encode.reply_bytes <= decode.payload.offset);
    assert_false(cargo_is_empty(fixture->cargo));
    cargo_free(fixture->cargo, 1);
    cargo_free(fixture->cargo, 1); /* it has nothing any more */
    cargo_free(fixture->cargo, 2);
    assert_true(cargo_is_empty(fixture->cargo));
}

static void small_payloads_stay_in_the_message(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job small = job_of(1, CODEC_OP_DECODE, 2000);
    struct wire_job grows = job_of(2, CODEC_OP_ENCODE, 2100);

    assert_null(cargo_place(fixture->cargo, &small, NULL));
    assert_false(small.payload.in_arena || small.has_reply_space);
    assert_true(cargo_is_empty(fixture->cargo));
    assert_null(cargo_place(fixture->cargo, &grows, NULL)); /* but its result need not */
    assert_false(grows.payload.in_arena);
    assert_true(grows.has_reply_space);
    assert_null(cargo_place(NULL, &small, NULL));
    cargo_free(NULL, 1);
}

static void no_more_room_than_the_result_may_need(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(1, CODEC_OP_ENCODE, 100000);

    job.max_output = 5000;
    assert_non_null(cargo_place(fixture->cargo, &job, NULL));
    assert_int_equal(job.reply_bytes, 2 * SPACE_PAGE_BYTES);
}

static void a_full_arena_is_done_without(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job too_large = job_of(1, CODEC_OP_DECODE, ARENA_BYTES + 1);
    struct wire_job fills = job_of(2, CODEC_OP_DECODE, ARENA_BYTES);
    struct wire_job late = job_of(3, CODEC_OP_DECODE, 10000);

    assert_null(cargo_place(fixture->cargo, &too_large, NULL));
    assert_false(too_large.payload.in_arena);
    cargo_free(fixture->cargo, 1);
    assert_non_null(cargo_place(fixture->cargo, &fills, NULL));
    assert_false(fills.has_reply_space); /* its result has to come in the message */
    assert_null(cargo_place(fixture->cargo, &late, NULL));
    assert_false(late.payload.in_arena || late.has_reply_space);
    cargo_free(fixture->cargo, 2);
    assert_non_null(cargo_place(fixture->cargo, &late, NULL));
}

static void a_result_is_found_once(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(9, CODEC_OP_DECODE, 50000);
    struct wire_result result;

    (void)cargo_place(fixture->cargo, &job, NULL);
    result = result_at(9, job.reply_offset + 5, (size_t)job.reply_bytes - 5);
    assert_ptr_equal(cargo_find_result(fixture->cargo, &result),
                     fixture->arena->data + job.reply_offset + 5);
    assert_null(cargo_find_result(fixture->cargo, &result)); /* it is being copied */
}

/* ---- loans ---- */

/* A job's result of so many bytes, found where it is. */
static struct wire_result find_result(struct fixture *fixture, uint64_t id, size_t bytes)
{
    struct wire_job job = job_of(id, CODEC_OP_ENCODE, 50000);
    struct wire_result result;

    assert_non_null(cargo_place(fixture->cargo, &job, NULL));
    result = result_at(id, job.reply_offset, bytes);
    assert_non_null(cargo_find_result(fixture->cargo, &result));
    return result;
}

static void a_loan_keeps_its_pages_only(void **state)
{
    struct fixture *fixture = *state;
    struct wire_result result = find_result(fixture, 1, 3 * SPACE_PAGE_BYTES - 1);
    struct blob *lent = cargo_lend_result(fixture->cargo, &result);

    assert_non_null(lent);
    assert_ptr_equal(lent->bytes.data, fixture->arena->data + result.payload.offset);
    assert_int_equal(lent->bytes.len, 3 * SPACE_PAGE_BYTES - 1);
    cargo_free(fixture->cargo, 1);
    assert_true(cargo_is_empty(fixture->cargo));
    assert_int_equal(space_free_bytes(fixture->arena->space),
                     ARENA_BYTES - 3 * SPACE_PAGE_BYTES);
    blob_unref(&lent);
    assert_int_equal(space_free_bytes(fixture->arena->space), ARENA_BYTES);
}

/* Of no bytes too, wherever a worker says that they are. */
static void what_is_short_is_not_lent(void **state)
{
    struct fixture *fixture = *state;
    struct wire_result empty = find_result(fixture, 1, 0);
    struct wire_result small = find_result(fixture, 2, 100);

    assert_null(cargo_lend_result(fixture->cargo, &empty));
    assert_null(cargo_lend_result(fixture->cargo, &small));
    assert_int_equal(fixture->arena->loans, 0);
}

static void half_of_the_arena_is_lent_at_most(void **state)
{
    struct fixture *fixture = *state;
    struct blob *lent[16] = {NULL};
    unsigned count = 0;

    for (uint64_t id = 1; count < 16; id++) {
        struct wire_result result = find_result(fixture, id, 90000);

        lent[count] = cargo_lend_result(fixture->cargo, &result);
        cargo_free(fixture->cargo, id);
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
    struct blob *lent = cargo_lend_result(fixture->cargo, &result);
    uint8_t *last = fixture->arena->data + result.payload.offset + 89999;
    struct arena *ending = fixture->arena;

    *last = 7;
    cargo_destroy(&fixture->cargo);
    arena_destroy(&ending, fixture->reaper);
    assert_null(ending);
    assert_int_equal(lent->bytes.data[89999], 7);
    blob_unref(&lent);
    fixture->arena = arena_create(ARENA_BYTES); /* for the end of the test */
    fixture->cargo = cargo_create(fixture->arena, NULL);
}

static struct blob *lend(struct fixture *fixture)
{
    struct wire_result result = find_result(fixture, 1, 90000);
    struct blob *lent = cargo_lend_result(fixture->cargo, &result);

    cargo_free(fixture->cargo, 1);
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
        cargo_destroy(&fixture->cargo);
        arena_destroy(&fixture->arena, fixture->reaper);
        fixture->arena = arena_create(ARENA_BYTES);
        fixture->cargo = cargo_create(fixture->arena, NULL);
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

    (void)cargo_place(fixture->cargo, &job, NULL);
    (void)cargo_place(fixture->cargo, &other, NULL);
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
            assert_null(cargo_find_result(fixture->cargo, &result));
        }
    }
    result = result_at(3, start, 1); /* a job that it does not have */
    assert_null(cargo_find_result(fixture->cargo, &result));
    assert_null(cargo_find_result(NULL, &result)); /* no arena at all */
    result = result_at(1, end, 0);
    assert_non_null(cargo_find_result(fixture->cargo, &result)); /* nothing, at its end */
}

static void a_job_without_room_has_no_result_there(void **state)
{
    struct fixture *fixture = *state;
    struct wire_job job = job_of(1, CODEC_OP_DECODE, ARENA_BYTES);
    struct wire_result result = result_at(1, 0, 1);

    assert_non_null(cargo_place(fixture->cargo, &job, NULL));
    assert_null(cargo_find_result(fixture->cargo, &result));
}

/* ---- payloads in the pool ---- */

#define POOL_BYTES (UINT64_C(256) << 10)

/* A cargo of a worker that has mapped a pool, and a job whose input is there. */
static struct blob *place_in_pool(struct fixture *fixture, struct pool *pool,
                                  struct wire_job *job, size_t len)
{
    uint8_t *bytes;
    struct blob *blob = pool_take(pool, len, &bytes);

    assert_non_null(blob);
    cargo_destroy(&fixture->cargo);
    fixture->cargo = cargo_create(fixture->arena, pool);
    *job = job_of(5, CODEC_OP_ENCODE, len);
    job->payload.bytes = blob->bytes;
    assert_null(cargo_place(fixture->cargo, job, blob)); /* nothing to copy */
    assert_true(job->payload.in_arena);
    return blob;
}

static bool is_free(struct pool *pool)
{
    uint8_t *bytes;
    struct blob *all = pool_take(pool, POOL_BYTES, &bytes);
    bool is = all != NULL;

    blob_unref(&all);
    return is;
}

static void a_payload_in_the_pool_stays_there(void **state)
{
    struct fixture *fixture = *state;
    struct pool *pool = pool_create(POOL_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 50000);
    struct wire_result result;

    assert_int_equal(job.payload.offset, ARENA_BYTES); /* behind the arena */
    assert_int_equal(job.payload.bytes.len, 50000);
    assert_true(job.has_reply_space);
    assert_int_equal(space_free_bytes(fixture->arena->space),
                     ARENA_BYTES - job.reply_bytes);
    result = result_at(5, ARENA_BYTES, 10); /* no result comes from there */
    assert_null(cargo_find_result(fixture->cargo, &result));
    result = result_at(5, job.reply_offset, (size_t)job.reply_bytes);
    assert_non_null(cargo_find_result(fixture->cargo, &result));
    blob_unref(&blob);
    assert_false(is_free(pool)); /* the worker may be reading it */
    cargo_free(fixture->cargo, 5);
    assert_true(is_free(pool));
    cargo_destroy(&fixture->cargo);
    pool_destroy(&pool, fixture->reaper);
}

static void a_payload_in_the_pool_is_kept_with_the_seat(void **state)
{
    struct fixture *fixture = *state;
    struct pool *pool = pool_create(POOL_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 4096);

    blob_unref(&blob);
    assert_false(cargo_is_empty(fixture->cargo));
    assert_false(is_free(pool));
    cargo_destroy(&fixture->cargo);
    assert_true(is_free(pool));
    pool_destroy(&pool, fixture->reaper);
}

/* The worker is lost, its process may not be. */
static void a_payload_in_the_pool_may_outlive_the_seat(void **state)
{
    struct fixture *fixture = *state;
    struct pool *pool = pool_create(POOL_BYTES);
    struct remains *remains = remains_create(POOL_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 4097);

    blob_unref(&blob);
    cargo_leave_inputs(NULL, remains, getpid());
    cargo_leave_inputs(fixture->cargo, remains, getpid());
    cargo_leave_inputs(fixture->cargo, remains, getpid()); /* once */
    assert_int_equal(remains_bytes(remains), 4097);
    cargo_destroy(&fixture->cargo);
    assert_false(is_free(pool));
    remains_destroy(&remains);
    assert_true(is_free(pool));
    pool_destroy(&pool, fixture->reaper);
}

/* Even where there is no room for a result. */
static void a_payload_in_the_pool_needs_no_arena(void **state)
{
    struct fixture *fixture = *state;
    struct pool *pool = pool_create(POOL_BYTES);
    struct space_block *all = space_take(fixture->arena->space, ARENA_BYTES);
    struct wire_job job;
    struct blob *blob = place_in_pool(fixture, pool, &job, 4096);

    assert_false(job.has_reply_space);
    assert_false(cargo_is_empty(fixture->cargo));
    blob_unref(&blob);
    assert_false(is_free(pool));
    cargo_free(fixture->cargo, 5);
    assert_true(is_free(pool));
    space_give_back(fixture->arena->space, &all);
    cargo_destroy(&fixture->cargo);
    pool_destroy(&pool, fixture->reaper);
}

/* Whose blob it is cannot be told, or the worker has not mapped the pool. */
static void others_are_copied(void **state)
{
    struct fixture *fixture = *state;
    struct pool *pool = pool_create(POOL_BYTES);
    struct wire_job job = job_of(1, CODEC_OP_ENCODE, 50000);
    uint8_t *bytes;
    struct blob *blob = pool_take(pool, 50000, &bytes);
    struct blob *heap = blob_new_copy("abcdef", 6);

    job.payload.bytes = blob->bytes;
    assert_non_null(cargo_place(fixture->cargo, &job, blob)); /* no pool */
    assert_in_range(job.payload.offset, 0, ARENA_BYTES - 1);
    cargo_destroy(&fixture->cargo);
    fixture->cargo = cargo_create(fixture->arena, pool);
    job = job_of(2, CODEC_OP_ENCODE, 50000);
    job.payload.bytes = blob->bytes;
    assert_non_null(cargo_place(fixture->cargo, &job, NULL)); /* no blob */
    job = job_of(3, CODEC_OP_ENCODE, 6);
    job.payload.bytes = heap->bytes;
    assert_null(cargo_place(fixture->cargo, &job, heap)); /* not in the pool */
    assert_false(job.payload.in_arena);
    assert_int_equal(heap->refs, 1);
    assert_int_equal(blob->refs, 1);
    blob_unref(&heap);
    blob_unref(&blob);
    assert_true(is_free(pool));
    cargo_destroy(&fixture->cargo);
    pool_destroy(&pool, fixture->reaper);
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
        TEST(a_loan_keeps_its_pages_only),
        TEST(what_is_short_is_not_lent),
        TEST(half_of_the_arena_is_lent_at_most),
        TEST(an_arena_outlives_what_is_lent),
        TEST(few_arenas_that_have_ended_are_kept),
        TEST(lies_are_not_believed),
        TEST(a_job_without_room_has_no_result_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
