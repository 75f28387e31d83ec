/*
 * Engine direct where it is special: chunks of strings, fast paths for numbers that must
 * not read beyond the input, and its stack. Mostly engine yajl is the reference:
 * both must agree on status, offset and bytes. (conformance_test.c tests what the codec
 * accepts, for every engine.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/codec.h"
#include "tests/unit/codec/codec_run.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define UNLIMITED    ((size_t)1 << 30)

enum { YAJL, DIRECT, ENGINES };

static struct codec *codecs[ENGINES];

struct result {
    enum codec_status status;
    uint64_t offset;
    struct buf out;
};

static struct codec_call call_of(enum codec_op op, const void *bytes, size_t len)
{
    return (struct codec_call){.op = op,
                               .separator = '\n',
                               .in = {bytes, len},
                               .max_output = UNLIMITED,
                               .max_memory = 2 * UNLIMITED};
}

/* Runs the call with a fresh output; result->out is the caller's to free. */
static void run(int engine, const struct codec_call *call, struct result *result)
{
    struct codec_fault fault;

    result->out = (struct buf)BUF_INIT;
    result->status = codec_run(codecs[engine], call, &result->out, &fault);
    result->offset = fault.offset;
    assert_int_equal(result->status, fault.status);
}

static bool is_same(const struct result *a, const struct result *b)
{
    return a->status == b->status && a->offset == b->offset && a->out.len == b->out.len &&
           (a->out.len == 0 || memcmp(a->out.data, b->out.data, a->out.len) == 0);
}

/* Both engines on a copy of the bytes in a block of exactly that size (so that a reader
   beyond its end is caught by ASan). Leaves direct's result in *direct_r. */
static void run_both(enum codec_op op, const void *bytes, size_t len,
                     struct result *direct_r)
{
    uint8_t *exact = malloc(len > 0 ? len : 1);
    struct codec_call call = call_of(op, exact, len);
    struct result yajl;

    assert_non_null(exact);
    memcpy(exact, bytes, len);
    run(YAJL, &call, &yajl);
    run(DIRECT, &call, direct_r);
    if (!is_same(&yajl, direct_r))
        fail_msg("%s of %.*s: yajl says %s at %llu, direct %s at %llu", codec_op_name(op),
                 (int)(len < 500 ? len : 500), (const char *)bytes,
                 codec_status_text(yajl.status), (unsigned long long)yajl.offset,
                 codec_status_text(direct_r->status),
                 (unsigned long long)direct_r->offset);
    buf_free(&yajl.out);
    free(exact);
}

/* The engines agree on this text, and on the MessagePack it becomes, which comes back the
   same. */
static void check_text(const void *text, size_t len)
{
    struct result packed, back, again;

    run_both(CODEC_OP_DECODE, text, len, &packed);
    if (packed.status == CODEC_OK) {
        run_both(CODEC_OP_ENCODE, packed.out.data, packed.out.len, &back);
        assert_int_equal(back.status, CODEC_OK);
        run_both(CODEC_OP_DECODE, back.out.data, back.out.len, &again);
        assert_true(is_same(&again, &packed));
        buf_free(&back.out);
        buf_free(&again.out);
    }
    buf_free(&packed.out);
}

static void check_bytes(const void *bytes, size_t len)
{
    struct result text;

    run_both(CODEC_OP_ENCODE, bytes, len, &text);
    buf_free(&text.out);
    run_both(CODEC_OP_SEQUENCE, bytes, len, &text);
    buf_free(&text.out);
}

/* Strings whose end, or first byte that is not plain, falls at every place of a chunk. */
static void test_strings_of_every_length_with_odd_bytes_at_every_place(void **state)
{
    static const char *const odd[] = {"x",
                                      "\\n",
                                      "\\\"",
                                      "\\u00e9",
                                      "\\ud83d\\ude00",
                                      "\xc3\xa9",
                                      "\xe2\x82\xac",
                                      "\xf0\x9f\x98\x80",
                                      "\x7f",
                                      "\x01",
                                      "\xff",
                                      "\\ud800",
                                      "\\x",
                                      "\xe2\x82",
                                      "\"",
                                      "\\"};
    char text[512];

    (void)state;
    for (size_t i = 0; i < COUNT(odd); i++) {
        for (int before = 0; before < 36; before++) {
            for (int behind = 0; behind < 36; behind += 1 + before % 3) {
                int len = snprintf(text, sizeof text, "[\"%.*s%s%.*s\"]", before,
                                   "abcdefghijklmnopqrstuvwxyz0123456789", odd[i], behind,
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

                check_text(text, (size_t)len);
            }
        }
    }
}

static void test_string_headers_at_their_limits(void **state)
{
    static const size_t lengths[] = {0,  15,  16,  17,  30,    31,    32,    33,
                                     47, 255, 256, 257, 65534, 65535, 65536, 65537};
    char *text = malloc(70000);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        memset(text, 'y', lengths[i] + 1);
        text[0] = text[lengths[i] + 1] = '"';
        check_text(text, lengths[i] + 2);
    }
    free(text);
}

