/* Which job turns a stored document into what the request asks for, if any. */
#include "server/api/document/document_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint8_t bytes[CODEC_CODED_MIN_BYTES + 1];

struct row {
    enum store_format stored;
    enum negotiate_type type;
    bool gzip, pretty, fields, large;
    int op; /* -1: sent as stored */
    bool zips;
};

static const struct row rows[] = {
    /* stored, asked for, gzip, pretty, fields, large: the job, whether it compresses */
    {STORE_MSGPACK, NEGOTIATE_JSON, 0, 0, 0, 0, CODEC_OP_ENCODE, 0},
    {STORE_MSGPACK, NEGOTIATE_JSON, 1, 0, 0, 0, CODEC_OP_ENCODE, 1}, /* who knows? */
    {STORE_MSGPACK, NEGOTIATE_JSON, 1, 1, 1, 1, CODEC_OP_ENCODE, 1},
    {STORE_MSGPACK, NEGOTIATE_MSGPACK, 0, 0, 0, 0, -1, 0},
    {STORE_MSGPACK, NEGOTIATE_MSGPACK, 0, 1, 0, 1, -1, 0},
    {STORE_MSGPACK, NEGOTIATE_MSGPACK, 0, 0, 1, 1, CODEC_OP_PROJECT, 0},
    {STORE_JSON, NEGOTIATE_JSON, 0, 0, 0, 1, -1, 0},
    {STORE_JSON, NEGOTIATE_JSON, 1, 0, 0, 0, -1, 0}, /* too small for gzip */
    {STORE_JSON, NEGOTIATE_JSON, 1, 0, 0, 1, CODEC_OP_ENCODE, 1},
    {STORE_JSON, NEGOTIATE_JSON, 0, 1, 0, 0, CODEC_OP_ENCODE, 0},
    {STORE_JSON, NEGOTIATE_JSON, 1, 1, 0, 0, CODEC_OP_ENCODE, 1}, /* wider than stored */
    {STORE_JSON, NEGOTIATE_JSON, 0, 0, 1, 0, CODEC_OP_ENCODE, 0},
    {STORE_JSON, NEGOTIATE_MSGPACK, 0, 1, 0, 1, CODEC_OP_DECODE, 0},
    {STORE_JSON, NEGOTIATE_MSGPACK, 0, 0, 1, 0, CODEC_OP_PROJECT, 0},
};

static void check(const struct row *row)
{
    static const char fields[] = "a,b.c";
    struct exchange e = {.type = row->type,
                         .coding = row->gzip ? CODING_GZIP : CODING_NONE};
    const struct slice stored = {bytes, row->large ? sizeof bytes : 10};
    struct codec_call call;
    bool job;

    e.query.pretty = row->pretty;
    if (row->fields)
        e.query.fields = (struct slice){(const uint8_t *)fields, strlen(fields)};
    job = document_reply_plan(&e, row->stored, stored, &call);
    assert_int_equal(job, row->op >= 0);
    if (!job)
        return;
    assert_int_equal(call.op, row->op);
    assert_int_equal(call.coding, row->zips ? CODING_GZIP : CODING_NONE);
    assert_false(call.gunzip);
    assert_ptr_equal(call.in.data, bytes);
    assert_int_equal(call.in.len, stored.len);
    assert_int_equal(call.fields.len, e.query.fields.len);
    assert_int_equal(call.pretty, row->pretty && row->type == NEGOTIATE_JSON);
    if (call.op == CODEC_OP_DECODE) /* its input is text, not a stored document */
        assert_int_equal(call.format, CODEC_FORMAT_MSGPACK);
    else
        assert_int_equal(call.format, exchange_codec_format(row->stored));
}

static void test_plans(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check(&rows[i]);
}

/* A worker without the coding: the exchange does without, and for that reason alone. */
static void test_a_worker_that_lacks_the_coding(void **state)
{
    static const struct {
        enum job_status status;
        enum codec_status fault;
        enum codec_coding coding;
        bool lacks;
    } cases[] = {
        {JOB_REFUSED, CODEC_UNSUPPORTED, CODING_ZSTD, true},
        {JOB_REFUSED, CODEC_UNSUPPORTED, CODING_GZIP, true},
        {JOB_REFUSED, CODEC_UNSUPPORTED, CODING_NONE, false},
        {JOB_REFUSED, CODEC_MSGPACK, CODING_ZSTD, false},
        {JOB_WORKER_LOST, CODEC_OK, CODING_ZSTD, false},
        {JOB_OK, CODEC_OK, CODING_ZSTD, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct exchange e = {.coding = cases[i].coding};
        const struct job job = {.status = cases[i].status,
                                .fault = {cases[i].fault, 0},
                                .call = {.coding = cases[i].coding}};

        assert_int_equal(exchange_lacks_coding(&e, &job), cases[i].lacks);
        assert_int_equal(e.coding, cases[i].lacks ? CODING_NONE : cases[i].coding);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_a_worker_that_lacks_the_coding)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
