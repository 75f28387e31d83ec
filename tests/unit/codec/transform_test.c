/*
 * Jobs of several steps through codec_run(), with both engines: every operation on either
 * stored format, compressed and not.
 */
#include "common/codec/transform.h"

#include "common/codec/coding/coding.h"
#include "tests/unit/codec/transform_calls.h"

static struct buf unzip(const struct buf *in)
{
    struct buf out = BUF_INIT;

    assert_int_equal(gzip_expand(buf_slice(in), SIZE_MAX, &out), CODEC_OK);
    return out;
}

/* Runs a call that succeeds, without and with compression. Returns the result without. */
static struct buf run_ok(struct codec_call call)
{
    struct buf out = BUF_INIT, zipped = BUF_INIT, again;
    struct codec_fault fault;

    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    assert_int_equal(fault.offset, 0);
    call.coding = CODING_GZIP;
    assert_int_equal(codec_run(codec, &call, &zipped, &fault), CODEC_OK);
    if (out.len <= CODEC_CODED_MIN_BYTES) {
        assert_true(same_bytes(&out, &zipped));
    } else {
        again = unzip(&zipped);
        assert_true(same_bytes(&out, &again));
        buf_free(&again);
    }
    buf_free(&zipped);
    return out;
}

static void check_text(const struct codec_call *call, const char *expected)
{
    struct buf out = run_ok(*call);

    buf_append(&out, "", 1);
    assert_string_equal((const char *)out.data, expected);
    buf_free(&out);
}

static const char *const documents[] = {
    "{\"a\":{\"x\":1,\"y\":[2,{\"z\":null}]},\"b\":\"text\"}", "[1.5,{\"a\":3}]", "7",
    NULL};
static const char *const document[] = {
    "{\"a\":{\"x\":1,\"y\":[2,{\"z\":null}]},\"b\":\"text\"}", NULL};

static void check_encode(enum codec_format format)
{
    struct buf one = stored(format, document);
    struct codec_call call = call_of(CODEC_OP_ENCODE, format);

    call.in = buf_slice(&one);
    check_text(&call, document[0]);
    call.fields = slice_of("a.y.1,b");
    check_text(&call, "{\"a\":{\"y\":[{\"z\":null}]},\"b\":\"text\"}");
    call.pretty = true;
    call.fields = slice_of("a.x");
    check_text(&call, "{\n  \"a\": {\n    \"x\": 1\n  }\n}");
    if (format == CODEC_FORMAT_JSON) {
        call.gunzip = true; /* a stored document is never compressed: ignored */
        check_text(&call, "{\n  \"a\": {\n    \"x\": 1\n  }\n}");
    }
    buf_free(&one);
}

/* MessagePack from a client, compressed, that is to be stored as JSON. */
static void check_encode_of_gzip(enum codec_format format)
{
    struct buf one = stored(CODEC_FORMAT_MSGPACK, document);
    struct buf zipped = zip(buf_slice(&one));
    struct codec_call call = call_of(CODEC_OP_ENCODE, CODEC_FORMAT_MSGPACK);

    (void)format;
    call.in = buf_slice(&zipped);
    call.gunzip = true;
    check_text(&call, document[0]);
    buf_free(&zipped);
    buf_free(&one);
}

EACH_FORMAT_TEST(test_encode_of_gzip, check_encode_of_gzip)

#define KEPT  "{\"a\":[12500.00,1e2,-0,1.50,0.10,-1.0E+5,1E400,7],\"b\":1.5}"
#define PLAIN "{\"a\":[12500.0,100.0,-0.0,1.5,0.1,-100000.0,1E400,7],\"b\":1.5}"

static struct slice packed_again(struct codec_call call, struct buf *out)
{
    out->len = 0;
    assert_int_equal(codec_run(codec, &call, out, &(struct codec_fault){0}), CODEC_OK);
    return buf_slice(out);
}

