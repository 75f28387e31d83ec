/*
 * For tests of jobs of several steps: calls, stored documents, and a test that runs for
 * every engine and stored format.
 */
#ifndef OFFLOOP_TESTS_UNIT_CODEC_TRANSFORM_CALLS_H
#define OFFLOOP_TESTS_UNIT_CODEC_TRANSFORM_CALLS_H

#include "common/codec/coding/gzip.h"
#include "tests/unit/codec/codec_job.h"

static struct codec *codec; /* the engine of the round */

/* A call without limits; its texts are C strings. */
static inline struct codec_call call_of(enum codec_op op, enum codec_format format)
{
    return (struct codec_call){.op = op,
                               .format = format,
                               .separator = ',',
                               .max_output = SIZE_MAX,
                               .max_memory = SIZE_MAX,
                               .max_expanded = SIZE_MAX};
}

static inline struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline struct buf zip(struct slice in)
{
    struct buf out = BUF_INIT;

    assert_int_equal(gzip_compress(in, SIZE_MAX, &out), CODEC_OK);
    return out;
}

/* Stored documents one after another in one format. The caller ends them with buf_free().
 */
static inline struct buf stored(enum codec_format format, const char *const *texts)
{
    struct buf all = BUF_INIT;

    for (bool first = true; *texts != NULL; texts++, first = false) {
        struct buf one = packed(*texts);

        if (format == CODEC_FORMAT_MSGPACK) {
            buf_append(&all, one.data, one.len);
        } else {
            buf_append_str(&all, first ? "" : "\n");
            buf_append_str(&all, *texts);
        }
        buf_free(&one);
    }
    return all;
}

static inline void each_format(void (*check)(enum codec_format format))
{
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        check(CODEC_FORMAT_MSGPACK);
        check(CODEC_FORMAT_JSON);
        codec_destroy(&codec);
    }
}

/* Defines a test that calls check() for every engine and format. */
#define EACH_FORMAT_TEST(name, check) \
    static void name(void **state)    \
    {                                 \
        (void)state;                  \
        each_format(check);           \
    }

#endif
