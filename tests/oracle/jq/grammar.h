/*
 * Random programs in the language jq, and random documents for them.
 *
 * A program is made from templates (grammar.c), so that it is always one that a parser of
 * the language accepts. What is made depends on nothing but the seed. Programs are one
 * line each and mostly end soon; some do not.
 */
#ifndef OFFLOOP_TESTS_ORACLE_JQ_GRAMMAR_H
#define OFFLOOP_TESTS_ORACLE_JQ_GRAMMAR_H

#include <stdbool.h>

#include "common/base/buf.h"

/* Most variables that a program binds inside one another. */
#define GRAMMAR_MAX_VARIABLES 32

struct grammar {
    uint64_t state;   /* of the random numbers */
    unsigned version; /* of jq, 6 to 8: newer templates are left out */
    bool ascii; /* no other texts: jq counts bytes where it should count characters */
    const char *variables[GRAMMAR_MAX_VARIABLES]; /* bound where the text now is */
    unsigned variable_count;
};

/* Starts the random numbers of a program or document. */
void grammar_seed(struct grammar *grammar, uint64_t seed);

/* Appends a program without a newline. */
void grammar_program(struct grammar *grammar, struct buf *text);

/* Appends a JSON text without a newline. */
void grammar_document(struct grammar *grammar, struct buf *text);

#endif