/* Numbers between JSON and JSON keep their text, and do so in MessagePack if asked. */
static void check_numbers(enum codec_format format)
{
    struct codec_call call = call_of(CODEC_OP_COMPACT, format);
    struct codec_call decode = call_of(CODEC_OP_DECODE, CODEC_FORMAT_MSGPACK);
    struct codec_call encode = call_of(CODEC_OP_ENCODE, CODEC_FORMAT_MSGPACK);
    struct buf out = BUF_INIT, patched = BUF_INIT;

    call.in = decode.in = slice_of(KEPT);
    check_text(&call, KEPT);
    for (unsigned keep = 0; keep < 2; keep++) {
        decode.keep_numbers = keep;
        encode.in = packed_again(decode, &out);
        check_text(&encode, keep ? KEPT : PLAIN);
    }
    /* what stored documents become */
    call = call_of(CODEC_OP_ENCODE, format);
    call.in = format == CODEC_FORMAT_JSON ? slice_of(KEPT) : encode.in;
    check_text(&call, KEPT);
    call.fields = slice_of("a.0,a.4");
    check_text(&call, "{\"a\":[12500.00,0.10]}");
    call.op = CODEC_OP_SEQUENCE;
    check_text(&call, "{\"a\":[12500.00,0.10]}");
    call.op = CODEC_OP_PATCH;
    call.fields = slice_of("");
    call.argument = slice_of("{\"b\":2.50,\"a\":null}");
    call.keep_numbers = true;
    encode.in = packed_again(call, &patched);
    if (format == CODEC_FORMAT_MSGPACK)
        check_text(&encode, "{\"b\":2.50}");
    else
        assert_memory_equal(patched.data, "{\"b\":2.50}", 10);
    buf_free(&patched);
    buf_free(&out);
}

EACH_FORMAT_TEST(test_numbers, check_numbers)

/* Of stored JSON, MessagePack has doubles unless asked. */
static void check_packed_numbers(enum codec_format format)
{
    struct codec_call call = call_of(CODEC_OP_PROJECT, CODEC_FORMAT_JSON);
    struct buf out = BUF_INIT;

    (void)format;
    call.in = slice_of("{\"a\":12.50}");
    call.fields = slice_of("a");
    assert_memory_equal(packed_again(call, &out).data,
                        "\x81\xa1"
                        "a\xcb\x40\x29\0\0\0\0\0\0",
                        12);
    call.keep_numbers = true;
    assert_memory_equal(packed_again(call, &out).data,
                        "\x81\xa1"
                        "a\xc7\x05\x01"
                        "12.50",
                        11);
    buf_free(&out);
}

EACH_FORMAT_TEST(test_packed_numbers, check_packed_numbers)

EACH_FORMAT_TEST(test_encode, check_encode)

static void check_sequence(enum codec_format format)
{
    struct buf all = stored(format, documents);
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, format);

    check_text(&call, "");
    call.in = buf_slice(&all);
    call.separator = '\n';
    check_text(&call, "{\"a\":{\"x\":1,\"y\":[2,{\"z\":null}]},\"b\":\"text\"}\n[1.5,{"
                      "\"a\":3}]\n7");
    call.separator = ',';
    call.fields = slice_of("a.x,1.a");
    check_text(&call, "{\"a\":{\"x\":1}},[{\"a\":3}],7");
    buf_free(&all);
}

EACH_FORMAT_TEST(test_sequence, check_sequence)

static void check_project(enum codec_format format)
{
    struct buf all = stored(format, documents), out;
    struct buf everything = stored(CODEC_FORMAT_MSGPACK, documents);
    static const uint8_t kept[] = {0x81, 0xa1, 'a', 0x81, 0xa1, 'x', 1, 0x90, 7};
    struct codec_call call = call_of(CODEC_OP_PROJECT, format);

    call.in = buf_slice(&all);
    out = run_ok(call);
    assert_true(same_bytes(&out, &everything));
    buf_free(&out);
    call.fields = slice_of("a.x");
    out = run_ok(call);
    assert_int_equal(out.len, sizeof kept);
    assert_memory_equal(out.data, kept, sizeof kept);
    buf_free(&out);
    buf_free(&all);
    buf_free(&everything);
}

