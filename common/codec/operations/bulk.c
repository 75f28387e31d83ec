#include "common/codec/operations/bulk.h"

#include <assert.h>
#include <string.h>

#include "common/codec/engine.h"
#include "common/codec/msgpack/cursor.h"
#include "common/codec/msgpack/pack.h"
#include "common/codec/operations/program.h"

/* Bytes of results that a program may make of a line: more than any memory. */
#define STEP_MAX_OUTPUT (SIZE_MAX / 16)

/* What a line takes beside its bytes, in units of a budget. */
#define BULK_LINE_WORK 64

/* ---- reading records ---- */

static uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int bulk_read(struct slice *rest, struct bulk_record *record_r)
{
    const uint8_t *p = rest->data;
    size_t id_len, document_len = 0;
    uint32_t number;

    if (rest->len < BULK_HEAD_BYTES || p[0] >= CODEC_STATUSES)
        return -1;
    number = read_be32(p + 2);
    id_len = p[1];
    *record_r = (struct bulk_record){.status = (enum codec_status)p[0]};
    if (record_r->status == CODEC_OK)
        document_len = number;
    else
        record_r->offset = number;
    /* A document has an id and at least one byte; other records have neither. */
    if ((id_len > 0) != (document_len > 0) ||
        document_len > rest->len - BULK_HEAD_BYTES ||
        id_len > rest->len - BULK_HEAD_BYTES - document_len)
        return -1;
    record_r->id = (struct slice){p + BULK_HEAD_BYTES, id_len};
    record_r->document = (struct slice){p + BULK_HEAD_BYTES + id_len, document_len};
    if (id_len > 0 && !document_name_is_valid(record_r->id))
        return -1;
    rest->data += BULK_HEAD_BYTES + id_len + document_len;
    rest->len -= BULK_HEAD_BYTES + id_len + document_len;
    return 0;
}

void bulk_write_head(const struct bulk_record *record, uint8_t head_r[BULK_HEAD_BYTES])
{
    bool ok = record->status == CODEC_OK;

    assert(record->id.len <= DOCUMENT_NAME_MAX_BYTES &&
           record->document.len <= UINT32_MAX);
    assert(ok || record->id.len == 0);
    head_r[0] = (uint8_t)record->status;
    head_r[1] = (uint8_t)record->id.len;
    pack_be32(head_r + 2, ok ? (uint32_t)record->document.len : record->offset);
}

bool bulk_is_blank(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}

/* ---- lines to records ---- */

/* The job while it runs. */
struct bulk_job {
    struct codec *codec;
    bulk_step_fn *run_step;
    struct jq_cache **programs;
    const struct codec_call *call;
    struct engine_job out;    /* for the records; its budget is the call's */
    struct buf value;         /* the line as MessagePack */
    struct buf shaped;        /* the document that the program made of it */
    struct buf reason;        /* what a program's failure leaves */
    struct codec_fault fault; /* of the job, where it is not a line's */
};

/* What a step may still use of the job's memory. */
static size_t memory_left(const struct bulk_job *job)
{
    size_t held = job->value.cap + job->shaped.cap + (job->out.out->cap - job->out.base);

    return held < job->call->max_memory ? job->call->max_memory - held : 0;
}

/* One step of a line, appended to out. */
static enum codec_status run_step(struct bulk_job *job, enum codec_op op, struct slice in,
                                  size_t max_output, struct buf *out,
                                  struct codec_fault *fault_r)
{
    bool decodes = op == CODEC_OP_DECODE;
    const struct codec_call call = {
        .op = op,
        .in = in,
        .keep_numbers = job->call->keep_numbers || job->call->format == CODEC_FORMAT_JSON,
        .levels_around = decodes ? 1 : 0,
        .max_output = max_output,
        .max_memory = memory_left(job) + (out->cap - out->len),
        .budget = job->call->budget};

    return job->run_step(job->codec, &call, out, fault_r);
}

