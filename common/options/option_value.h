/*
 * The value of one option: from text, to text. The kinds are known here and
 * nowhere else; options.c knows where values come from.
 *
 * `config` is the struct whose member the row describes.
 */
#ifndef OFFLOOP_COMMON_OPTIONS_OPTION_VALUE_H
#define OFFLOOP_COMMON_OPTIONS_OPTION_VALUE_H

#include "common/options/options.h"

/* Reads a text into the member (into a list: as one more item). -1 with what is wrong
   and what is expected appended to why; the member is then as it was. */
int option_value_set(const struct option_row *row, void *config, const char *text,
                     struct buf *why) __attribute__((warn_unused_result));

/* Sets the row's default; a row without one is left zeroed. */
void option_value_set_default(const struct option_row *row, void *config);

/* Frees what the member holds and zeroes it. */
void option_value_clear(const struct option_row *row, void *config);

/* How many texts the member has: a list's items, 1 otherwise, 0 for what is no value. */
size_t option_value_count(const struct option_row *row, const void *config);

/* Appends the text of the member (of its item `index`), as option_value_set() reads it.
 */
void option_value_print(const struct option_row *row, const void *config, size_t index,
                        struct buf *out);

#endif
