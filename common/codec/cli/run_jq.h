/*
 * The command `jq` of offloop-codec: it runs a jq program on MessagePack or JSON. One
 * process, one thread.
 */
#ifndef OFFLOOP_COMMON_CODEC_CLI_RUN_JQ_H
#define OFFLOOP_COMMON_CODEC_CLI_RUN_JQ_H

#include "common/codec/cli/command.h"

struct jq_program;

/* jq: runs the program files[0] on each value of the file files[1] (or stdin), and prints
   each result on a line. Returns the exit status. */
int command_jq(const struct command_options *options);

/* Compiles a jq program. NULL with a message on stderr where it is not valid. The caller
   ends it with jq_destroy(). */
struct jq_program *command_compile(const char *text, const struct slice *names,
                                   size_t count);

#endif
