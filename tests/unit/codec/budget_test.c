/*
 * Hostile inputs: what the codec really allocates stays below the multiples of the input
 * that docs/CODEC.md states, and below the budget; allocations that fail are survived.
 * The allocator is watched from underneath, not asked: the program's own malloc and its
 * relatives stand before the C library's (but for sanitizers, which have their own).
 */
#include "common/codec/codec.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/codec/codec_run.h"

/* The multiples of docs/CODEC.md, and an allowance for what does not grow. */
#define DECODE_MULTIPLE 5
#define ENCODE_MULTIPLE 6
#define ALLOWANCE       (64 * 1024)
#define MB              ((size_t)1000000)

static size_t live_bytes, peak_bytes;
static long fail_after = -1; /* allocations until one fails, -1 for never */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WATCHED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WATCHED 0
#endif
#endif
#ifndef WATCHED
#define WATCHED 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static bool must_fail(void)
{
    return fail_after >= 0 && fail_after-- == 0;
}

static void *count_block(void *block)
{
    live_bytes += malloc_usable_size(block);
    if (live_bytes > peak_bytes)
        peak_bytes = live_bytes;
    return block;
}

void *malloc(size_t size)
{
    return must_fail() ? NULL : count_block(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : count_block(__libc_calloc(count, size));
}

void *realloc(void *old, size_t size)
{
    if (must_fail())
        return NULL;
    live_bytes -= malloc_usable_size(old);
    return count_block(__libc_realloc(old, size));
}

void free(void *block)
{
    live_bytes -= malloc_usable_size(block);
    __libc_free(block);
}
#endif

static struct codec *codec;

/* Runs one call; returns the most bytes that were allocated meanwhile. */
static size_t run_watched(enum codec_op op, const struct buf *in, size_t max_memory,
                          enum codec_status expected)
{
    struct codec_call call = {.op = op,
                              .separator = ',',
                              .in = buf_slice(in),
                              .max_output = SIZE_MAX,
                              .max_memory = max_memory};
    struct buf out = BUF_INIT;
    struct codec_fault fault;
    size_t before = live_bytes, most;

    peak_bytes = live_bytes;
    assert_int_equal(codec_run(codec, &call, &out, &fault), expected);
    most = peak_bytes - before;
    if (expected != CODEC_OK) {
        assert_null(out.data);
        assert_true(live_bytes <= before + ALLOWANCE);
    }
    buf_free(&out);
    return most;
}

static void check(enum codec_op op, const struct buf *in, enum codec_status expected)
{
    size_t multiple = op == CODEC_OP_DECODE ? DECODE_MULTIPLE : ENCODE_MULTIPLE;
    size_t most = run_watched(op, in, SIZE_MAX, expected);
    size_t budget = in->len / 8;

    assert_true(most <= multiple * in->len + ALLOWANCE);
    assert_true(codec_peak_bytes(codec) <= multiple * in->len + ALLOWANCE);
    /* A tight budget is kept, whatever the verdict then is. */
    if (expected == CODEC_OK)
        assert_true(run_watched(op, in, budget, CODEC_MEMORY) <= budget + ALLOWANCE);
}

static void fill(struct buf *buf, const char *piece, size_t times)
{
    size_t len = strlen(piece);

    (void)buf_reserve(buf, len * times);
    for (size_t i = 0; i < times; i++)
        buf_append(buf, piece, len);
}

static void each_engine(void (*make)(struct buf *), enum codec_op op,
                        enum codec_status expected)
{
    struct buf in = BUF_INIT;

    make(&in);
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        check(op, &in, expected);
        codec_destroy(&codec);
    }
    buf_free(&in);
}

static void make_brackets(struct buf *in)
{
    fill(in, "[", 100 * MB);
}

static void test_brackets(void **state)
{
    (void)state;
    each_engine(make_brackets, CODEC_OP_DECODE, CODEC_DEPTH);
}

static void make_string(struct buf *in)
{
    fill(in, "\"", 1);
    fill(in, "0123456789", 6 * MB);
    fill(in, "\"", 1);
}

static void test_long_string(void **state)
{
    (void)state;
    each_engine(make_string, CODEC_OP_DECODE, CODEC_OK);
}

static void make_escapes(struct buf *in)
{
    fill(in, "\"\\n", 1);
    fill(in, "0123456789\\u0041", MB);
    fill(in, "\"", 1);
}

static void test_long_string_with_escapes(void **state)
{
    (void)state;
    each_engine(make_escapes, CODEC_OP_DECODE, CODEC_OK);
}

static void make_endless_string(struct buf *in)
{
    fill(in, "[\"\\n", 1);
    fill(in, "0123456789", MB);
    fill(in, "\",\"", 1);
    fill(in, "0123456789", MB);
}

