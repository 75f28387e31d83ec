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
    {",", NEGOTIATE_JSON},             /* empty elements count as none */
    {" , ,", NEGOTIATE_JSON},
    {", text/html", REFUSED},
    {"application/geo+json", NEGOTIATE_JSON},
    {"application/geo+json;q=0.5, application/msgpack", NEGOTIATE_MSGPACK},
    {"application/json;q=0, application/geo+json", NEGOTIATE_JSON},
    {"application/+json", REFUSED},
    {"application/*+json", REFUSED}, /* no range that there is */
    {"text/geo+json", REFUSED},
};

static void test_accept_of_a_collection(void **state)
{
    enum negotiate_type type;

    static const char *const names[] = {"application/x-ndjson", "Application/NDJSON",
                                        "application/jsonl", "application/x-jsonlines",
                                        ",application/jsonl;q=0.1"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(negotiate_accept(text(names[i]), NEGOTIATE_TYPES, &type), 0);
        assert_int_equal(type, NEGOTIATE_NDJSON);
    }
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
    assert_true(negotiate_is_ndjson(text("application/ndjson")));
    assert_true(negotiate_is_ndjson(text("application/jsonl;charset=utf-8")));
    assert_true(negotiate_is_ndjson(text("application/x-jsonlines")));
    assert_false(negotiate_is_ndjson(text("application/x-ndjson; charset=latin1")));
    assert_false(negotiate_is_ndjson(text("application/json")));
    assert_false(negotiate_is_ndjson(text(NULL)));
}

static const struct row content_types[] = {
    {NULL, REFUSED}, /* browsers send such across sites without asking */
    {"", REFUSED},
    {"; charset=utf-8", REFUSED},
    {"application/json", NEGOTIATE_JSON},
    {"application/vnd.api+json", NEGOTIATE_JSON},
    {"application/LD+JSON; charset=utf-8; profile=\"x\"", NEGOTIATE_JSON},
    {"application/geo+json; charset=latin1", REFUSED},
    {"application/+json", REFUSED},
    {"application/*+json", REFUSED},
    {"application/a b+json", REFUSED},
    {"image/svg+json", REFUSED},
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
    assert_int_equal(negotiate_content_coding(text("gzip, gzip"), &gzip), -1);
    assert_true(negotiate_content_coding(text(", gzip ,"), &gzip) == 0 && gzip);
    assert_true(negotiate_content_coding(text(","), &gzip) == 0 && !gzip);
}

static void check_name(const char *accept, enum negotiate_type type, const char *expected)
{
    char media[NEGOTIATE_MEDIA_MAX];

    negotiate_accept_name(text(accept), type, media);
    assert_string_equal(media, expected);
}

static void test_names_asked_for(void **state)
{
    char longest[NEGOTIATE_MEDIA_MAX + 1] = "application/";

    (void)state;
    check_name(NULL, NEGOTIATE_JSON, "");
    check_name("*/*", NEGOTIATE_JSON, "");
    check_name("application/geo+json", NEGOTIATE_JSON, "application/geo+json");
    check_name("application/geo+json;q=0.9, */*;q=0.8", NEGOTIATE_JSON,
               "application/geo+json");
    check_name("application/a+json;q=0.1, application/b+json;q=0.2", NEGOTIATE_JSON,
               "application/b+json");
    check_name("application/json, application/problem+json", NEGOTIATE_JSON, "");
    check_name("application/geo+json, application/*;q=0.5", NEGOTIATE_MSGPACK, "");
    check_name("application/jsonl", NEGOTIATE_NDJSON, "application/jsonl");
    check_name("application/x-ndjson, application/jsonl", NEGOTIATE_NDJSON, "");
    memset(longest + 12, 'x', NEGOTIATE_MEDIA_MAX - 13);
    memcpy(longest + NEGOTIATE_MEDIA_MAX - 6, "+json", 6);
    check_name(longest, NEGOTIATE_JSON, longest);
    memcpy(longest + NEGOTIATE_MEDIA_MAX - 6, "x+json", 7);
    check_name(longest, NEGOTIATE_JSON, "");
}

