/*
 * What a bulk request tells at its end: how many lines were stored, how many
 * failed, and why the first of these did. Pure.
 */
#ifndef OFFLOOP_SERVER_API_BULK_BULK_REPORT_H
#define OFFLOOP_SERVER_API_BULK_BULK_REPORT_H

#include <stdint.h>

#include "common/base/buf.h"

#define BULK_REPORT_ERRORS     100
#define BULK_REPORT_TEXT_BYTES 96

struct bulk_error {
    uint64_t line; /* from 1 */
    char detail[BULK_REPORT_TEXT_BYTES];
};

/* All zero is empty. */
struct bulk_report {
    uint64_t stored;
    uint64_t failed;
    unsigned listed;
    struct bulk_error errors[BULK_REPORT_ERRORS]; /* the first ones, by line */
};

/* Counts a line that failed, in any order of lines. detail is printable ASCII; it is
   cut where it is too long. */
void bulk_report_fail(struct bulk_report *report, uint64_t line, const char *detail);

/* Appends the report as JSON. */
void bulk_report_print(const struct bulk_report *report, struct buf *out);

#endif