static void test_endless_string(void **state)
{
    (void)state;
    each_engine(make_endless_string, CODEC_OP_DECODE, CODEC_TRUNCATED);
}

static void make_nils(struct buf *in)
{
    fill(in, "\xdd", 1);
    buf_append(in, "\x00\x98\x96\x80", 4);
    fill(in, "\xc0", 10 * MB);
}

static void test_nils(void **state)
{
    (void)state;
    each_engine(make_nils, CODEC_OP_ENCODE, CODEC_OK);
    each_engine(make_nils, CODEC_OP_VALIDATE, CODEC_OK);
}

static void make_nil_texts(struct buf *in)
{
    fill(in, "[null", 1);
    fill(in, ",null", 2 * MB);
    fill(in, "]", 1);
}

static void make_fractions(struct buf *in)
{
    fill(in, "[1.5", 1);
    fill(in, ",1.5", 2 * MB);
    fill(in, "]", 1);
}

/* Many containers of which each needs a wider header. */
static void make_wide_containers(struct buf *in)
{
    fill(in, "[[]", 1);
    fill(in, ",[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", MB / 5);
    fill(in, "]", 1);
}

static void make_controls(struct buf *in)
{
    fill(in, "\xdb", 1);
    buf_append(in, "\x00\x0f\x42\x40", 4);
    fill(in, "\x01", MB);
}

static void make_sequence(struct buf *in)
{
    fill(in, "\xc0", MB / 2);
}

static void test_expanding(void **state)
{
    (void)state;
    each_engine(make_nil_texts, CODEC_OP_DECODE, CODEC_OK);
    each_engine(make_fractions, CODEC_OP_DECODE, CODEC_OK);
    each_engine(make_wide_containers, CODEC_OP_DECODE, CODEC_OK);
    each_engine(make_controls, CODEC_OP_ENCODE, CODEC_OK);
    each_engine(make_sequence, CODEC_OP_SEQUENCE, CODEC_OK);
}

/* Headers that promise 4 G elements, or pairs, or bytes, on a few bytes of input. */
static void test_promises(void **state)
{
    static const char heads[] = {'\xdd', '\xdf', '\xdb', '\xc9'};

    (void)state;
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        for (size_t i = 0; i < sizeof(heads); i++) {
            struct buf in = BUF_INIT;

            buf_append(&in, heads + i, 1);
            buf_append(&in, "\xff\xff\xff\xff\x01\xa0\xa0\xa0", 8);
            assert_true(run_watched(CODEC_OP_ENCODE, &in, SIZE_MAX, CODEC_TRUNCATED) <
                        4096);
            assert_true(run_watched(CODEC_OP_VALIDATE, &in, SIZE_MAX, CODEC_TRUNCATED) <
                        4096);
            buf_free(&in);
        }
        codec_destroy(&codec);
    }
}

/* The n-th allocation of a job fails, for every n: the job says so, leaves nothing, and
   the codec goes on. */
static void check_failures(enum codec_op op, const struct buf *in)
{
    struct codec_call call = {
        .op = op, .in = buf_slice(in), .max_output = SIZE_MAX, .max_memory = SIZE_MAX};
    enum codec_status status = CODEC_MEMORY;
    struct codec_fault fault;

    for (long n = 0; WATCHED && status != CODEC_OK; n++) {
        struct buf out = BUF_INIT;
        size_t before;

        codec_trim(codec, 0);
        before = live_bytes;
        fail_after = n;
        status = codec_run(codec, &call, &out, &fault);
        fail_after = -1;
        if (status != CODEC_OK) {
            assert_int_equal(status, CODEC_MEMORY);
            assert_null(out.data);
            codec_trim(codec, 0);
            assert_int_equal(live_bytes, before);
        }
        buf_free(&out);
        assert_true(n < 1000);
    }
}

static void test_failing_allocations(void **state)
{
    struct buf text = BUF_INIT, packed = BUF_INIT;

    (void)state;
    fill(&text, "[\"", 1);
    fill(&text, "some text with escapes\\n", 4000);
    fill(&text, "\",", 1);
    fill(&text, "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],", 200);
    fill(&text, "1.5]", 1);
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        assert_int_equal(run_buf(codec, CODEC_OP_DECODE, &text, &packed).status,
                         CODEC_OK);
        check_failures(CODEC_OP_DECODE, &text);
        check_failures(CODEC_OP_ENCODE, &packed);
        check_failures(CODEC_OP_VALIDATE, &packed);
        codec_destroy(&codec);
    }
    buf_free(&text);
    buf_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_brackets),
        cmocka_unit_test(test_long_string),
        cmocka_unit_test(test_long_string_with_escapes),
        cmocka_unit_test(test_endless_string),
        cmocka_unit_test(test_nils),
        cmocka_unit_test(test_expanding),
        cmocka_unit_test(test_promises),
        cmocka_unit_test(test_failing_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
