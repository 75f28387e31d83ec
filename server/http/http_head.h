/*
 * Writes the text of replies: status line and headers, problem+json, dates. There
 * are no sockets and no state; any thread may call.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_HEAD_H
#define OFFLOOP_SERVER_HTTP_HTTP_HEAD_H

#include <stdbool.h>
#include <time.h>

#include "common/base/buf.h"
#include "server/http/http.h"

/* The one table of the statuses that offloop answers with (RFC 9110 section 15):
   X(code, reason phrase). http_reason() reads it. */
/* clang-format off */
#define HTTP_STATUSES(X)                    \
    X(100, "Continue")                      \
    X(200, "OK")                            \
    X(201, "Created")                       \
    X(204, "No Content")                    \
    X(304, "Not Modified")                  \
    X(400, "Bad Request")                   \
    X(401, "Unauthorized")                  \
    X(403, "Forbidden")                     \
    X(404, "Not Found")                     \
    X(405, "Method Not Allowed")            \
    X(406, "Not Acceptable")                \
    X(408, "Request Timeout")               \
    X(409, "Conflict")                      \
    X(411, "Length Required")               \
    X(412, "Precondition Failed")           \
    X(413, "Content Too Large")             \
    X(414, "URI Too Long")                  \
    X(415, "Unsupported Media Type")        \
    X(416, "Range Not Satisfiable")         \
    X(417, "Expectation Failed")            \
    X(421, "Misdirected Request")           \
    X(422, "Unprocessable Content")         \
    X(431, "Request Header Fields Too Large") \
    X(500, "Internal Server Error")         \
    X(501, "Not Implemented")               \
    X(503, "Service Unavailable")           \
    X(504, "Gateway Timeout")               \
    X(505, "HTTP Version Not Supported")    \
    X(507, "Insufficient Storage")
/* clang-format on */

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL. */
#define HTTP_DATE_BYTES 30

/* How a client finds the end of a reply's body (RFC 9112 section 6.3). */
enum http_delimiter {
    HTTP_DELIMITER_NONE,    /* no body can follow: 204, 304, 100 */
    HTTP_DELIMITER_LENGTH,  /* Content-Length */
    HTTP_DELIMITER_CHUNKED, /* chunks */
    HTTP_DELIMITER_CLOSE    /* the connection's end (HTTP/1.0) */
};

/* What the Connection field says. */
enum http_persistence {
    HTTP_PERSIST_SILENT, /* no field: goes on, as HTTP/1.1 does by default */
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

/* Appends a whole reply that refuses a request with a problem and says that the
   connection closes; a 503 also says when to come again. date as in struct http_head.
   Returns the length of its body, which is left out for is_head (the answer to HEAD). */
size_t http_head_refusal(struct buf *out, int status, const char *reason,
                         const char *date, bool is_head);

#endif
