/*
 * What applications have done, by name: counters for /metrics, and how often their
 * documents have crashed workers. Connections of one name share a row, which stays for a
 * while when they are gone.
 *
 * There are at most APP_ROWS names: where more come, those that nobody is connected by
 * make room, and else the new ones share one row, "(others)". One loop thread.
 */
#ifndef OFFLOOP_WORKER_BROKER_APP_ROWS_H
#define OFFLOOP_WORKER_BROKER_APP_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "proto/wire.h"

#define APP_ROWS 64

/* So many crashes within ten minutes, and all jobs of that name are refused until one of
   them is older than that: a document that is varied each time is never known. */
#define APP_MAX_CRASHES 8

struct app_row {
    char name[WIRE_MAX_APP_BYTES + 1]; /* empty for a row never used */
    unsigned connections;
    uint64_t left_ns; /* when the last connection ended */
    uint64_t connections_total;
    uint64_t answers[WIRE_VERDICTS];
    uint64_t refused; /* of the answers, those that ran and failed */
    uint64_t in_bytes, out_bytes;
    uint64_t codec_us, queue_us;
    uint64_t unanswered;                  /* gauge */
    uint64_t crashed_ns[APP_MAX_CRASHES]; /* a ring */
    unsigned crashes;                     /* since the start */
};

struct app_rows {
    struct app_row rows[APP_ROWS + 1]; /* the last is that of the others */
};

/* No names yet. */
void app_rows_init(struct app_rows *rows);

/* A connection of that name has come; the caller lets go of its row by
   app_rows_release(). */
struct app_row *app_rows_take(struct app_rows *rows, const char *name);

/* A connection is gone. */
void app_rows_release(struct app_row *row, uint64_t now_ns);

/* A document of that name has crashed workers so that it is refused. */
void app_row_note_crash(struct app_row *row, uint64_t now_ns);

/* True where its documents have crashed too many workers lately. */
bool app_row_is_refused(const struct app_row *row, uint64_t now_ns);

/* Appends the metrics of all, in Prometheus' text format. */
void app_rows_print(const struct app_rows *rows, struct buf *text);

#endif