static const char *const numbers[] = {"0",
                                      "7",
                                      "-0",
                                      "-1",
                                      "12345678",
                                      "-123456789",
                                      "0.5",
                                      "-0.0",
                                      "219.25",
                                      "1.5e3",
                                      "1E-3",
                                      "1234567.8",
                                      "123456.78",
                                      "12345678.9",
                                      "0.1234567",
                                      "0.00001234",
                                      "65.613616999999977",
                                      "-123.45678901234567",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "-9223372036854775808",
                                      "-9223372036854775809",
                                      "1234567890123456789.5",
                                      "0.1234567890123456789012345",
                                      "1e400",
                                      "1e-400",
                                      "123456789012345678901234567890",
                                      "01",
                                      "-",
                                      "1.",
                                      "1.e5",
                                      "1e",
                                      "1e+",
                                      "-01",
                                      "00",
                                      "1.2.3",
                                      "1e5.5",
                                      "12x",
                                      "1-",
                                      ".5",
                                      "+1",
                                      "1.5e",
                                      "1.5e+x",
                                      "12345678x",
                                      "0.x"};

/* The fast paths look at 8 bytes or more at once: numbers of every shape, at every
   distance from the input's end. */
static void test_numbers_near_the_end(void **state)
{
    char text[256];

    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        check_text(numbers[i], strlen(numbers[i]));
        for (int behind = 0; behind < 70; behind++) {
            int len = snprintf(text, sizeof text, "[%s%*s]", numbers[i], behind, "");

            check_text(text, (size_t)len);
            len = snprintf(text, sizeof text, "{\"a\":%s,\"%*s\":1}", numbers[i], behind,
                           "");
            check_text(text, (size_t)len);
        }
    }
}

/* Digits before and behind the point, 0 to 26 each, with and without sign. */
static void test_numbers_of_every_shape(void **state)
{
    char text[160];

    (void)state;
    for (int whole = 0; whole <= 26; whole++) {
        for (int decimals = -1; decimals <= 26; decimals++) {
            for (int kind = 0; kind < 4; kind++) {
                const char *digits = kind & 1 ? "19283746501928374650192837465"
                                              : "00000000000000000000000000000";
                int len = snprintf(text, sizeof text, "[%s%.*s%s%.*s%s,\"%60s\"]",
                                   kind & 2 ? "-" : "", whole, digits,
                                   decimals < 0 ? "" : ".", decimals < 0 ? 0 : decimals,
                                   digits, whole % 5 == 4 ? "e2" : "", "");

                check_text(text, (size_t)len);
            }
        }
    }
}

static const char rich[] =
    " {\"symbol\":\"AURORA26DEC311640CE\",\"na\\u00efve\\n\":[1,-2,3.25,-0,1e-7,1e400,"
    "18446744073709551616,true,false,null],\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\":"
    "{\"\":[],\"e\":{},\"long enough for two chunks or more\":[[[\"\\ud83d\\ude00\"]]]},"
    "\"a\":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],\"last\" : 12345678.5 }\n";

static void test_every_prefix_and_every_changed_byte_of_a_text(void **state)
{
    char text[sizeof rich];
    size_t len = sizeof rich - 1;

    (void)state;
    for (size_t i = 0; i <= len; i++)
        check_text(rich, i);
    for (size_t i = 0; i < len; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(text, rich, len);
            text[i] = (char)byte;
            check_text(text, len);
        }
    }
}

static void test_every_prefix_and_every_changed_byte_of_messagepack(void **state)
{
    static const uint8_t foreign[] =
        "\x9f\xdc\x00\x01\xa1\x61\xcc\x05\xcd\x01\x02\xce\x01\x02\x03\x04\xd0\x85\xd1\xff"
        "\x02"
        "\xd2\xff\xff\xff\x00\xca\x3f\xc0\x00\x00\xcb\x3f\xb9\x99\x99\x99\x99\x99\x9a"
        "\xd9\x03q\"\x01\xda\x00\x02\xc3\xa9\xc7\x02\x01\x31\x32\xd4\x01\x37"
        "\xde\x00\x01\xa3key\xdf\x00\x00\x00\x01\xa2ke\x80\xb0sixteen bytes ok\xc0";
    size_t len = sizeof foreign - 1;
    uint8_t bytes[sizeof foreign];

    (void)state;
    for (size_t i = 0; i <= len; i++)
        check_bytes(foreign, i);
    for (size_t i = 0; i < len; i++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(bytes, foreign, len);
            bytes[i] = (uint8_t)byte;
            check_bytes(bytes, len);
        }
    }
}

