/*
 * The rows of a program's option table as texts for people: what the manual,
 * the configuration file and the completions are generated from. The flags that
 * every daemon has beside its table (--config, --help and the like) come as rows
 * too; a test holds them against --help.
 *
 * Build time only: one thread, memory ends with the process.
 */
#ifndef OFFLOOP_DOCS_GENERATE_ROWS_H
#define OFFLOOP_DOCS_GENERATE_ROWS_H

#include <stdbool.h>

#include "common/options/options.h"

/* Calls `each` for every row of the program, headings included, then, where `built_in`,
   for the flags that are in no table, under a heading of their own. */
void rows_each(const struct options_program *program, bool built_in,
               void (*each)(const struct options_program *program,
                            const struct option_row *row, struct buf *out),
               struct buf *out);

/* True for a row that is a key of the configuration file. */
bool rows_is_key(const struct option_row *row);

/* The texts that a value may be, NULL last: a row's names, or on and off for a switch;
   NULL where there is no such list. */
const char *const *rows_values(const struct option_row *row);

/* Appends the default as --help shows it, "none" for an empty one. */
void rows_print_default(const struct option_row *row, struct buf *out);

/* Appends "LEAST to MOST" with units, or nothing for a row without a limit. */
void rows_print_range(const struct option_row *row, struct buf *out);

#endif
