/*
 * One request as a parser read it, and llhttp's reading. Apart from the test,
 * since llhttp's header and ours both have an HTTP_GET.
 */
#ifndef OFFLOOP_TESTS_ORACLE_LLHTTP_READING_H
#define OFFLOOP_TESTS_ORACLE_LLHTTP_READING_H

#include <stdbool.h>

#include "common/base/buf.h"

struct reading {
    struct buf target;
    struct buf fields; /* "name:value\n" each, of the head */
    struct buf body;
    bool head_over, over;
    bool has_extensions; /* in its chunks; ours only */
};

/* What became of it. */
enum llhttp_verdict {
    LLHTTP_ACCEPTS,
    LLHTTP_REFUSES_METHOD,  /* it has a list of them */
    LLHTTP_REFUSES_VERSION, /* and of these */
    LLHTTP_REFUSES_CHUNK,   /* a chunk's size line, before version 9 only */
    LLHTTP_REFUSES
};

/* Reads a whole request. *why_r is llhttp's name of the error (static text). */
enum llhttp_verdict llhttp_read(const uint8_t *bytes, size_t len, struct reading *reading,
                                const char **why_r);

/* Frees what a reading holds. */
void reading_free(struct reading *reading);

#endif