EACH_FORMAT_TEST(test_project, check_project)

static void check_patch(enum codec_format format)
{
    static const char patch[] = " {\"a\": {\"x\": null}, \"c\": [1.0]}\n";
    static const char *const patched[] = {
        "{\"a\":{\"y\":[2,{\"z\":null}]},\"b\":\"text\",\"c\":[1.0]}", NULL};
    struct buf one = stored(format, document), expected = stored(format, patched);
    struct buf zipped = zip(slice_of(patch)), out;
    struct codec_call call = call_of(CODEC_OP_PATCH, format);

    call.in = buf_slice(&one);
    call.argument = slice_of(patch);
    call.pretty = true; /* stored text is compact whatever the reply is */
    out = run_ok(call);
    assert_true(same_bytes(&out, &expected));
    buf_free(&out);
    call.argument = buf_slice(&zipped);
    call.gunzip = true;
    out = run_ok(call);
    assert_true(same_bytes(&out, &expected));
    buf_free(&out);
    buf_free(&one);
    buf_free(&zipped);
    buf_free(&expected);
}

EACH_FORMAT_TEST(test_patch, check_patch)

/* Operations on bytes from outside: the stored format does not matter. */
static void check_outside(enum codec_format format)
{
    struct buf value = packed(document[0]), out, zipped;
    struct codec_call call = call_of(CODEC_OP_DECODE, format);

    call.in = slice_of(document[0]);
    call.fields = slice_of("zz"); /* not of this operation: ignored */
    out = run_ok(call);
    assert_true(same_bytes(&out, &value));
    buf_free(&out);
    zipped = zip(slice_of(document[0]));
    call.in = buf_slice(&zipped);
    call.gunzip = true;
    out = run_ok(call);
    assert_true(same_bytes(&out, &value));
    buf_free(&out);
    buf_free(&zipped);
    zipped = zip(buf_slice(&value));
    call.op = CODEC_OP_VALIDATE;
    call.in = buf_slice(&zipped);
    out = run_ok(call);
    assert_true(same_bytes(&out, &value));
    buf_free(&out);
    buf_free(&zipped);
    buf_free(&value);
}

EACH_FORMAT_TEST(test_decode_and_validate, check_outside)

static void check_compact(enum codec_format format)
{
    static const char text[] = " { \"a\" : [ 1 , -0 ],\n\"b\":\"\\u0041\" } ";
    struct buf zipped = zip(slice_of(text));
    struct codec_call call = call_of(CODEC_OP_COMPACT, format);

    call.in = slice_of(text);
    call.pretty = true;
    check_text(&call, "{\"a\":[1,-0],\"b\":\"A\"}");
    call.in = buf_slice(&zipped);
    call.gunzip = true;
    check_text(&call, "{\"a\":[1,-0],\"b\":\"A\"}");
    buf_free(&zipped);
    /* MessagePack on the way may be larger than the result may be */
    call = call_of(CODEC_OP_COMPACT, format);
    call.in = slice_of("[1.5,1.5,1.5,1.5]");
    call.max_output = call.in.len;
    check_text(&(struct codec_call){.op = CODEC_OP_COMPACT,
                                    .in = call.in,
                                    .max_output = 64,
                                    .max_memory = SIZE_MAX},
               "[1.5,1.5,1.5,1.5]");
    zipped = (struct buf)BUF_INIT;
    assert_int_equal(codec_run(codec, &call, &zipped, &(struct codec_fault){0}),
                     CODEC_OK);
    buf_free(&zipped);
}

EACH_FORMAT_TEST(test_compact, check_compact)

static void check_fails(const struct codec_call *call, enum codec_status status,
                        uint64_t offset)
{
    struct buf out = BUF_INIT;
    struct codec_fault fault;

    assert_int_equal(codec_run(codec, call, &out, &fault), status);
    assert_int_equal(fault.status, status);
    assert_true(fault.offset == offset);
    assert_null(out.data);
    buf_append_str(&out, "kept");
    assert_int_equal(codec_run(codec, call, &out, &fault), status);
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "kept", 4);
    buf_free(&out);
}

