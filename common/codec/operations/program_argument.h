/*
 * What a transformation's program and arguments look like in a call's argument: a
 * MessagePack array of the program's text, a map of named arguments, and perhaps a text
 * with the documents' names, a '\n' behind each: then every document is run with its own
 * as `$id`. Reading trusts nothing. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_PROGRAM_ARGUMENT_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_PROGRAM_ARGUMENT_H

#include "common/base/buf.h"
#include "common/codec/jq/jq.h"

/* The argument that carries the document's name. */
#define PROGRAM_ID "id"

/* What a call's argument says; slices point into it. */
struct program_argument {
    struct slice text;
    size_t count; /* of the arguments */
    struct slice names[JQ_MAX_NAMES];
    struct slice values[JQ_MAX_NAMES];
    bool has_ids;
    struct slice ids;
};

/* Reads such an argument. Returns -1 where it is malformed. */
int program_argument_read(struct slice bytes, struct program_argument *argument_r)
    __attribute__((warn_unused_result));

/* Of such an argument the program's text; empty where it is malformed. */
struct slice program_argument_text(struct slice bytes);

/* Appends such an argument; `arguments` is a MessagePack map, ids.data NULL for none. */
void program_argument_put(struct buf *out, struct slice text, struct slice arguments,
                          struct slice ids);

#endif
