/*
 * The one table of the statuses that offloop answers with (RFC 9110 section 15;
 * API.md section 5): X(code, reason phrase). http_reason() reads it.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_STATUS_H
#define OFFLOOP_SERVER_HTTP_HTTP_STATUS_H

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

#endif
