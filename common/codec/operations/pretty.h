/*
 * Indenting. Engines write compact text; this widens it in place, so that both
 * look the same. Two spaces a level, `"name": value`, empty containers stay
 * `[]` and `{}`, no newline at the end. Called by codec.c.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_PRETTY_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_PRETTY_H

#include "common/codec/engine.h"

/* Indents the one compact JSON text that an engine has written at out->data[from] up to
   out->len. Where it is an element (depth over 0: how many containers are around it) it
   begins on a line of its own. Returns CODEC_OK, CODEC_TOO_LARGE or CODEC_MEMORY. */
enum codec_status pretty_expand(struct engine_job *job, size_t from, unsigned depth)
    __attribute__((warn_unused_result));

#endif