static void check_refusal(const char *content_type, const char *expected)
{
    char reason[NEGOTIATE_REFUSAL_MAX];

    negotiate_refusal_print(text(content_type), "taken is x", reason);
    assert_string_equal(reason, expected);
}

static void test_refusals(void **state)
{
    (void)state;
    check_refusal(NULL, "a Content-Type is needed; taken is x");
    check_refusal(" ", "a Content-Type is needed; taken is x");
    check_refusal("text/plain", "taken is x; say which one in Content-Type");
    check_refusal("application/json; charset=latin1",
                  "charset latin1 is not accepted: the text must be UTF-8");
    check_refusal("application/json; charset=\"\xff\"", "the text must be UTF-8");
    assert_true(negotiate_is_media(text("a/b; charset=utf-8"), "A/b"));
    assert_false(negotiate_is_media(text("a/b; charset=utf-16"), "a/b"));
    assert_false(negotiate_is_media(text(NULL), "a/b"));
}

static void test_tags_that_proxies_changed(void **state)
{
    static const struct {
        const char *field;
        enum negotiate_tag_fault fault;
    } rows[] = {
        {NULL, NEGOTIATE_TAG_SOUND},
        {"*", NEGOTIATE_TAG_SOUND},
        {"\"5-json\"", NEGOTIATE_TAG_SOUND},
        {"\"5-json-gzip\"", NEGOTIATE_TAG_SOUND},
        {"W/\"5-json\"", NEGOTIATE_TAG_WEAK},
        {"\"x\", W/\"5-msgpack\"", NEGOTIATE_TAG_WEAK},
        {"W/\"x\"", NEGOTIATE_TAG_SOUND},
        {"\"5-json-br\"", NEGOTIATE_TAG_MARKED},
        {"W/\"5-json-gzip;br\"", NEGOTIATE_TAG_MARKED},
        {"\"5-json-gzip-gzip\"", NEGOTIATE_TAG_MARKED},
        {"\"5-jsonbr\"", NEGOTIATE_TAG_SOUND},
        {"\"5-\"", NEGOTIATE_TAG_SOUND},
        {"\"\"", NEGOTIATE_TAG_SOUND},
        {"5-json-br", NEGOTIATE_TAG_SOUND},
        {"\"5-json-0123456789012345678901234567890123456789012345678\"",
         NEGOTIATE_TAG_MARKED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(negotiate_tags_fault(text(rows[i].field)), rows[i].fault);
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
    negotiate_etag_print(17, NEGOTIATE_JSON, 0, CODING_NONE, etag);
    assert_string_equal(etag, "\"17-json\"");
    assert_true(negotiate_none_match(text("\"17-json\""), etag));
    assert_true(negotiate_none_match(text("*"), etag));
    assert_true(negotiate_none_match(text("W/\"17-json\""), etag));
    assert_true(negotiate_none_match(text("\"1-json\", \"17-json\""), etag));
    assert_false(negotiate_none_match(text("\"17-msgpack\""), etag));
    assert_false(negotiate_none_match(text("17-json"), etag));
    assert_false(negotiate_none_match(text("\"a,\\\"17-json\\\"\""), etag));
    assert_false(negotiate_none_match(text(""), etag));
    negotiate_etag_print(17, NEGOTIATE_JSON, 0, CODING_GZIP, etag);
    assert_string_equal(etag, "\"17-json-gzip\"");
    negotiate_etag_print(17, NEGOTIATE_JSON, 0, CODING_ZSTD, etag);
    assert_string_equal(etag, "\"17-json-zstd\"");
    negotiate_etag_print(UINT64_MAX, NEGOTIATE_MSGPACK, 0, CODING_NONE, etag);
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
        cmocka_unit_test(test_names_asked_for),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tags_that_proxies_changed),
        cmocka_unit_test(test_none_match),
        cmocka_unit_test(test_accept_encoding),
        cmocka_unit_test(test_tags_read),
        cmocka_unit_test(test_tags_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
