/*
 * Another parser's opinion (llhttp, node's): what ours accepts it must not refuse, and
 * must read in the same way, or a proxy built on it could be led astray. Over the rows of
 * wire_cases.h, the fuzzers' corpora, and a great many mutations of both. Built where
 * cmake finds llhttp. What llhttp refuses only by taste: is_taste().
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "server/http/parser/http_body.h"
#include "server/http/parser/http_parser.h"
#include "tests/oracle/llhttp_reading.h"
#include "tests/unit/http/wire_cases.h"

#define MUTATIONS 300 /* of each input */
#define BYTES_MAX 4096
#define EDITS_MAX 3
#define CORPUS    "tests/fuzz/corpus/"

static const struct http_parser_limits limits = {32768, 8192};

/* ---- ours ---- */

static void read_head(const struct http_parser *parser, const uint8_t *bytes,
                      struct reading *reading)
{
    buf_append(&reading->target, bytes + parser->target.at, parser->target.len);
    for (uint32_t i = 0; i < parser->field_count; i++) {
        const struct http_field *field = &parser->fields[i];

        buf_append(&reading->fields, bytes + field->name.at, field->name.len);
        buf_append_str(&reading->fields, ":");
        buf_append(&reading->fields, bytes + field->value.at, field->value.len);
        buf_append_str(&reading->fields, "\n");
    }
}

/* Bytes of the whole first request, where ours accepts it; else 0. */
static size_t read_ours(const uint8_t *bytes, size_t len, struct http_parser *parser,
                        struct reading *reading)
{
    enum http_body_result result;
    struct http_body body;
    size_t at, used;

    http_parser_init(parser, &limits);
    if (http_parser_run(parser, bytes, len) != HTTP_PARSER_DONE)
        return 0;
    read_head(parser, bytes, reading);
    http_body_init(&body, parser->length);
    at = parser->head_bytes;
    do {
        struct slice piece;

        result = http_body_next(&body, bytes + at, len - at, &used, &piece);
        buf_append(&reading->body, piece.data, piece.len);
        at += used;
    } while (result == HTTP_BODY_DATA);
    reading->has_extensions = body.extension_bytes > 0;
    return result == HTTP_BODY_DONE ? at : 0;
}

/* ---- the two ---- */

static unsigned accepted, tastes[LLHTTP_REFUSES];

static bool has(const uint8_t *bytes, size_t len, const char *what)
{
    return memmem(bytes, len, what, strlen(what)) != NULL;
}

/* Refusals that leave nothing open to two readings: of methods and versions that llhttp
   has not on its lists; before version 9, of chunk extensions after one with a value and
   of escapes in them. */
static bool is_taste(enum llhttp_verdict verdict, const struct http_parser *parser,
                     const struct reading *ours)
{
    if (verdict == LLHTTP_REFUSES ||
        (verdict == LLHTTP_REFUSES_CHUNK && !ours->has_extensions) ||
        (verdict == LLHTTP_REFUSES_VERSION && parser->minor != 1))
        return false;
    tastes[verdict]++;
    return true;
}

static bool is_same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* What two readings differ in; NULL for nothing. Before another protocol llhttp leaves
   the body alone. */
static const char *differ(const struct reading *ours, const struct reading *theirs,
                          bool is_upgrade)
{
    if (!theirs->over)
        return "it waits for more";
    if (!is_same(&ours->target, &theirs->target))
        return "another target";
    if (!is_same(&ours->fields, &theirs->fields))
        return "other fields";
    return is_upgrade || is_same(&ours->body, &theirs->body) ? NULL : "another body";
}

/* NULL where the two agree, else what is the matter. */
static const char *compare(const uint8_t *bytes, size_t len)
{
    static struct http_parser parser;
    struct reading ours = {.over = true}, theirs = {.over = false};
    size_t used = read_ours(bytes, len, &parser, &ours);
    const char *why = NULL;
    if (used > 0) {
        enum llhttp_verdict verdict = llhttp_read(bytes, used, &theirs, &why);

        accepted++;
        if (verdict == LLHTTP_ACCEPTS)
            why = differ(&ours, &theirs, has(bytes, used, "pgrade"));
        else if (is_taste(verdict, &parser, &ours))
            why = NULL;
    }
    reading_free(&ours);
    reading_free(&theirs);
    return why;
}

