/*
 * The decoder of request bodies (RFC 9112 sections 6 and 7): a counted body, or
 * chunks with extensions and trailers, which are checked and dropped. It is
 * strict: only CRLF ends a line, sizes are 1 to 16 hex digits, and no byte may
 * stand where the grammar has none. It takes bytes and returns data, more, done or
 * bad. It allocates nothing. Any thread may call, one decoder on one thread. The
 * result depends on the bytes alone, never on how they were cut.
 */
#ifndef OFFLOOP_SERVER_HTTP_PARSER_HTTP_BODY_H
#define OFFLOOP_SERVER_HTTP_PARSER_HTTP_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Bytes of chunk extensions that a body may have in all: more is 400. They cost work and
   mean nothing here. */
#define HTTP_BODY_EXTENSIONS_MAX 16384

/* Bytes of its trailer section: more is 431. */
#define HTTP_BODY_TRAILERS_MAX 8192

/* Longest name of a field that must not stand in trailers, and its NUL. */
#define HTTP_BODY_NAME_MAX 18

enum http_body_result {
    HTTP_BODY_MORE, /* all input is used; wants more */
    HTTP_BODY_DATA, /* a piece of the body was found: call again */
    HTTP_BODY_DONE, /* the body is over; what is left is the next request's */
    HTTP_BODY_BAD   /* see status and reason; for good */
};

/* What the next byte belongs to. */
enum http_body_state {
    HTTP_BODY_COUNTED,       /* a body of known length */
    HTTP_BODY_SIZE,          /* a chunk's size */
    HTTP_BODY_EXTENSION,     /* the name of an extension, after ';' */
    HTTP_BODY_VALUE_START,   /* its value, after '=' */
    HTTP_BODY_VALUE,         /* a token */
    HTTP_BODY_QUOTED,        /* a quoted-string */
    HTTP_BODY_ESCAPED,       /* after a backslash in one */
    HTTP_BODY_QUOTED_END,    /* after its closing quote */
    HTTP_BODY_SIZE_LF,       /* the LF after a size line's CR */
    HTTP_BODY_CHUNK,         /* a chunk's data */
    HTTP_BODY_CHUNK_CR,      /* the CR after the data */
    HTTP_BODY_CHUNK_LF,      /* and its LF */
    HTTP_BODY_TRAILER,       /* a trailer line's first byte, or the last CR */
    HTTP_BODY_TRAILER_NAME,  /* a trailer's name, up to ':' */
    HTTP_BODY_TRAILER_VALUE, /* its value */
    HTTP_BODY_TRAILER_LF,    /* the LF after its CR */
    HTTP_BODY_LAST_LF,       /* the LF after the last CR */
    HTTP_BODY_END,
    HTTP_BODY_ERROR
};

struct http_body {
    enum http_body_state state;
    uint64_t left;   /* bytes of the counted body, or of the chunk */
    unsigned digits; /* of the chunk's size so far; then: of an extension's name */
    uint32_t extension_bytes;
    uint32_t trailer_bytes;
    char name[HTTP_BODY_NAME_MAX]; /* a trailer's, lower case, as far as it fits */
    unsigned name_len;
    int status;         /* once bad */
    const char *reason; /* once bad: static text */
};

/* Prepares for a body of `length` bytes, or a chunked one where length is -1. */
void http_body_init(struct http_body *body, int64_t length);

/* Goes on over new input. *used_r bytes of it are used up. For HTTP_BODY_DATA *data_r is
   a piece of the body inside the input, never empty; otherwise it is empty. */
enum http_body_result http_body_next(struct http_body *body, const uint8_t *bytes,
                                     size_t len, size_t *used_r, struct slice *data_r);

/* How many bytes are known to come: the rest of a counted body, or of the current chunk.
 */
uint64_t http_body_left(const struct http_body *body);

#endif