static void check_faults(enum codec_format format)
{
    struct buf one = stored(format, document), zipped;
    struct codec_call call = call_of(CODEC_OP_ENCODE, format);

    call.in = buf_slice(&one);
    call.fields = slice_of("a..b");
    check_fails(&call, CODEC_FIELDS, CODEC_NO_OFFSET);
    call = call_of(CODEC_OP_PATCH, format);
    call.in = buf_slice(&one);
    call.argument = slice_of("{\"a\":1,}");
    check_fails(&call, CODEC_SYNTAX, 7);
    call.argument = slice_of("{\"a\":1,\"a\":2}");
    check_fails(&call, CODEC_DUPLICATE, CODEC_NO_OFFSET);
    call.argument = slice_of("");
    check_fails(&call, CODEC_TRUNCATED, 0);
    call.argument = slice_of("{}");
    call.gunzip = true;
    check_fails(&call, CODEC_GZIP, CODEC_NO_OFFSET);
    zipped = zip(slice_of("[1,x]"));
    call.argument = buf_slice(&zipped);
    check_fails(&call, CODEC_SYNTAX, 3); /* of the expanded text */
    call.max_expanded = 4;
    check_fails(&call, CODEC_TOO_LARGE, CODEC_NO_OFFSET);
    call = call_of(CODEC_OP_DECODE, format);
    call.gunzip = true;
    call.in = buf_slice(&zipped);
    check_fails(&call, CODEC_SYNTAX, 3);
    call.in.len--;
    check_fails(&call, CODEC_GZIP, CODEC_NO_OFFSET);
    buf_free(&zipped);
    buf_free(&one);
}

EACH_FORMAT_TEST(test_faults, check_faults)

/* Offsets of a stored sequence count from its start, whatever its format. */
static void check_stored_faults(enum codec_format format)
{
    bool json = format == CODEC_FORMAT_JSON;
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, format);

    call.in = slice_of(json ? "[1]\n{\"a\":2}\n[3,]" : "\x91\x01\x81\xa1x\x02\x91\xc1");
    call.fields = slice_of("a");
    check_fails(&call, json ? CODEC_SYNTAX : CODEC_MSGPACK, json ? 15 : 7);
    call = call_of(CODEC_OP_ENCODE, format);
    call.coding = CODING_GZIP;
    call.in = slice_of(json ? "1\n2" : "\x01\x02");
    check_fails(&call, CODEC_TRAILING, json ? 2 : 1);
}

EACH_FORMAT_TEST(test_stored_faults, check_stored_faults)

/* A small result is not compressed; with one byte more it is. */
static void check_threshold(enum codec_format format)
{
    for (unsigned over = 0; over < 2; over++) {
        struct codec_call call = call_of(CODEC_OP_ENCODE, format);
        struct buf text = BUF_INIT, all, out = BUF_INIT;
        struct codec_fault fault;

        buf_append(&text, "\"", 1);
        append_times(&text, "x", CODEC_CODED_MIN_BYTES - 2 + over);
        buf_append(&text, "\"", 2);
        all = stored(format, (const char *const[]){(const char *)text.data, NULL});
        call.coding = CODING_GZIP;
        call.in = buf_slice(&all);
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        assert_int_equal(out.data[0], over ? 0x1f : '"');
        assert_true(over ? out.len < 100 : out.len == CODEC_CODED_MIN_BYTES);
        buf_free(&text);
        buf_free(&all);
        buf_free(&out);
    }
}

