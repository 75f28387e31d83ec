/*
 * What an engine is, and what codec.c gives it: the job it works on, output
 * that grows under the job's budget, and scratch memory that outlives a job.
 *
 * An engine turns bytes into bytes appended to job->out. It writes behind
 * out->len, which it moves itself; it makes room with engine_reserve() first.
 * It never frees or shortens the output: codec.c takes back what a failed job
 * wrote. Offsets of faults are counted from the start of job->in, in the way
 * docs/CODEC.md says for each class, so that all engines name the same byte.
 *
 * One thread at a time, as codec.h says. Nothing here ends the process: memory
 * that runs out is CODEC_MEMORY.
 */
#ifndef OFFLOOP_COMMON_CODEC_ENGINE_H
#define OFFLOOP_COMMON_CODEC_ENGINE_H

#include "common/codec/codec.h"

/* An engine may reserve up to so many bytes more than it will write: codec.c checks the
   exact limit when the job is done. (A double is at most 32 bytes of text.) */
#define ENGINE_SLACK_BYTES 64

/* One job as the engine sees it. The engine reads `in`, appends to `out`; the rest
   belongs to the functions below. */
struct engine_job {
    struct slice in;     /* at most UINT32_MAX bytes for decode: lengths and counts fit */
    struct buf *out;     /* may hold the caller's bytes up to `base` */
    size_t base;         /* out->len at the start of the job */
    size_t max_output;   /* bytes behind base */
    size_t max_memory;   /* bytes of output behind base and scratch, together */
    size_t offered;      /* out->len when the processor was last offered to others */
    unsigned max_depth;  /* containers inside one another; decode alone looks at it */
    bool keep_numbers;   /* decode: as codec_call.keep_numbers says */
    size_t bound_output; /* no valid input of this size can become more bytes than this */
    size_t scratch_bytes;        /* held by the engine's scratch blocks now */
    size_t peak_bytes;           /* most bytes of output and scratch held so far */
    struct codec_budget *budget; /* NULL for none */
    uint64_t fault_offset;       /* where the input is wrong, when a call failed */
};

/* A block of scratch memory that an engine keeps between jobs; all zero is empty. Its
   bytes are counted in job->scratch_bytes. */
struct engine_scratch {
    void *data;
    size_t cap; /* bytes allocated */
};

/* One engine. codec.c holds a table of them. */
struct codec_engine {
    const char *name; /* "yajl" */

    /* The engine's state: its fixed part, some KB; never NULL. */
    void *(*create)(void);

    /* Frees the state and its scratch. */
    void (*destroy)(void *state);

    /* Frees scratch blocks if they hold more than keep_bytes; returns what they hold
       then. Called between jobs. */
    size_t (*trim)(void *state, size_t keep_bytes);

    /* One JSON text (all of job->in) to MessagePack. Returns CODEC_OK, or the status with
       job->fault_offset set. */
    enum codec_status (*decode)(void *state, struct engine_job *job);

    /* One MessagePack value at job->in.data + *at to compact JSON text; moves *at behind
       it. Checks everything, wherever the bytes come from. Bytes behind the value are
       codec.c's affair, as are sequences and indenting. Returns as decode. */
    enum codec_status (*encode)(void *state, struct engine_job *job, size_t *at);
};

/* Makes room for `extra` bytes at job->out->data + job->out->len (the data may move).
   Returns CODEC_OK, CODEC_TOO_LARGE where that is more than ENGINE_SLACK_BYTES above
   max_output, or CODEC_MEMORY. */
enum codec_status engine_reserve(struct engine_job *job, size_t extra)
    __attribute__((warn_unused_result));

/* As engine_reserve(); what the engine may fill then without coming here again ends at
   *end_r: before the memory does, so that a long job offers the processor to others from
   time to time (cpu_yield.h) and asks its budget. *end_r is set with CODEC_OK only. */
enum codec_status engine_make_room(struct engine_job *job, size_t extra, uint8_t **end_r)
    __attribute__((warn_unused_result));

/* Makes a scratch block hold at least need_bytes, keeping its content (the data may
   move). Returns CODEC_OK or CODEC_MEMORY. */
enum codec_status engine_grow_scratch(struct engine_job *job,
                                      struct engine_scratch *scratch, size_t need_bytes)
    __attribute__((warn_unused_result));

/* Frees a scratch block between jobs (codec_engine.trim and destroy). */
void engine_free_scratch(struct engine_scratch *scratch);

/* Takes bytes that an engine allocates itself into its job's account, before it does.
   Returns CODEC_OK or CODEC_MEMORY. */
enum codec_status engine_charge(struct engine_job *job, size_t bytes)
    __attribute__((warn_unused_result));

/* Takes charged bytes out of the account when they are freed. */
void engine_discharge(struct engine_job *job, size_t bytes);

/* The two below, where there is a budget. */
enum codec_status engine_spend_budget(struct engine_job *job, size_t work)
    __attribute__((warn_unused_result));
enum codec_status engine_afford_budget(struct engine_job *job, size_t work)
    __attribute__((warn_unused_result));

/* Counts work that is done and moved no output (what writes through engine_make_room() is
   counted there): call it in every loop over input, once for some steps, at a few units
   for each. Returns CODEC_OK, or CODEC_STOPPED where the job's budget is spent. */
static inline __attribute__((warn_unused_result)) enum codec_status
engine_spend(struct engine_job *job, size_t work)
{
    return job->budget == NULL ? CODEC_OK : engine_spend_budget(job, work);
}

/* The same before work that cannot be interrupted, such as sorting. */
static inline __attribute__((warn_unused_result)) enum codec_status
engine_afford(struct engine_job *job, size_t work)
{
    return job->budget == NULL ? CODEC_OK : engine_afford_budget(job, work);
}

/* Notes where the input is wrong; returns status, for `return engine_fail(...)`. */
static inline enum codec_status engine_fail(struct engine_job *job,
                                            enum codec_status status, size_t offset)
{
    job->fault_offset = offset;
    return status;
}

#endif