/* A random value as text: everything that the engines treat differently inside. */
static void append_random_value(struct buf *text, int depth)
{
    static const char *const scalars[] = {"null",
                                          "true",
                                          "0",
                                          "-17",
                                          "4294967296",
                                          "2.5",
                                          "-0.0",
                                          "1e30",
                                          "123.456789012345",
                                          "\"\"",
                                          "\"plain\"",
                                          "\"\\t\\u20ac\"",
                                          "\"\xe9\x9b\xbb\xe5\x8a\x9b, and ASCII again\"",
                                          "\"a string of more than thirty-one bytes\""};
    unsigned kind = (unsigned)(next_random() >> 40) % 4, items;

    if (kind < 2 || depth > 8) {
        buf_append_str(text, scalars[(next_random() >> 32) % COUNT(scalars)]);
        return;
    }
    items = (unsigned)(next_random() >> 33) % (depth == 0 ? 40 : 4);
    buf_append_str(text, kind == 2 ? "[" : "{");
    for (unsigned i = 0; i < items; i++) {
        buf_append_str(text, i == 0 ? "" : next_random() >> 63 ? "," : " , ");
        if (kind == 3)
            buf_printf(text, "\"name%u\":", i);
        append_random_value(text, depth + 1);
    }
    buf_append_str(text, kind == 2 ? "]" : "}");
}

static void test_random_documents(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct buf text = BUF_INIT;

        append_random_value(&text, 0);
        check_text(text.data, text.len);
        /* The same with a fault somewhere. */
        text.data[next_random() % text.len] ^= (uint8_t)(1 << (next_random() >> 61));
        check_text(text.data, text.len);
        buf_free(&text);
    }
}

static void check_nested(int depth, char open, char close)
{
    char text[2 * CODEC_MAX_DEPTH + 8];

    memset(text, open, (size_t)depth);
    memset(text + depth, close, (size_t)depth);
    check_text(text, (size_t)(2 * depth));
    check_text(text, (size_t)depth);
    memset(text, 0x91, (size_t)depth);
    text[depth - 1] = '\x90';
    check_bytes(text, (size_t)depth);
}

static void test_nesting_up_to_the_limit(void **state)
{
    struct codec_call call;
    struct result result;
    char text[2000];

    (void)state;
    check_nested(1, '[', ']');
    check_nested(CODEC_MAX_DEPTH, '[', ']');
    check_nested(CODEC_MAX_DEPTH + 1, '[', ']');
    check_nested(CODEC_MAX_DEPTH, '[', '}');
    memset(text, '[', sizeof text);
    call = call_of(CODEC_OP_DECODE, text, sizeof text);
    run(DIRECT, &call, &result);
    assert_int_equal(result.status, CODEC_DEPTH);
    assert_int_equal(result.offset, CODEC_MAX_DEPTH);
    memset(text, 0x91, sizeof text);
    call = call_of(CODEC_OP_ENCODE, text, sizeof text);
    run(DIRECT, &call, &result);
    assert_int_equal(result.status, CODEC_DEPTH);
    assert_int_equal(result.offset, CODEC_MAX_DEPTH);
}

/* Containers whose headers are wider than the byte that was reserved, inside others. */
static void test_wide_containers(void **state)
{
    static const unsigned counts[] = {0, 1, 14, 15, 16, 17, 300, 65535, 65536, 70000};

    (void)state;
    for (size_t i = 0; i < COUNT(counts); i++) {
        for (int map = 0; map < 2; map++) {
            struct buf text = BUF_INIT;

            buf_append_str(&text, map ? "[{" : "[[");
            for (unsigned item = 0; item < counts[i]; item++)
                buf_append_str(&text, &(map ? ",\"k\":7" : ",7")[item == 0]);
            buf_append_str(&text, map ? "},0]" : "],0]");
            check_text(text.data, text.len);
            buf_free(&text);
        }
    }
}

static int create_codecs(void **state)
{
    (void)state;
    codecs[YAJL] = codec_create("yajl");
    codecs[DIRECT] = codec_create("direct");
    return codecs[YAJL] == NULL || codecs[DIRECT] == NULL;
}

static int destroy_codecs(void **state)
{
    (void)state;
    codec_destroy(&codecs[YAJL]);
    codec_destroy(&codecs[DIRECT]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_of_every_length_with_odd_bytes_at_every_place),
        cmocka_unit_test(test_string_headers_at_their_limits),
        cmocka_unit_test(test_numbers_near_the_end),
        cmocka_unit_test(test_numbers_of_every_shape),
        cmocka_unit_test(test_every_prefix_and_every_changed_byte_of_a_text),
        cmocka_unit_test(test_every_prefix_and_every_changed_byte_of_messagepack),
        cmocka_unit_test(test_random_documents),
        cmocka_unit_test(test_nesting_up_to_the_limit),
        cmocka_unit_test(test_wide_containers),
    };

    return cmocka_run_group_tests(tests, create_codecs, destroy_codecs);
}
