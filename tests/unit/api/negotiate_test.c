/* Accept, Content-Type, entity tags and conditions. */
#include "server/api/negotiate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define REFUSED (-1)

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

struct row {
    const char *field;
    int type; /* or REFUSED */
};

static const struct row accepts[] = {
    {NULL, NEGOTIATE_JSON},
    {"", NEGOTIATE_JSON},
    {"*/*", NEGOTIATE_JSON},
    {"application/*", NEGOTIATE_JSON},
    {"application/json", NEGOTIATE_JSON},
    {"APPLICATION/JSON", NEGOTIATE_JSON},
    {"application/msgpack", NEGOTIATE_MSGPACK},
    {"application/x-msgpack", NEGOTIATE_MSGPACK},
    {"application/vnd.msgpack", NEGOTIATE_MSGPACK},
    {"application/json, application/msgpack", NEGOTIATE_JSON},
    {"application/json;q=0.5, application/msgpack", NEGOTIATE_MSGPACK},
    {"application/msgpack;q=0.2, */*;q=0.1", NEGOTIATE_MSGPACK},
    {"application/msgpack;q=0.1, */*;q=0.2", NEGOTIATE_JSON},
    {"text/html, */*", NEGOTIATE_JSON},
    {"text/html", REFUSED},
    {"text/*", REFUSED},
    {"application/json;q=0", REFUSED},
    {"application/json;q=0, */*", NEGOTIATE_MSGPACK},
    {"application/json ; charset=utf-8 ; q=0.9", NEGOTIATE_JSON},
    {"text/html;a=\",application/json\"", REFUSED},
    {",,application/msgpack", NEGOTIATE_MSGPACK},
    {"*/*;q=0.001", NEGOTIATE_JSON},
    {"*/*;q=0.000", REFUSED},
    {"application/x-ndjson", REFUSED}, /* of collections only */
};

static void test_accept_of_a_collection(void **state)
{
    enum negotiate_type type;

    (void)state;
    assert_int_equal(
        negotiate_accept(text("application/x-ndjson"), NEGOTIATE_TYPES, &type), 0);
    assert_int_equal(type, NEGOTIATE_NDJSON);
    assert_int_equal(
        negotiate_accept(text("*/*, application/x-ndjson;q=0.9"), NEGOTIATE_TYPES, &type),
        0);
    assert_int_equal(type, NEGOTIATE_JSON);
}

static void test_ndjson(void **state)
{
    (void)state;
    assert_true(negotiate_is_ndjson(text("application/x-ndjson")));
    assert_true(negotiate_is_ndjson(text("Application/X-NDJSON; charset=utf-8")));
    assert_false(negotiate_is_ndjson(text("application/x-ndjson; charset=latin1")));
    assert_false(negotiate_is_ndjson(text("application/json")));
    assert_false(negotiate_is_ndjson(text(NULL)));
}

static const struct row content_types[] = {
    {NULL, NEGOTIATE_JSON},
    {"application/json", NEGOTIATE_JSON},
    {"Application/Json; charset=UTF-8", NEGOTIATE_JSON},
    {"application/json; charset=\"utf-8\"", NEGOTIATE_JSON},
    {"application/json; charset=latin1", REFUSED},
    {"application/msgpack", NEGOTIATE_MSGPACK},
    {"application/x-www-form-urlencoded", REFUSED},
    {"text/plain", REFUSED},
    {"application/jsonx", REFUSED},
    {"application/x-ndjson", REFUSED},
    {"application", REFUSED},
};

static void test_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepts / sizeof *accepts; i++) {
        enum negotiate_type type;
        int result =
            negotiate_accept(text(accepts[i].field), NEGOTIATE_DOCUMENT_TYPES, &type);

        assert_int_equal(result == 0 ? (int)type : REFUSED, accepts[i].type);
    }
}

static void test_content_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof content_types / sizeof *content_types; i++) {
        enum negotiate_type type;
        int result = negotiate_content_type(text(content_types[i].field), &type);

        assert_int_equal(result == 0 ? (int)type : REFUSED, content_types[i].type);
    }
}

