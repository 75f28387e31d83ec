/*
 * Options as shell source for completions, and as the comments of a
 * configuration file. Build time only.
 */
#ifndef OFFLOOP_DOCS_GENERATE_SHELL_H
#define OFFLOOP_DOCS_GENERATE_SHELL_H

#include "common/options/options.h"

/* Appends the branches of a `case "$flag"` that set `words` (all flags, for the pattern
   ""; else the values that a flag may have) or `kind` (file, user, none) in bash. */
void shell_print_bash(const struct options_program *program, struct buf *out);

/* Appends the specifications for zsh's _arguments, one per line, each continued. */
void shell_print_zsh(const struct options_program *program, struct buf *out);

/* Appends every key with its default, as comments: uncommenting a line changes nothing
   until its value is changed. */
void shell_print_defaults(const struct options_program *program, struct buf *out);

#endif
