/*
 * Whether a result of ours and one of jq's are the same value.
 */
#ifndef OFFLOOP_TESTS_ORACLE_JQ_ALIKE_H
#define OFFLOOP_TESTS_ORACLE_JQ_ALIKE_H

#include <stdbool.h>

#include "common/base/buf.h"

/* How two results (JSON texts) compare. */
enum alike {
    ALIKE,
    ALIKE_MEANT, /* they differ, and one holds a number or digits that meet a difference
                    which is meant: beyond 2^53, written with an exponent, -0 */
    ALIKE_NOT
};

/* Compares. Numbers may differ in the last digit that a double has. */
enum alike alike_compare(struct slice ours, struct slice theirs);

#endif
