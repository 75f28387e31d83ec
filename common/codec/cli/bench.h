/*
 * The command `bench` of offloop-codec: it measures the engines on JSON files. One
 * process, one thread.
 */
#ifndef OFFLOOP_COMMON_CODEC_CLI_BENCH_H
#define OFFLOOP_COMMON_CODEC_CLI_BENCH_H

#include "common/codec/cli/command.h"

/* bench: transcodes each JSON file both ways, options->repeat times. Prints the speed of
   each engine (or of the chosen one) in each direction. Returns the exit status. */
int command_bench(const struct command_options *options);

#endif
