/* The memory that engines work with: output, scratch, container headers, yajl's arena. */
#include "common/codec/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/msgpack/containers.h"
#include "common/codec/yajl/yajl_arena.h"

static struct engine_job job_with(struct buf *out, size_t max_output, size_t max_memory)
{
    return (struct engine_job){.out = out,
                               .base = out->len,
                               .max_output = max_output,
                               .max_memory = max_memory,
                               .bound_output = SIZE_MAX / 4};
}

static void test_reserve(void **state)
{
    struct buf out = BUF_INIT;
    struct engine_job job = job_with(&out, 1000, 5000);

    (void)state;
    assert_int_equal(engine_reserve(&job, 0), CODEC_OK);
    assert_non_null(out.data);
    assert_int_equal(engine_reserve(&job, 1000), CODEC_OK);
    assert_true(out.cap >= 1000);
    assert_int_equal(engine_reserve(&job, 1000 + ENGINE_SLACK_BYTES), CODEC_OK);
    assert_int_equal(engine_reserve(&job, 1001 + ENGINE_SLACK_BYTES), CODEC_TOO_LARGE);
    assert_int_equal(engine_reserve(&job, SIZE_MAX), CODEC_TOO_LARGE);
    out.len = 900;
    assert_int_equal(engine_reserve(&job, 101 + ENGINE_SLACK_BYTES), CODEC_TOO_LARGE);
    assert_int_equal(engine_reserve(&job, SIZE_MAX - 899), CODEC_TOO_LARGE);
    assert_true(job.peak_bytes == out.cap);
    buf_free(&out);
}

/* Space that the caller's buffer had before does not raise the job's limit. */
static void test_reserve_in_roomy_buffer(void **state)
{
    struct buf out = BUF_INIT;
    struct engine_job job;

    (void)state;
    (void)buf_reserve(&out, 100000);
    job = job_with(&out, 10, 100);
    assert_int_equal(engine_reserve(&job, 10), CODEC_OK);
    assert_int_equal(engine_reserve(&job, 11 + ENGINE_SLACK_BYTES), CODEC_TOO_LARGE);
    buf_free(&out);
}

/* With a large limit too, an engine asks for memory in steps, and each step is counted.
 */
static void test_room_is_given_in_pieces(void **state)
{
    const size_t piece = 64 << 10;
    struct buf out = BUF_INIT;
    struct engine_job job;
    uint8_t *end;

    (void)state;
    (void)buf_reserve(&out, 1 << 20);
    job = job_with(&out, SIZE_MAX / 4, SIZE_MAX / 4);
    assert_int_equal(engine_make_room(&job, 100, &end), CODEC_OK);
    assert_ptr_equal(end, out.data + piece);
    assert_int_equal(engine_make_room(&job, 3 * piece, &end), CODEC_OK);
    assert_ptr_equal(end, out.data + 3 * piece);
    out.len = piece - 1;
    assert_int_equal(engine_make_room(&job, 100, &end), CODEC_OK);
    assert_int_equal(job.offered, 0);
    out.len = piece;
    assert_int_equal(engine_make_room(&job, 100, &end), CODEC_OK);
    assert_int_equal(job.offered, piece);
    out.len = out.cap - 200;
    assert_int_equal(engine_make_room(&job, 100, &end), CODEC_OK);
    assert_ptr_equal(end, out.data + out.cap);
    assert_int_equal(engine_make_room(&job, SIZE_MAX, &end), CODEC_TOO_LARGE);
    buf_free(&out);
}

static void test_memory_is_shared(void **state)
{
    struct buf out = BUF_INIT;
    struct engine_scratch scratch = {NULL, 0};
    struct engine_job job = job_with(&out, 100000, 10000);

    (void)state;
    assert_int_equal(engine_grow_scratch(&job, &scratch, 6000), CODEC_OK);
    assert_int_equal(job.scratch_bytes, scratch.cap);
    assert_int_equal(engine_reserve(&job, 4001), CODEC_MEMORY);
    assert_int_equal(engine_reserve(&job, 4000), CODEC_OK);
    assert_int_equal(out.cap, 4000);
    assert_int_equal(engine_grow_scratch(&job, &scratch, 6000), CODEC_OK);
    assert_int_equal(engine_grow_scratch(&job, &scratch, 6001), CODEC_MEMORY);
    assert_int_equal(engine_charge(&job, 1), CODEC_MEMORY);
    engine_free_scratch(&scratch);
    job.scratch_bytes = 0;
    assert_int_equal(engine_charge(&job, 6000), CODEC_OK);
    assert_int_equal(engine_charge(&job, SIZE_MAX), CODEC_MEMORY);
    engine_discharge(&job, 6000);
    assert_int_equal(job.scratch_bytes, 0);
    assert_int_equal(job.peak_bytes, 10000);
    buf_free(&out);
}

