/*
 * The parser of request heads (RFC 9112 sections 2 to 6). It takes bytes and
 * returns more, done, or bad with a status and a reason. It is strict where servers
 * and proxies are known to differ: what it accepts has one meaning. It uses no
 * sockets and no loop and allocates nothing. Any thread may call, one parser on one
 * thread.
 *
 * The caller keeps the bytes of a head together and runs the parser over all of
 * them again when more have come; it looks at no byte more than twice. The result
 * depends on the bytes alone, never on how they were cut. What it finds are spans
 * (offsets into those bytes), so that the bytes may be moved.
 */
#ifndef OFFLOOP_SERVER_HTTP_PARSER_HTTP_PARSER_H
#define OFFLOOP_SERVER_HTTP_PARSER_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/http/http.h"

/* More header lines than this: 431. */
#define HTTP_PARSER_FIELDS_MAX 100

/* A longer method is no method: 400. */
#define HTTP_PARSER_METHOD_MAX 32

enum http_parser_result {
    HTTP_PARSER_MORE, /* all good so far; wants more bytes */
    HTTP_PARSER_DONE, /* head_bytes of the input were the head */
    HTTP_PARSER_BAD   /* see status and reason; for good */
};

/* What comes next in the input. */
enum http_parser_state {
    HTTP_PARSER_BLANK,   /* an empty line (one is skipped) or the request line */
    HTTP_PARSER_REQUEST, /* the request line */
    HTTP_PARSER_FIELDS,  /* a header line, or the empty line at the end */
    HTTP_PARSER_END,     /* nothing: done */
    HTTP_PARSER_ERROR    /* nothing: bad */
};

/* The form of a request target (RFC 9112 section 3.2); authority-form is refused. */
enum http_target_form { HTTP_TARGET_ORIGIN, HTTP_TARGET_ABSOLUTE, HTTP_TARGET_ASTERISK };

/* A part of the head. */
struct http_span {
    uint32_t at; /* offset from the first byte given */
    uint32_t len;
};

struct http_field {
    struct http_span name;
    struct http_span value; /* without the white space around it */
};

struct http_parser_limits {
    size_t head_bytes;   /* at most this much in all: else 431 */
    size_t target_bytes; /* a longer target: 414 */
};

/* The head as read. Zero is no valid start: see http_parser_init(). */
struct http_parser {
    struct http_parser_limits limits;
    enum http_parser_state state;
    uint32_t line;    /* where the current line starts */
    uint32_t scanned; /* bytes of it looked at */

    enum http_method method;
    struct http_span method_text, target, path, query;
    enum http_target_form form;
    int minor; /* 0 or 1; a later 1.x counts as 1.1 */

    bool host_seen, host_empty;
    bool length_seen;
    int64_t length; /* of the body: Content-Length, 0 without one, -1 for chunked */
    unsigned codings_chunked, codings_other;      /* of Transfer-Encoding */
    bool coding_last_chunked, coding_seen;        /* of Transfer-Encoding */
    bool connection_close, connection_keep_alive; /* what Connection lists */
    bool expect_continue, expect_other;

    uint32_t head_bytes; /* once done: what the head takes, blank line included */
    int status;          /* once bad: what to answer */
    const char *reason;  /* once bad: static text for the answer's detail */

    uint32_t field_count;
    struct http_field fields[HTTP_PARSER_FIELDS_MAX];
};

/* Prepares for a new head. */
void http_parser_init(struct http_parser *parser,
                      const struct http_parser_limits *limits);

/* Goes on over the bytes of the head. All of them have to be given, from the first one
   on. May be called again only after MORE. */
enum http_parser_result http_parser_run(struct http_parser *parser, const uint8_t *bytes,
                                        size_t len);

/* True once a byte of the request line has been seen: a stray empty line begins no
   request. */
bool http_parser_begun(const struct http_parser *parser);

/* True where the connection may go on after this request (RFC 9112 section 9.3). */
bool http_parser_persistent(const struct http_parser *parser);

#endif
