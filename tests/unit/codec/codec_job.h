/*
 * For tests of the codec's inner modules: an engine job outside codec_run(), and values
 * written as JSON.
 */
#ifndef OFFLOOP_TESTS_UNIT_CODEC_CODEC_JOB_H
#define OFFLOOP_TESTS_UNIT_CODEC_CODEC_JOB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/codec/engine.h"
#include "tests/unit/codec/codec_run.h"

/* A job that appends to out, without limits. */
static inline struct engine_job job_to(struct buf *out)
{
    return (struct engine_job){.out = out,
                               .base = out->len,
                               .max_output = SIZE_MAX / 2,
                               .bound_output = SIZE_MAX / 2,
                               .max_memory = SIZE_MAX};
}

/* The MessagePack of a valid JSON text; the caller ends it with buf_free(). */
static inline struct buf packed(const char *text)
{
    struct codec *codec = codec_create("direct");
    struct buf out = BUF_INIT;

    assert_int_equal(run_text(codec, CODEC_OP_DECODE, text, &out).status, CODEC_OK);
    codec_destroy(&codec);
    return out;
}

/* Checks that a MessagePack value is that of the compact JSON text. */
static inline void assert_packed(struct slice value, const char *expected)
{
    struct codec *codec = codec_create("direct");
    struct buf text = BUF_INIT;

    assert_int_equal(
        run_bytes(codec, CODEC_OP_ENCODE, value.data, value.len, &text).status, CODEC_OK);
    buf_append(&text, "", 1);
    assert_string_equal((const char *)text.data, expected);
    buf_free(&text);
    codec_destroy(&codec);
}

/* Appends a text a number of times. */
static inline void append_times(struct buf *buf, const char *text, size_t times)
{
    while (times-- > 0)
        buf_append_str(buf, text);
}

#endif
