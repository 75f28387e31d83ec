/*
 * jq itself, in a process of its own (reference_program.c), as the other opinion.
 *
 * Programs are compiled many at a time, because jq 1.6 reads all its own definitions
 * again for each: a batch of some hundred costs little more than one. A program that ends
 * or hangs jq's process is found and left out; the process is started again.
 */
#ifndef OFFLOOP_TESTS_ORACLE_JQ_REFERENCE_H
#define OFFLOOP_TESTS_ORACLE_JQ_REFERENCE_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/base/buf.h"

/* jq's process. */
struct reference {
    const char *path; /* of its program */
    pid_t pid;        /* 0: not started */
    FILE *to, *from;
    unsigned version; /* of jq: 6, 7 or 8 */
};

/* What jq does with a program. */
enum reference_verdict {
    REFERENCE_RUNS,
    REFERENCE_REFUSES, /* does not compile */
    REFERENCE_DIES     /* it takes the process down, or seconds of processor time */
};

/* One program's part of a batch. */
struct reference_item {
    const char *program; /* one line without its newline */
    enum reference_verdict verdict;
    struct buf *results; /* RUNS: for each document a JSON text; the caller's, emptied */
};

/* Starts the process. Returns false where there is no such program. */
bool reference_open(struct reference *reference, const char *path);

/* Ends it. */
void reference_close(struct reference *reference);

/* Runs all programs on all documents (JSON texts without newlines). Each program must
   give exactly one result for each document. */
void reference_run(struct reference *reference, struct reference_item *items,
                   size_t item_count, const char *const *documents,
                   size_t document_count);

#endif
