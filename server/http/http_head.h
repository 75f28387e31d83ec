/*
 * The text of replies: status line and headers, problem+json, dates. Bytes out,
 * no sockets and no state; any thread may call.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_HEAD_H
#define OFFLOOP_SERVER_HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <time.h>

#include "common/base/buf.h"
#include "server/http/http.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL. */
#define HTTP_DATE_BYTES 30

/* How the end of a reply's body shows (RFC 9112 section 6.3). */
enum http_delimiter {
    HTTP_DELIMITER_NONE,    /* no body can follow: 204, 304, 100 */
    HTTP_DELIMITER_LENGTH,  /* Content-Length */
    HTTP_DELIMITER_CHUNKED, /* chunks */
    HTTP_DELIMITER_CLOSE    /* the connection's end (HTTP/1.0) */
};

/* What Connection says. */
enum http_persistence {
    HTTP_PERSIST_SILENT, /* nothing: goes on, as HTTP/1.1 does by default */
    HTTP_PERSIST_TOLD,   /* keep-alive, for HTTP/1.0 and where there is a time to tell */
    HTTP_PERSIST_CLOSE   /* close */
};

struct http_head {
    int status;
    const char *content_type; /* NULL for none */
    struct slice headers;     /* more lines, each ending in CRLF */
    const char *date;         /* NULL for none */
    enum http_delimiter delimiter;
    uint64_t length; /* for HTTP_DELIMITER_LENGTH */
    enum http_persistence persistence;
    unsigned keep_alive_s; /* how long the connection waits for a request; 0 tells none */
};

/* Appends the head with its closing empty line. */
void http_head_write(struct buf *out, const struct http_head *head);

/* True where replies of that status never have a body (RFC 9110 section 6.4.1). */
bool http_head_bodiless(int status);

/* Writes an IMF-fixdate (RFC 9110 section 5.6.7), whatever the locale. */
void http_head_date(char text_r[static HTTP_DATE_BYTES], time_t when);

/* Appends the JSON text of a problem (RFC 9457). detail may be NULL and may hold any
   bytes: what is not printable ASCII is replaced. offset is left out where negative. */
void http_head_problem(struct buf *out, int status, const char *detail, int64_t offset);

#endif