static void test_content_encoding(void **state)
{
    (void)state;
    bool gzip;

    assert_true(negotiate_content_coding(text(NULL), &gzip) == 0 && !gzip);
    assert_true(negotiate_content_coding(text(" identity "), &gzip) == 0 && !gzip);
    assert_true(negotiate_content_coding(text("GZIP"), &gzip) == 0 && gzip);
    assert_int_equal(negotiate_content_coding(text("identity, gzip"), &gzip), -1);
    assert_int_equal(negotiate_content_coding(text("br"), &gzip), -1);
}

struct coding_row {
    const char *field;
    enum codec_coding gzip_first, zstd_first, gzip_alone; /* what is offered */
};

static const struct coding_row codings[] = {
    {NULL, CODING_NONE, CODING_NONE, CODING_NONE},
    {"", CODING_NONE, CODING_NONE, CODING_NONE},
    {"br, deflate", CODING_NONE, CODING_NONE, CODING_NONE},
    {"gzip;q=0", CODING_NONE, CODING_NONE, CODING_NONE},
    {"*;q=1, gzip;q=0.0", CODING_NONE, CODING_NONE, CODING_NONE},
    {"identity", CODING_NONE, CODING_NONE, CODING_NONE},
    {"gzip, deflate, br", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"br;q=1.0, GZIP ; q=0.2", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"x-gzip", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"gzip, deflate, br, zstd", CODING_GZIP, CODING_ZSTD, CODING_GZIP},
    {"ZSTD", CODING_ZSTD, CODING_ZSTD, CODING_NONE},
    {"zstd;q=0.9, gzip", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"zstd, gzip;q=0.999", CODING_ZSTD, CODING_ZSTD, CODING_GZIP},
    {"zstd;q=0, *", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"zstd;q=0.5, *;q=0.4", CODING_ZSTD, CODING_ZSTD, CODING_GZIP},
    {"*", CODING_GZIP, CODING_GZIP, CODING_GZIP}, /* who names no zstd may know none */
    {"gzip;q=0.5, identity", CODING_NONE, CODING_NONE, CODING_NONE},
    {"gzip, identity;q=0.5", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"gzip;q=0.5, identity;q=0.5", CODING_GZIP, CODING_GZIP, CODING_GZIP},
    {"identity;q=0", CODING_NONE, CODING_NONE, CODING_NONE},
};

static void test_accept_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        const struct coding_row *row = &codings[i];
        static const enum codec_coding gzip_first[] = {CODING_GZIP, CODING_ZSTD};
        static const enum codec_coding zstd_first[] = {CODING_ZSTD, CODING_GZIP};

        assert_int_equal(negotiate_coding(text(row->field), gzip_first, 2),
                         row->gzip_first);
        assert_int_equal(negotiate_coding(text(row->field), zstd_first, 2),
                         row->zstd_first);
        assert_int_equal(negotiate_coding(text(row->field), gzip_first, 1),
                         row->gzip_alone);
        assert_int_equal(negotiate_coding(text(row->field), NULL, 0), CODING_NONE);
    }
}

static void test_none_match(void **state)
{
    char etag[NEGOTIATE_ETAG_MAX];

    (void)state;
    negotiate_etag_print(17, NEGOTIATE_JSON, CODING_NONE, etag);
    assert_string_equal(etag, "\"17-json\"");
    assert_true(negotiate_none_match(text("\"17-json\""), etag));
    assert_true(negotiate_none_match(text("*"), etag));
    assert_true(negotiate_none_match(text("W/\"17-json\""), etag));
    assert_true(negotiate_none_match(text("\"1-json\", \"17-json\""), etag));
    assert_false(negotiate_none_match(text("\"17-msgpack\""), etag));
    assert_false(negotiate_none_match(text("17-json"), etag));
    assert_false(negotiate_none_match(text("\"a,\\\"17-json\\\"\""), etag));
    assert_false(negotiate_none_match(text(""), etag));
    negotiate_etag_print(17, NEGOTIATE_JSON, CODING_GZIP, etag);
    assert_string_equal(etag, "\"17-json-gzip\"");
    negotiate_etag_print(17, NEGOTIATE_JSON, CODING_ZSTD, etag);
    assert_string_equal(etag, "\"17-json-zstd\"");
    negotiate_etag_print(UINT64_MAX, NEGOTIATE_MSGPACK, CODING_NONE, etag);
    assert_string_equal(etag, "\"18446744073709551615-msgpack\"");
}