/* A part of any size is compressed, and fits into a stream. */
static void check_part(enum codec_format format)
{
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, format);
    bool json = format == CODEC_FORMAT_JSON;
    struct buf out = BUF_INIT, whole = BUF_INIT, plain;
    struct coding_stream stream;
    struct codec_fault fault;
    struct slice part;

    call.in = slice_of(json ? "1\n[2]" : "\x01\x91\x02");
    call.separator = ',';
    call.coding = CODING_GZIP;
    call.part = true;
    coding_stream_begin(&stream, CODING_GZIP, &whole);
    for (int i = 0; i < 2; i++) {
        out.len = 0;
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        part = buf_slice(&out);
        assert_int_equal(coding_stream_take(&stream, &part), 0);
        buf_append(&whole, part.data, part.len);
    }
    coding_stream_end(&stream, &whole);
    plain = unzip(&whole);
    assert_int_equal(plain.len, 10);
    assert_memory_equal(plain.data, "1,[2]1,[2]", 10);
    buf_free(&plain);
    buf_free(&whole);
    buf_free(&out);
}

EACH_FORMAT_TEST(test_part, check_part)

/* zstd if this build has it; else the call fails as UNSUPPORTED. */
static void check_zstd(enum codec_format format)
{
    struct codec_call call = call_of(CODEC_OP_ENCODE, format);
    struct buf text = BUF_INIT, all, out = BUF_INIT;
    struct codec_fault fault;

    buf_append(&text, "\"", 1);
    append_times(&text, "x", 5000);
    buf_append(&text, "\"", 2);
    all = stored(format, (const char *const[]){(const char *)text.data, NULL});
    call.coding = CODING_ZSTD;
    call.in = buf_slice(&all);
    if (coding_is_there(CODING_ZSTD)) {
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        assert_int_equal(coding_of(buf_slice(&out)), CODING_ZSTD);
        assert_true(out.len < 100);
    } else {
        check_fails(&call, CODEC_UNSUPPORTED, 0);
    }
    call.coding = CODEC_CODINGS; /* of a later version */
    check_fails(&call, CODEC_UNSUPPORTED, 0);
    buf_free(&text);
    buf_free(&all);
    buf_free(&out);
}

EACH_FORMAT_TEST(test_zstd, check_zstd)

EACH_FORMAT_TEST(test_threshold, check_threshold)

static void test_unknown_operation(void **state)
{
    struct codec_call call = call_of((enum codec_op)99, CODEC_FORMAT_JSON);

    (void)state;
    codec = codec_create("yajl");
    check_fails(&call, CODEC_UNSUPPORTED, 0);
    codec_destroy(&codec);
}

/* Calls of one step: they do not use this module. */
static void test_steps(void **state)
{
    struct codec_call call = call_of(CODEC_OP_ENCODE, CODEC_FORMAT_MSGPACK);

    (void)state;
    assert_true(transform_is_step(&call));
    call.pretty = true;
    assert_true(transform_is_step(&call));
    call.coding = CODING_GZIP;
    assert_false(transform_is_step(&call));
    call.coding = CODING_NONE;
    call.fields = slice_of("a");
    assert_false(transform_is_step(&call));
    call.op = CODEC_OP_PROJECT;
    assert_true(transform_is_step(&call));
    call.format = CODEC_FORMAT_JSON;
    assert_false(transform_is_step(&call));
    call = call_of(CODEC_OP_COMPACT, CODEC_FORMAT_MSGPACK);
    assert_false(transform_is_step(&call));
    call.op = CODEC_OP_PATCH;
    assert_false(transform_is_step(&call));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_encode),
                                       cmocka_unit_test(test_sequence),
                                       cmocka_unit_test(test_project),
                                       cmocka_unit_test(test_patch),
                                       cmocka_unit_test(test_decode_and_validate),
                                       cmocka_unit_test(test_compact),
                                       cmocka_unit_test(test_encode_of_gzip),
                                       cmocka_unit_test(test_numbers),
                                       cmocka_unit_test(test_packed_numbers),
                                       cmocka_unit_test(test_faults),
                                       cmocka_unit_test(test_stored_faults),
                                       cmocka_unit_test(test_part),
                                       cmocka_unit_test(test_zstd),
                                       cmocka_unit_test(test_threshold),
                                       cmocka_unit_test(test_unknown_operation),
                                       cmocka_unit_test(test_steps)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
