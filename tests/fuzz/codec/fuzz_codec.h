/*
 * What the codec's fuzz targets share: codecs that live as long as the process, under a
 * budget as a worker gives them, and a check that aborts.
 */
#ifndef OFFLOOP_TESTS_FUZZ_CODEC_FUZZ_CODEC_H
#define OFFLOOP_TESTS_FUZZ_CODEC_FUZZ_CODEC_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/codec.h"

#define FUZZ_MAX_OUTPUT ((size_t)32 << 20)
#define FUZZ_MAX_MEMORY ((size_t)64 << 20)

/* Aborts, so that the fuzzer keeps the input. */
#define FUZZ_CHECK(condition)                                                       \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                \
        }                                                                           \
    } while (0)

/* The codec of the engine that this process fuzzes: OFFLOOP_FUZZ_ENGINE, or yajl. */
static inline struct codec *fuzz_codec(void)
{
    static struct codec *codec;

    if (codec == NULL) {
        const char *name = getenv("OFFLOOP_FUZZ_ENGINE");

        codec = codec_create(name == NULL ? "yajl" : name);
        FUZZ_CHECK(codec != NULL);
    }
    return codec;
}

/* A budget that is spent at the question number `answers`. */
struct fuzz_budget {
    struct codec_budget base;
    size_t answers;
};

static inline bool fuzz_budget_is_spent(struct codec_budget *budget, size_t ahead)
{
    struct fuzz_budget *counted = (struct fuzz_budget *)budget; /* its first member */

    (void)ahead;
    FUZZ_CHECK(counted->answers > 0); /* it is not asked again */
    return --counted->answers == 0;
}

/* Runs the call as a loop does that can spare no more time: it stops somewhere, and
   leaves nothing. Where that is, the length says. */
static inline void fuzz_run_stopped(struct codec_call call, struct buf *out)
{
    struct fuzz_budget budget = {{.is_spent = fuzz_budget_is_spent}, 1 + call.in.len % 5};
    struct codec_fault fault;
    size_t before = out->len;

    if (call.in.len < CODEC_BUDGET_WORK / 8) /* it hardly asks */
        return;
    call.budget = &budget.base;
    FUZZ_CHECK(codec_run(fuzz_codec(), &call, out, &fault) == fault.status);
    FUZZ_CHECK(fault.status != CODEC_STOPPED || out->len == before);
    out->len = before;
}

/* Runs a call on a copy of the bytes that ends where its memory ends; checks what is
   promised of every failure. */
static inline struct codec_fault fuzz_run(struct codec_call call, const uint8_t *data,
                                          size_t len, struct buf *out)
{
    uint8_t *copy = malloc(len + 1);
    struct codec_fault fault;
    size_t before = out->len;

    memcpy(copy + 1, data, len);
    call.in = (struct slice){copy + 1, len};
    call.max_output = FUZZ_MAX_OUTPUT;
    call.max_memory = FUZZ_MAX_MEMORY;
    fuzz_run_stopped(call, out);
    FUZZ_CHECK(codec_run(fuzz_codec(), &call, out, &fault) == fault.status);
    FUZZ_CHECK(fault.offset <= len);
    FUZZ_CHECK(fault.status == CODEC_OK ? fault.offset == 0 : out->len == before);
    free(copy);
    return fault;
}

/* Aborts unless two buffers hold the same bytes. */
static inline void fuzz_check_same(const struct buf *a, const struct buf *b)
{
    FUZZ_CHECK(a->len == b->len);
    FUZZ_CHECK(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

#endif