struct tags_row {
    const char *field;
    enum negotiate_tags tags;
    uint64_t version; /* where it is one */
};

static const struct tags_row fields[] = {
    {NULL, NEGOTIATE_TAGS_NONE, 0},
    {"*", NEGOTIATE_TAGS_ANY, 0},
    {" * ", NEGOTIATE_TAGS_ANY, 0},
    {"\"5-json\"", NEGOTIATE_TAGS_VERSION, 5},
    {"\"5-msgpack\"", NEGOTIATE_TAGS_VERSION, 5},
    {"\"5-json-gzip\"", NEGOTIATE_TAGS_VERSION, 5},
    {"\"5-json-zstd\"", NEGOTIATE_TAGS_VERSION, 5},
    {"\"5-json-gzip-zstd\"", NEGOTIATE_TAGS_LIST, 0},
    {", \"5-json\",", NEGOTIATE_TAGS_VERSION, 5},
    {"\"18446744073709551615-json\"", NEGOTIATE_TAGS_VERSION, UINT64_MAX},
    {"\"x\", \"7-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"7-json\", \"8-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"7-json\", \"7-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"W/\"5-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"5-gzip\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"5-xml\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"18446744073709551616-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"\"000000000000000000000000000005-json\"", NEGOTIATE_TAGS_LIST, 0},
    {"5-json", NEGOTIATE_TAGS_BAD, 0},
    {"", NEGOTIATE_TAGS_BAD, 0},
    {" , ", NEGOTIATE_TAGS_BAD, 0},
    {"\"", NEGOTIATE_TAGS_BAD, 0},
    {"w/\"5-json\"", NEGOTIATE_TAGS_BAD, 0},
    {"W/5", NEGOTIATE_TAGS_BAD, 0},
    {"*, \"5-json\"", NEGOTIATE_TAGS_BAD, 0},
};

static void test_tags_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        uint64_t version = 0;
        enum negotiate_tags tags = negotiate_tags_read(text(fields[i].field), &version);

        assert_int_equal(tags, fields[i].tags);
        if (tags == NEGOTIATE_TAGS_VERSION)
            assert_true(version == fields[i].version);
    }
}

static void test_tags_name(void **state)
{
    (void)state;
    assert_true(negotiate_tags_name(text("*"), 5, false));
    assert_true(negotiate_tags_name(text("\"5-json\""), 5, false));
    assert_true(negotiate_tags_name(text("\"4-json\", \"5-msgpack\""), 5, false));
    assert_true(negotiate_tags_name(text("W/\"5-json-gzip\""), 5, true));
    assert_true(negotiate_tags_name(text("\"x\",W/\"5-json\""), 5, true));
    assert_false(negotiate_tags_name(text("W/\"5-json\""), 5, false));
    assert_false(negotiate_tags_name(text("\"5-json\""), 6, true));
    assert_false(negotiate_tags_name(text("\"5\", \"5-\", 5-json"), 5, true));
    assert_false(negotiate_tags_name(text(""), 5, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_of_a_collection),
        cmocka_unit_test(test_ndjson),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_content_type),
        cmocka_unit_test(test_content_encoding),
        cmocka_unit_test(test_none_match),
        cmocka_unit_test(test_accept_encoding),
        cmocka_unit_test(test_tags_read),
        cmocka_unit_test(test_tags_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
