/*
 * The access log: one line per request in combined log format, then the mode
 * its codec work ran in ("-" for none), the microseconds it took there, and the
 * microseconds it waited for a worker:
 *
 *     127.0.0.1 - - [22/Nov/2026:10:28:50 +0000] "GET /v1/a/b HTTP/1.1" 200 512 "-"
 *     "curl/7.88.1" rpc 41 7
 *
 * Writing to a file can block, so a thread of its own does it, and the loop only
 * appends to a buffer. Where the disk is slower than the requests, lines beyond a
 * bound are dropped, and the error log says how many.
 */
#ifndef OFFLOOP_SERVER_PROCESS_ACCESS_LOG_H
#define OFFLOOP_SERVER_PROCESS_ACCESS_LOG_H

#include "server/api/api.h"

struct access_log;

/* Opens (appending to) the file, "-" for stdout, and starts the thread. NULL with errno
   where the file cannot be opened. The caller ends it with access_log_destroy(). */
struct access_log *access_log_create(const char *path);

/* Writes out what is buffered, ends the thread, frees; NULL inside is allowed. */
void access_log_destroy(struct access_log **log);

/* Appends the line of one exchange. Loop thread only; never blocks. */
void access_log_put(struct access_log *log, const struct api_event *event);

/* The same for a request that was refused before the handler knew of it. */
void access_log_put_refused(struct access_log *log, const struct http_refusal *refusal);

#endif
