/*
 * Indents JSON. Engines write compact text; this indents it in place, so that all
 * engines' results look the same: two spaces for each level, `"name": value`, `[]` and
 * `{}` for empty containers, no newline at the end. Called by codec.c.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_PRETTY_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_PRETTY_H

#include "common/codec/engine.h"

/* Indents the compact JSON text from out->data[from] to out->len, which an engine has
   written. `depth` is the number of containers around it; with depth over 0, the text
   begins on a new line. Returns CODEC_OK, CODEC_TOO_LARGE or CODEC_MEMORY. */
enum codec_status pretty_expand(struct engine_job *job, size_t from, unsigned depth)
    __attribute__((warn_unused_result));

#endif
