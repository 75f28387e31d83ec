/* Documents with their names (codec_call.ids), with both engines. */
#include "common/codec/export_items.h"

#include "common/codec/coding/coding.h"
#include "tests/unit/codec/codec_job.h"

static struct codec *codec; /* the engine of the round */

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct codec_call call_of(enum codec_op op, const struct buf *in,
                                 const char *names)
{
    return (struct codec_call){.op = op,
                               .ids = true,
                               .separator = ',',
                               .argument = slice_of(names),
                               .in = buf_slice(in),
                               .max_output = SIZE_MAX,
                               .max_memory = SIZE_MAX};
}

static void check_text(struct codec_call call, const char *expected)
{
    struct buf out = BUF_INIT;
    struct codec_fault fault;

    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    assert_int_equal(out.len, strlen(expected));
    assert_memory_equal(out.data, expected, out.len);
    buf_free(&out);
}

static enum codec_status fails_as(struct codec_call call)
{
    struct buf out = BUF_INIT;
    struct codec_fault fault;
    enum codec_status status = codec_run(codec, &call, &out, &fault);

    assert_int_equal(out.len, 0);
    buf_free(&out);
    return status;
}

/* Two documents, back to back: {"x":[1,2],"y":"z"} and 7. */
static struct buf two(void)
{
    struct buf in = packed("{\"x\":[1,2],\"y\":\"z\"}");

    buf_append(&in, "\x07", 1);
    return in;
}

static void test_text(void **state)
{
    struct buf in = two();
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, &in, "a\nb~\n");

    (void)state;
    check_text(call, "{\"id\":\"a\",\"document\":{\"x\":[1,2],\"y\":\"z\"}},"
                     "{\"id\":\"b~\",\"document\":7}");
    call.separator = '\n';
    call.fields = slice_of("x.1");
    check_text(call, "{\"id\":\"a\",\"document\":{\"x\":[2]}}\n"
                     "{\"id\":\"b~\",\"document\":7}");
    call.separator = ',';
    call.pretty = true;
    check_text(call, "\n  {\n    \"id\": \"a\",\n    \"document\": {\n      \"x\": [\n"
                     "        2\n      ]\n    }\n  },"
                     "\n  {\n    \"id\": \"b~\",\n    \"document\": 7\n  }");
    buf_free(&in);
}

static void test_stored_text(void **state)
{
    struct buf in = BUF_INIT;
    struct codec_call call;

    (void)state;
    buf_append_str(&in, "{\"x\":1}\n[]\n");
    call = call_of(CODEC_OP_SEQUENCE, &in, "a\nb\n");
    call.format = CODEC_FORMAT_JSON;
    check_text(call,
               "{\"id\":\"a\",\"document\":{\"x\":1}},{\"id\":\"b\",\"document\":[]}");
    call.op = CODEC_OP_PROJECT;
    check_text(call, "\x82\xa2id\xa1"
                     "a\xa8"
                     "document\x81\xa1x\x01\x82\xa2id\xa1"
                     "b\xa8"
                     "document\x90");
    buf_free(&in);
}

static void test_packed(void **state)
{
    struct buf in = two();
    struct codec_call call = call_of(CODEC_OP_PROJECT, &in, "a\nb\n");

    (void)state;
    call.fields = slice_of("y");
    check_text(call, "\x82\xa2id\xa1"
                     "a\xa8"
                     "document\x81\xa1y\xa1z\x82\xa2id\xa1"
                     "b\xa8"
                     "document\x07");
    buf_free(&in);
}

