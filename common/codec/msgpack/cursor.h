/*
 * A cursor over one MessagePack value. It returns one event after another, and checks
 * every byte as docs/CODEC.md says. No allocation, no recursion; one thread at a time.
 * Used by validation and by engine `yajl`.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_CURSOR_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_CURSOR_H

#include "common/codec/codec.h"

/* The cost of an event, in units of a budget (codec.h). */
#define CURSOR_EVENT_WORK 4

enum cursor_event {
    CURSOR_NIL,
    CURSOR_FALSE,
    CURSOR_TRUE,
    CURSOR_UINT,   /* value.u */
    CURSOR_INT,    /* value.i, below 0 */
    CURSOR_DOUBLE, /* value.d, finite */
    CURSOR_STR,    /* value.text, UTF-8; names of a map too */
    CURSOR_NUMBER, /* value.text, a JSON number's */
    CURSOR_ARRAY,
    CURSOR_MAP,
    CURSOR_END_ARRAY,
    CURSOR_END_MAP,
    CURSOR_FAULT /* see status and fault_at; do not use the cursor again */
};

/* An open container. */
struct cursor_level {
    uint64_t left; /* values still to come; a name is one too */
    bool map;
};

struct cursor {
    const uint8_t *start; /* of the input */
    const uint8_t *at;    /* the next byte to read */
    const uint8_t *end;
    unsigned
        depth; /* containers open: 0 after an event means that the value is complete */
    unsigned
        max_depth; /* CODEC_MAX_DEPTH; up to CODEC_OPEN_MAX where the caller says so */
    enum codec_status status;
    size_t fault_at;
    union {
        uint64_t u;
        int64_t i;
        double d;
        struct slice text; /* in the input */
    } value;               /* of the last event */
    struct cursor_level levels[CODEC_OPEN_MAX];
};

/* Sets the cursor on the value at input.data + at (at most the input's length). */
void cursor_init(struct cursor *cursor, struct slice input, size_t at);

/* The next event. Call at least once, and until depth is 0 or the event is a fault. */
enum cursor_event cursor_next(struct cursor *cursor);

#endif
