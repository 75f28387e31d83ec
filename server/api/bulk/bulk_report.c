#include "server/api/bulk/bulk_report.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void bulk_report_fail(struct bulk_report *report, uint64_t line, const char *detail)
{
    unsigned at = report->listed;

    assert(line > 0);
    report->failed++;
    while (at > 0 && report->errors[at - 1].line > line)
        at--;
    if (at == BULK_REPORT_ERRORS)
        return;
    if (report->listed < BULK_REPORT_ERRORS)
        report->listed++;
    memmove(report->errors + at + 1, report->errors + at,
            (report->listed - at - 1) * sizeof *report->errors);
    report->errors[at].line = line;
    snprintf(report->errors[at].detail, sizeof report->errors[at].detail, "%s", detail);
}

static void print_text(const char *text, struct buf *out)
{
    buf_append_str(out, "\"");
    for (; *text != '\0'; text++) {
        assert(*text >= ' ' && *text <= '~');
        if (*text == '"' || *text == '\\')
            buf_append_str(out, "\\");
        buf_append(out, text, 1);
    }
    buf_append_str(out, "\"");
}

void bulk_report_print(const struct bulk_report *report, struct buf *out)
{
    buf_printf(out, "{\"stored\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"errors\":[",
               report->stored, report->failed);
    for (unsigned i = 0; i < report->listed; i++) {
        buf_printf(out, "%s{\"line\":%" PRIu64 ",\"detail\":", i ? "," : "",
                   report->errors[i].line);
        print_text(report->errors[i].detail, out);
        buf_append_str(out, "}");
    }
    buf_append_str(out, "]}");
}
