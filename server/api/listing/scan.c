#include "server/api/listing/scan.h"

#include <stdio.h>
#include <string.h>

bool scan_may_begin(struct exchange *e, bool counts)
{
    if (e->query.after_len > 0)
        exchange_fail(e, 400, "a scan has no order, so it cannot begin after an id");
    else if (counts)
        exchange_fail(e, 406,
                      "a scan is sent as application/json or application/x-ndjson");
    return !http_replied(e->x);
}

void scan_fail_store(struct exchange *e, enum store_status status)
{
    if (status != STORE_UNLISTED)
        exchange_fail_store(e, status);
    else if (e->query.scan)
        exchange_fail(e, 403, "scans are switched off here (scan=off in --store)");
    else
        exchange_fail(e, 400,
                      "the store is an application's and keeps no list of documents; "
                      "?scan looks through all keys of Redis for them");
}

/* Takes the first line off; one of no length if there is none. */
static struct slice take_line(struct slice *lines)
{
    const uint8_t *end = lines->len > 0 ? memchr(lines->data, '\n', lines->len) : NULL;
    struct slice line = {lines->data, 0};

    if (end == NULL)
        return line;
    line.len = (size_t)(end - lines->data);
    lines->data += line.len + 1;
    lines->len -= line.len + 1;
    return line;
}

/* The id of the document at an offset. A document that is alone in its run is not looked
   at, because it may be large. */
static struct slice id_at(uint64_t offset, struct slice documents, struct slice ids)
{
    struct slice id = take_line(&ids);
    const uint8_t *at = documents.data,
                  *last = at + (offset < documents.len ? offset : documents.len);

    while (ids.len > 0 && at < last &&
           (at = memchr(at, '\n', (size_t)(last - at))) != NULL) {
        id = take_line(&ids);
        at++;
    }
    return id;
}

bool scan_explain(const struct job *job, struct slice documents, struct slice ids,
                  char detail_r[SCAN_DETAIL_MAX])
{
    enum codec_status status = job->fault.status;
    struct slice id;

    if (job->status != JOB_REFUSED || codec_status_has_text(status) ||
        codec_status_http(status) != 400 || status == CODEC_FIELDS)
        return false;
    id = id_at(job->fault.offset, documents, ids);
    snprintf(detail_r, SCAN_DETAIL_MAX, "the value of document %.*s is not JSON: %s",
             (int)id.len, (const char *)id.data, codec_status_text(status));
    return true;
}
