/*
 * The value of one option: reads it from text, and prints it. Only this file knows the
 * kinds of values; options.c knows their sources.
 *
 * `config` is the struct that contains the row's member.
 */
#ifndef OFFLOOP_COMMON_OPTIONS_OPTION_VALUE_H
#define OFFLOOP_COMMON_OPTIONS_OPTION_VALUE_H

#include "common/options/options.h"

/* Reads a text into the member; a list gets one more item. -1 where the text is not
   valid: then the fault and what is expected are appended to why, and the member is
   unchanged. */
int option_value_set(const struct option_row *row, void *config, const char *text,
                     struct buf *why) __attribute__((warn_unused_result));

/* Sets the row's default. The member of a row without default stays zero. */
void option_value_set_default(const struct option_row *row, void *config);

/* Frees the member's texts and zeroes it. */
void option_value_clear(const struct option_row *row, void *config);

/* The number of texts of the member: a list's items; 0 for a row without value; else 1.
 */
size_t option_value_count(const struct option_row *row, const void *config);

/* Appends the text of the member, or of its item `index`, as option_value_set() reads it.
 */
void option_value_print(const struct option_row *row, const void *config, size_t index,
                        struct buf *out);

#endif
