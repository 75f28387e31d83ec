/*
 * The codec of simulated workers and threads: one for all, since a run keeps nothing.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_CODEC_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_CODEC_H

#include "common/codec/codec.h"

/* Begins an execution, with the engine that it is to use, and ends it. */
void sim_codec_begin(const char *engine);
void sim_codec_end(void);

/* The codec of this execution. */
struct codec *sim_codec(void);

#endif