/* Lengths of names around the forms that a string's head has. */
static void test_names(void **state)
{
    static const size_t lengths[] = {1, 31, 32, 255};
    char name[DOCUMENT_NAME_MAX_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct buf in = packed("1"), out = BUF_INIT, expected = BUF_INIT;
        struct codec_call call;
        struct codec_fault fault;

        memset(name, 'n', lengths[i]);
        memcpy(name + lengths[i], "\n", 2);
        call = call_of(CODEC_OP_PROJECT, &in, name);
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        name[lengths[i]] = '\0';
        buf_printf(&expected, "{\"id\":\"%s\",\"document\":1}", name);
        buf_append(&expected, "", 1);
        assert_packed(buf_slice(&out), (const char *)expected.data);
        buf_free(&in);
        buf_free(&out);
        buf_free(&expected);
    }
}

/* A document of the greatest depth: the containers around it do not count. */
static void test_depth(void **state)
{
    struct buf text = BUF_INIT, in, out = BUF_INIT;
    struct codec_call call;
    struct codec_fault fault;

    (void)state;
    append_times(&text, "[", CODEC_MAX_DEPTH);
    append_times(&text, "]", CODEC_MAX_DEPTH);
    buf_append(&text, "", 1);
    in = packed((const char *)text.data);
    call = call_of(CODEC_OP_SEQUENCE, &in, "a\n");
    for (int pretty = 0; pretty < 2; pretty++) {
        call.pretty = pretty;
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    }
    call.op = CODEC_OP_PROJECT;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    buf_free(&text);
    buf_free(&in);
    buf_free(&out);
}

static void test_what_is_no_name(void **state)
{
    static const char *const names[] = {"", "a", "a\n", "a\n\n", "a\n\"\n", "a\nb"};
    struct buf in = two();

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(fails_as(call_of(CODEC_OP_SEQUENCE, &in, names[i])), CODEC_NAME);
        assert_int_equal(fails_as(call_of(CODEC_OP_PROJECT, &in, names[i])), CODEC_NAME);
    }
    in.data[in.len - 1] = 0xc1;
    assert_int_equal(fails_as(call_of(CODEC_OP_PROJECT, &in, "a\nb\n")), CODEC_MSGPACK);
    buf_free(&in);
}

/* Every limit of output, in both formats: too small a one fails and leaves nothing. */
static void test_limits(void **state)
{
    struct buf in = two();

    (void)state;
    for (int op = CODEC_OP_SEQUENCE; op <= CODEC_OP_PROJECT;
         op += CODEC_OP_PROJECT - CODEC_OP_SEQUENCE) {
        struct codec_call call = call_of((enum codec_op)op, &in, "a\nb\n");
        struct buf out = BUF_INIT;
        struct codec_fault fault;
        size_t whole;

        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        whole = out.len;
        for (call.max_output = 0; call.max_output < whole; call.max_output++)
            assert_int_equal(fails_as(call), CODEC_TOO_LARGE);
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        assert_int_equal(out.len, 2 * whole);
        buf_free(&out);
    }
    buf_free(&in);
}

static void test_as_a_part(void **state)
{
    struct buf in = two();
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, &in, "a\nb\n");
    struct buf out = BUF_INIT;
    struct coding_stream stream;
    struct codec_fault fault;
    struct slice part;

    (void)state;
    call.coding = CODING_GZIP;
    call.part = true;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    coding_stream_begin(&stream, CODING_GZIP, &in);
    part = buf_slice(&out);
    assert_int_equal(coding_stream_take(&stream, &part), 0);
    assert_int_equal(stream.length,
                     strlen("{\"id\":\"a\",\"document\":{\"x\":[1,2],\"y\":"
                            "\"z\"}},{\"id\":\"b\",\"document\":7}"));
    buf_free(&in);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),   cmocka_unit_test(test_stored_text),
        cmocka_unit_test(test_packed), cmocka_unit_test(test_names),
        cmocka_unit_test(test_depth),  cmocka_unit_test(test_what_is_no_name),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_as_a_part),
    };
    int failed = 0;

    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        codec = codec_create(*name);
        failed += cmocka_run_group_tests_name(*name, tests, NULL, NULL);
        codec_destroy(&codec);
    }
    return failed;
}
