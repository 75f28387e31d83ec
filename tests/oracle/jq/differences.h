/*
 * The differences between our jq and jq itself that are meant, as a table that is run.
 */
#ifndef OFFLOOP_TESTS_ORACLE_JQ_DIFFERENCES_H
#define OFFLOOP_TESTS_ORACLE_JQ_DIFFERENCES_H

#include "common/codec/codec.h"
#include "tests/oracle/jq/reference.h"

/* Runs each row in both. A row that is not as it says is printed. Returns how many. */
unsigned differences_check(struct reference *reference, struct codec *codec);

#endif
