/*
 * The step of a transformation: a jq program (jq/jq.h) that is run on documents before
 * they are projected and encoded, or as the patch of PATCH.
 *
 * The program comes as the call's argument (program_argument.h). Compiled ones are kept
 * by their text (jq/jq_cache.h).
 *
 * One thread at a time, as codec.h says.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_PROGRAM_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_PROGRAM_H

#include "common/codec/codec.h"
#include "common/codec/jq/jq_cache.h"
#include "common/codec/operations/program_argument.h"

/* A step. */
struct program_step {
    const struct codec_call *call; /* its argument and budgets */
    struct jq_cache **programs;    /* made where it is NULL */
    size_t max_output;             /* bytes of all results */
    size_t max_memory;             /* bytes that the step may use beside its output */
    bool is_one_document;          /* the input is; else documents back to back */
    struct slice id; /* of the one document there is, in place of the argument's ids; data
                        NULL for none */
    struct buf *names; /* NULL, or takes the name of each result */
    uint64_t results;  /* given by the last document */
    uint64_t all_results;
    struct codec_fault fault;
    struct buf *reason; /* takes the text of a fault whose status has one */
};

/* Runs the program on each document of `in` and appends the results to `made`. Returns
   CODEC_OK, or the status that is also in step->fault. */
enum codec_status program_run(struct program_step *step, struct slice in,
                              struct buf *made) __attribute__((warn_unused_result));

#endif
