/*
 * A run: its memory, its budgets, its error, and what it remembers of the document.
 *
 * It lives on the stack of jq_run(), belongs to one thread and ends there. Budgets that
 * run out leave by run_end(), which does not return; errors that a program can catch are
 * ordinary return values (flow.h).
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_RUN_H
#define OFFLOOP_COMMON_CODEC_JQ_RUN_H

#include <setjmp.h>

#include "common/codec/jq/value.h"

/* Free blocks are kept by size: multiples of this up to POOL_SMALL_BYTES. */
#define POOL_STEP_BYTES  16
#define POOL_SMALL_BYTES 1024

/* Objects of the document whose members are known, and shapes: lists of names. */
#define SCANS  4
#define SHAPES 16

/* Steps between two questions to the caller. */
#define RUN_PAUSE_STEPS 4096

/* A block from malloc, of which small ones are cut. */
struct pool_chunk {
    struct pool_chunk *prev, *next;
    size_t bytes; /* the whole block's */
};

struct input_pool {
    struct pool_chunk chunks; /* a ring's head */
    uint8_t *at, *end;        /* what is left of the newest chunk */
    void *free[POOL_SMALL_BYTES / POOL_STEP_BYTES + 1];
    size_t next_bytes; /* of the next chunk */
    size_t used, peak, max;
};

/* A name as it lies in the document. */
struct shape_name {
    const uint8_t *at;            /* its header */
    uint32_t bytes;               /* with its header */
    uint32_t len;                 /* the text's, which ends the name */
    uint64_t first, mask;         /* its first bytes as a word, those that are its own */
    uint64_t second, second_mask; /* others, up to the 16th */
    uint32_t second_at;           /* where in the name */
};

/* The names of an object, in order. Objects of one shape are read by position. */
struct shape {
    uint64_t id; /* never given twice */
    uint32_t count, cap;
    uint32_t longest; /* name, at least; with its header */
    struct shape_name *names;
    enum { SHAPE_UNKNOWN, SHAPE_PLAIN, SHAPE_REPEATS } repeats; /* a name, or not */
};

/* An object of the document: where its values are. */
struct scan {
    const uint8_t *at, *end; /* the object */
    struct shape *shape;
    uint64_t shape_id; /* the shape is another's now where its id differs */
    uint32_t count, cap;
    const uint8_t **values; /* count + 1: the last is the end */
};

/* What a place in the program that reads a member remembers. */
struct site {
    uint64_t shape_id;
    uint32_t position; /* UINT32_MAX: the shape has no such member */
    struct shape *shape;
};

/* A value being written as MessagePack. */
struct output {
    uint8_t *bytes; /* of the pool */
    size_t len, cap;
    size_t max;               /* bytes that it may have */
    const uint8_t *from, *to; /* bytes of the document that are to follow it */
};

struct codec;
struct node;
struct env;
struct path;
struct sink;

/* What is to be evaluated instead of what has returned: see flow_tail(). */
struct run_tail {
    const struct node *node;
    struct env *env;
    struct jv in;
    const struct path *path;
    struct sink *sink;
};

struct jq_run {
    struct input_pool pool;
    const struct jq_call *call;
    const uint8_t *start, *end; /* the document */
    int64_t fuel;               /* steps before the next question */
    uint64_t steps_left;        /* behind those */
    uint64_t taken;             /* bytes of results */
    uint64_t results;
    uintptr_t stack_limit; /* the stack grows down to here */

    struct jv error; /* of a failure that a program can catch */
    uint32_t error_at;
    uint64_t break_label; /* of a break on its way */
    uint64_t last_label;
    struct run_tail tail;

    struct scan scans[SCANS];
    unsigned next_scan;
    const struct scan *recent_scan;
    struct shape shapes[SHAPES];
    unsigned next_shape;
    uint64_t last_shape_id;
    struct shape *recent_shape;
    struct site *sites;

    struct codec *codec;      /* for tojson and fromjson; NULL before the first */
    struct buf text;          /* their scratch */
    struct output output;     /* a result */
    struct output scratch;    /* what tojson makes meanwhile */
    struct sink *result_sink; /* which takes the program's results */
    bool in_arguments;        /* what is wrong now is an argument's fault */

    jmp_buf leave;
    enum jq_status status; /* why it was left */
    const char *reason;
};

/* Ends the run: back to jq_run(). The reason is static text, or NULL for the status's. */
void run_end(struct jq_run *run, enum jq_status status, const char *reason)
    __attribute__((noreturn));

/* Hands a result to the caller, who may end the run by it. */
void run_take(struct jq_run *run, struct slice result);

/* How many bytes results may still have. */
size_t run_output_left(const struct jq_run *run);

/* Out of fuel: asks the caller, takes more, or ends the run. */
void run_pause(struct jq_run *run);

/* Counts steps. */
static inline void run_charge(struct jq_run *run, uint64_t steps)
{
    run->fuel -= (int64_t)steps;
    if (__builtin_expect(run->fuel < 0, 0))
        run_pause(run);
}

/* Ends the run where the C stack is used up. */
static inline void run_check_stack(struct jq_run *run)
{
    if (__builtin_expect((uintptr_t)__builtin_frame_address(0) < run->stack_limit, 0))
        run_end(run, JQ_FAILED, "the program calls itself too deeply");
}

/* A block of any content, 16-byte aligned; of `bytes` above 0. */
void *pool_alloc(struct jq_run *run, size_t bytes);

/* Gives a block back that was asked for with the same size. */
void pool_free(struct jq_run *run, void *block, size_t bytes);

/* Moves a block to one of another size, with as much of its content as fits. */
void *pool_resize(struct jq_run *run, void *block, size_t bytes, size_t new_bytes);

/* Counts memory that is not of the pool; ends the run where that is too much. */
void pool_charge(struct jq_run *run, size_t bytes);

/* Starts and ends a pool. */
void pool_init(struct input_pool *pool, size_t max_bytes);
void pool_destroy(struct input_pool *pool);

#endif
