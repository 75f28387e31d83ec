/*
 * The configuration of a process, for both daemons: reads it as options.h says,
 * prints what there is to print, and hands it to children as a sealed memory
 * file in the form of --dump-config. <daemon>/config.h gives these their types.
 *
 * Main thread.
 */
#ifndef OFFLOOP_COMMON_OPTIONS_CONFIG_H
#define OFFLOOP_COMMON_OPTIONS_CONFIG_H

#include "common/options/options.h"

/* Reads flags, environment and file. 0: *config_r is set, the caller ends it with
   config_destroy(). 1: all is done (--help), the process exits 0. -1: one line was
   printed on stderr; at start the process exits EXIT_USAGE. */
int config_read(const struct options_program *program, int argc, char **argv,
                void **config_r) __attribute__((warn_unused_result));

/* Child: reads what config_create_fd() made; as above, but never 1. */
int config_read_fd(const struct options_program *program, int fd, void **config_r)
    __attribute__((warn_unused_result));

/* Master: makes the memory file for children. -1 with errno. The caller closes it. */
int config_create_fd(const struct options_program *program, const void *config)
    __attribute__((warn_unused_result));

/* Frees a configuration; NULL inside is allowed. */
void config_destroy(const struct options_program *program, void **config);

#endif
