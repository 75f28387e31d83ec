/*
 * The configuration of a process, for both daemons. Reads it as options.h says, prints
 * errors and texts, and passes it to children as a sealed memory file in the form of
 * --dump-config. server/process/config.h and worker/config.h add the types.
 *
 * Main thread.
 */
#ifndef OFFLOOP_COMMON_OPTIONS_CONFIG_H
#define OFFLOOP_COMMON_OPTIONS_CONFIG_H

#include "common/options/options.h"

/* Reads flags, environment and file. 0: *config_r is set, and the caller ends it with
   config_destroy(). 1: the flag (--help) is done, and the process exits with 0. -1: one
   line was printed on stderr; a process that starts exits with EXIT_USAGE. */
int config_read(const struct options_program *program, int argc, char **argv,
                void **config_r) __attribute__((warn_unused_result));

/* A child reads the file of config_create_fd(). Returns as config_read(), but never 1. */
int config_read_fd(const struct options_program *program, int fd, void **config_r)
    __attribute__((warn_unused_result));

/* A master makes the memory file for children. -1 with errno. The caller closes it. */
int config_create_fd(const struct options_program *program, const void *config)
    __attribute__((warn_unused_result));

/* Frees a configuration; *config may be NULL. */
void config_destroy(const struct options_program *program, void **config);

#endif