static void print_request(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len && i < 300; i++)
        if (bytes[i] >= ' ' && bytes[i] < 127 && bytes[i] != '\\')
            fputc(bytes[i], stderr);
        else
            fprintf(stderr, "\\x%02x", bytes[i]);
    fputc('\n', stderr);
}

static unsigned check(const char *name, const uint8_t *bytes, size_t len)
{
    const char *why = compare(bytes, len);

    if (why == NULL)
        return 0;
    fprintf(stderr, "%s: llhttp: %s: ", name, why);
    print_request(bytes, len);
    return 1;
}

static uint32_t random_below(uint32_t *seed, uint32_t limit)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % limit;
}

/* Bytes that parsers care about, more often than others. */
static uint8_t random_byte(uint32_t *seed)
{
    static const uint8_t odd[] = "\r\n \t:;,=\"\\/?#%.0123456789abfkKx-_\0\x7f\x80\xff";

    return random_below(seed, 4) == 0 ? (uint8_t)random_below(seed, 256)
                                      : odd[random_below(seed, sizeof odd - 1)];
}

static size_t edit(uint8_t *bytes, size_t len, uint32_t *seed)
{
    size_t at = random_below(seed, (uint32_t)len);

    switch (random_below(seed, 4)) {
    case 0: memmove(bytes + at, bytes + at + 1, len - at - 1); return len - 1;
    case 1:
        memmove(bytes + at + 1, bytes + at, len - at);
        bytes[at] = random_byte(seed);
        return len + 1;
    default: bytes[at] = random_byte(seed); return len;
    }
}

/* The input itself, and what becomes of it by a few edits. */
static unsigned check_around(const char *name, const uint8_t *bytes, size_t len)
{
    static uint8_t copy[BYTES_MAX + EDITS_MAX];
    unsigned bad = check(name, bytes, len);
    uint32_t seed = (uint32_t)len * 2654435761u;

    for (unsigned i = 0; i < MUTATIONS && len > EDITS_MAX && len <= BYTES_MAX; i++) {
        size_t changed = len;

        memcpy(copy, bytes, len);
        for (unsigned edits = 1 + random_below(&seed, EDITS_MAX); edits > 0; edits--)
            changed = edit(copy, changed, &seed);
        bad += check(name, copy, changed);
    }
    return bad;
}

static void our_own_requests(void **state)
{
    unsigned bad = 0;

    (void)state;
    for (size_t i = 0; i < sizeof wire_cases / sizeof *wire_cases; i++)
        bad += check_around(wire_cases[i].name, (const uint8_t *)wire_cases[i].bytes,
                            wire_cases[i].len);
    assert_int_equal(bad, 0);
    assert_true(accepted > 1000);
    print_message("%u requests that ours accepts; by taste llhttp refuses %u methods, "
                  "%u versions, %u chunk extensions\n",
                  accepted, tastes[LLHTTP_REFUSES_METHOD], tastes[LLHTTP_REFUSES_VERSION],
                  tastes[LLHTTP_REFUSES_CHUNK]);
}

/* The first bytes of an input may be the fuzzer's; a request may begin anywhere. */
static unsigned check_file(const char *path)
{
    struct buf bytes = BUF_INIT;
    unsigned bad = 0;

    assert_int_equal(file_read(path, 1 << 20, &bytes), 0);
    for (size_t skip = 0; skip < 8 && skip < bytes.len; skip++)
        bad += check_around(path, bytes.data + skip, bytes.len - skip);
    buf_free(&bytes);
    return bad;
}

static void the_fuzzers_corpora(void **state)
{
    static const char *const folders[] = {CORPUS "http_parser", CORPUS "http_connection"};
    unsigned bad = 0, files = 0;

    (void)state;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        DIR *dir = opendir(folders[i]);
        struct dirent *entry;

        assert_non_null(dir);
        while ((entry = readdir(dir)) != NULL) {
            char path[512];

            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", folders[i], entry->d_name);
            bad += check_file(path);
            files++;
        }
        closedir(dir);
    }
    assert_int_equal(bad, 0);
    assert_true(files > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_own_requests),
        cmocka_unit_test(the_fuzzers_corpora),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
