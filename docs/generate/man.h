/*
 * Options as man(7) source: sections (.SS) for the table's groups, a tagged
 * paragraph (.TP) for each row. Build time only.
 */
#ifndef OFFLOOP_DOCS_GENERATE_MAN_H
#define OFFLOOP_DOCS_GENERATE_MAN_H

#include "common/options/options.h"

/* Appends every flag, the built-in ones too: for the OPTIONS of section 1 and 8. */
void man_print_options(const struct options_program *program, struct buf *out);

/* Appends every key with its limits and environment variable: for section 5. */
void man_print_keys(const struct options_program *program, struct buf *out);

#endif