/* Finds the two members in the line's MessagePack, which our decoder made. */
static enum codec_status find_members(struct slice value, struct slice *id_r,
                                      struct slice *document_r)
{
    struct cursor cursor;
    unsigned ids = 0, documents = 0;

    cursor_init(&cursor, value, 0);
    cursor.max_depth = CODEC_OPEN_MAX; /* the line is a container around the document */
    if (cursor_next(&cursor) != CURSOR_MAP)
        return CODEC_LINE;
    while (cursor_next(&cursor) != CURSOR_END_MAP) {
        struct slice name = cursor.value.text;
        const uint8_t *start = cursor.at;
        enum cursor_event event = cursor_next(&cursor);
        bool is_id = name.len == 2 && memcmp(name.data, "id", 2) == 0;

        if (is_id && event != CURSOR_STR)
            return CODEC_NAME;
        if (is_id && ids++ == 0)
            *id_r = cursor.value.text;
        while (cursor.depth > 1)
            event = cursor_next(&cursor);
        assert(event != CURSOR_FAULT);
        if (name.len == 8 && memcmp(name.data, "document", 8) == 0 && documents++ == 0)
            *document_r = (struct slice){start, (size_t)(cursor.at - start)};
    }
    if (ids != 1 || documents != 1)
        return CODEC_LINE;
    return document_name_is_valid(*id_r) ? CODEC_OK : CODEC_NAME;
}

/* Appends a record's head and id. */
static enum codec_status put_head(struct bulk_job *job, const struct bulk_record *record)
{
    struct buf *out = job->out.out;
    enum codec_status status =
        engine_reserve(&job->out, BULK_HEAD_BYTES + record->id.len);

    if (status != CODEC_OK)
        return status;
    bulk_write_head(record, out->data + out->len);
    memcpy(out->data + out->len + BULK_HEAD_BYTES, record->id.data, record->id.len);
    out->len += BULK_HEAD_BYTES + record->id.len;
    return CODEC_OK;
}

static enum codec_status put_failure(struct bulk_job *job, enum codec_status why,
                                     uint64_t offset)
{
    const struct bulk_record record = {
        .status = why,
        .offset = offset < BULK_NO_OFFSET ? (uint32_t)offset : BULK_NO_OFFSET,
        .id = {(const uint8_t *)"", 0}};

    return put_head(job, &record);
}

/* Appends the document; a fault of it is its line's. */
static enum codec_status put_document(struct bulk_job *job, struct slice document)
{
    struct buf *out = job->out.out;
    size_t used = out->len - job->out.base;
    size_t left = used < job->out.max_output ? job->out.max_output - used : 0;
    struct codec_fault fault;
    enum codec_status status;

    if (job->call->format == CODEC_FORMAT_JSON)
        return run_step(job, CODEC_OP_ENCODE, document, left, out, &fault);
    status =
        document.len > left ? CODEC_TOO_LARGE : engine_reserve(&job->out, document.len);
    if (status == CODEC_OK) {
        memcpy(out->data + out->len, document.data, document.len);
        out->len += document.len;
    }
    return status;
}

static enum codec_status put_line(struct bulk_job *job, struct slice id,
                                  struct slice document)
{
    struct bulk_record record = {.status = CODEC_OK, .id = id};
    struct buf *out = job->out.out;
    size_t start = out->len;
    enum codec_status status = put_head(job, &record);

    if (status != CODEC_OK)
        return status;
    status = put_document(job, document);
    /* No room for the result is no fault of the line: the job runs again with more. */
    if (status == CODEC_STOPPED || status == CODEC_TOO_LARGE)
        return status;
    if (status != CODEC_OK) {
        out->len = start;
        return put_failure(job, status, BULK_NO_OFFSET);
    }
    record.document =
        (struct slice){out->data, out->len - start - BULK_HEAD_BYTES - id.len};
    bulk_write_head(&record, out->data + start);
    return CODEC_OK;
}