static void test_scratch_keeps_content(void **state)
{
    struct buf out = BUF_INIT;
    struct engine_scratch scratch = {NULL, 0};
    struct engine_job job = job_with(&out, 0, SIZE_MAX);

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        assert_int_equal(engine_grow_scratch(&job, &scratch, i + 1), CODEC_OK);
        ((uint8_t *)scratch.data)[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(((uint8_t *)scratch.data)[i], (uint8_t)i);
    engine_free_scratch(&scratch);
    assert_null(scratch.data);
}

static void put_byte(struct engine_job *job, uint8_t byte)
{
    assert_int_equal(engine_reserve(job, 1), CODEC_OK);
    job->out->data[job->out->len++] = byte;
}

/* An array of `items` nils, the first `inner` of which are such arrays themselves. */
static void put_nested(struct engine_job *job, struct containers *wide, size_t items,
                       unsigned levels)
{
    size_t at = job->out->len;

    put_byte(job, 0x00);
    for (size_t i = 0; i < items; i++) {
        if (levels > 0 && i % 8 == 3)
            put_nested(job, wide, items, levels - 1);
        else
            put_byte(job, 0xc0);
    }
    assert_int_equal(containers_end(job, wide, at, items, false), CODEC_OK);
}

/* Reads back what put_nested wrote; returns behind it. */
static const uint8_t *check_nested(const uint8_t *p, size_t items, unsigned levels)
{
    if (items <= 15) {
        assert_int_equal(*p++, 0x90 | items);
    } else if (items <= UINT16_MAX) {
        assert_int_equal(p[0], 0xdc);
        assert_int_equal(p[1] << 8 | p[2], items);
        p += 3;
    } else {
        assert_int_equal(p[0], 0xdd);
        assert_int_equal((size_t)p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4], items);
        p += 5;
    }
    for (size_t i = 0; i < items; i++) {
        if (levels > 0 && i % 8 == 3)
            p = check_nested(p, items, levels - 1);
        else
            assert_int_equal(*p++, 0xc0);
    }
    return p;
}

static void test_container_headers(void **state)
{
    static const size_t sizes[] = {0, 1, 15, 16, 17, 40, 65535, 65536};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unsigned levels = sizes[i] < 100 ? 4 : 0;
        struct buf out = BUF_INIT;
        struct containers wide = {{NULL, 0}, 0, 0};
        struct engine_job job;

        buf_append_str(&out, "prefix");
        job = job_with(&out, SIZE_MAX / 2, SIZE_MAX);
        containers_reset(&wide);
        put_nested(&job, &wide, sizes[i], levels);
        assert_int_equal(containers_fix(&job, &wide), CODEC_OK);
        assert_memory_equal(out.data, "prefix", 6);
        assert_ptr_equal(check_nested(out.data + 6, sizes[i], levels),
                         out.data + out.len);
        engine_free_scratch(&wide.list);
        buf_free(&out);
    }
}

/* yajl's blocks are aligned, keep their content when they grow, and are freed at the end.
 */
static void test_arena(void **state)
{
    static struct yajl_arena arena;
    yajl_alloc_funcs hooks = yajl_arena_hooks(&arena);
    struct buf out = BUF_INIT;
    struct engine_job job = job_with(&out, 0, 1000000);
    uint8_t *small, *large, *grown;

    (void)state;
    yajl_arena_begin(&arena, &job);
    assert_int_equal(setjmp(arena.out_of_memory), 0);
    small = hooks.malloc(hooks.ctx, 100);
    assert_int_equal((uintptr_t)small % 16, 0);
    memset(small, 7, 100);
    assert_int_equal(job.scratch_bytes, 0);
    large = hooks.malloc(hooks.ctx, 100000);
    assert_int_equal((uintptr_t)large % 16, 0);
    assert_true(job.scratch_bytes >= 100000);
    memset(large, 8, 100000);
    grown = hooks.realloc(hooks.ctx, small, 50000);
    assert_int_equal(grown[0] + grown[99], 14);
    large = hooks.realloc(hooks.ctx, large, 200000);
    assert_int_equal(large[0] + large[99999], 16);
    assert_ptr_equal(hooks.realloc(hooks.ctx, large, 10), large);
    hooks.free(hooks.ctx, grown);
    hooks.free(hooks.ctx, NULL);
    assert_non_null(hooks.realloc(hooks.ctx, NULL, 100000));
    yajl_arena_end(&arena);
    assert_int_equal(job.scratch_bytes, 0);
    assert_null(arena.blocks);
}

static void test_arena_over_budget(void **state)
{
    static struct yajl_arena arena;
    yajl_alloc_funcs hooks = yajl_arena_hooks(&arena);
    struct buf out = BUF_INIT;
    struct engine_job job = job_with(&out, 0, 100000);
    volatile int jumps = 0;
    void *volatile block;

    (void)state;
    yajl_arena_begin(&arena, &job);
    block = NULL;
    if (setjmp(arena.out_of_memory) == 0) {
        block = hooks.malloc(hooks.ctx, 60000);
        (void)hooks.malloc(hooks.ctx, 60000);
        fail();
    }
    jumps++;
    if (setjmp(arena.out_of_memory) == 0) {
        (void)hooks.realloc(hooks.ctx, block, 120000);
        fail();
    }
    jumps++;
    if (setjmp(arena.out_of_memory) == 0) {
        (void)hooks.malloc(hooks.ctx, SIZE_MAX - 8);
        fail();
    }
    jumps++;
    assert_int_equal(jumps, 3);
    yajl_arena_end(&arena);
    assert_int_equal(job.scratch_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_reserve_in_roomy_buffer),
        cmocka_unit_test(test_room_is_given_in_pieces),
        cmocka_unit_test(test_memory_is_shared),
        cmocka_unit_test(test_scratch_keeps_content),
        cmocka_unit_test(test_container_headers),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_over_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