/* True for a failure that every line would have, or that ends the job. */
static bool is_of_the_job(enum codec_status status)
{
    return status == CODEC_STOPPED || status == CODEC_PROGRAM || status == CODEC_ARGUMENT;
}

/* A line whose document is what the program makes of it. */
static enum codec_status shape_line(struct bulk_job *job, struct slice id,
                                    struct slice document)
{
    struct codec_call call = *job->call;
    struct program_step step = {.call = &call,
                                .programs = job->programs,
                                .max_output = STEP_MAX_OUTPUT,
                                .max_memory = memory_left(job),
                                .is_one_document = true,
                                .id = id,
                                .reason = &job->reason};
    enum codec_status status;

    call.one = true;
    job->shaped.len = job->reason.len = 0;
    status = program_run(&step, document, &job->shaped);
    if (is_of_the_job(status)) {
        job->fault = step.fault;
        return status;
    }
    if (status != CODEC_OK)
        return put_failure(job, status, BULK_NO_OFFSET);
    if (step.results == 0)
        return put_failure(job, CODEC_OK, 0);
    return put_line(job, id, buf_slice(&job->shaped));
}

static enum codec_status run_line(struct bulk_job *job, struct slice line)
{
    struct codec_fault fault = {CODEC_OK, BULK_NO_OFFSET};
    struct slice id = {(const uint8_t *)"", 0}, document = id;
    enum codec_status status;

    if (bulk_is_blank(line))
        return put_failure(job, CODEC_OK, 0);
    job->value.len = 0;
    status = run_step(job, CODEC_OP_DECODE, line, SIZE_MAX, &job->value, &fault);
    if (status == CODEC_STOPPED)
        return status;
    if (status == CODEC_MEMORY || status == CODEC_TOO_LARGE)
        fault.offset = BULK_NO_OFFSET;
    if (status != CODEC_OK)
        return put_failure(job, status, fault.offset);
    status = find_members(buf_slice(&job->value), &id, &document);
    if (status != CODEC_OK)
        return put_failure(job, status, BULK_NO_OFFSET);
    if (job->call->transform)
        return shape_line(job, id, document);
    return put_line(job, id, document);
}

enum codec_status bulk_run(struct codec *codec, bulk_step_fn *step,
                           struct jq_cache **programs, const struct codec_call *call,
                           struct buf *out, struct codec_fault *fault_r)
{
    struct bulk_job job = {
        .codec = codec, .run_step = step, .programs = programs, .call = call};
    struct slice rest = call->in;
    enum codec_status status = CODEC_OK;
    size_t start = out->len;
    bool fresh = out->data == NULL;

    job.out = (struct engine_job){.in = call->in,
                                  .out = out,
                                  .base = out->len,
                                  .max_output = call->max_output,
                                  .bound_output = SIZE_MAX / 2,
                                  .max_memory = call->max_memory,
                                  .budget = call->budget};
    if (job.out.max_output > SIZE_MAX / 2)
        job.out.max_output = SIZE_MAX / 2;
    while (status == CODEC_OK && rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.data) : rest.len;

        status = run_line(&job, (struct slice){rest.data, len});
        if (status == CODEC_OK)
            status = engine_spend(&job.out, len + BULK_LINE_WORK);
        len = end ? len + 1 : len;
        rest.data += len;
        rest.len -= len;
    }
    if (status == CODEC_OK && out->len - start > job.out.max_output)
        status = CODEC_TOO_LARGE;
    buf_free(&job.value);
    buf_free(&job.shaped);
    if (status != CODEC_OK)
        out->len = start;
    if (status != CODEC_OK && fresh)
        buf_free(out);
    if (codec_status_has_text(status))
        buf_append(out, job.reason.data, job.reason.len);
    buf_free(&job.reason);
    *fault_r = (struct codec_fault){status, job.fault.offset};
    return status;
}
