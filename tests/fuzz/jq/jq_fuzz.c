/*
 * Programs and documents of any kind, three ways:
 *
 * - text and MessagePack as the fuzzer makes them: nothing may be read out of bounds, and
 *   budgets end every run;
 * - programs put together from fragments of the language, on documents that are sound:
 *   each result is a valid value;
 * - the same with the document as an argument, which is read as a whole before the run:
 *   what is read piece by piece from the document must give the same results.
 *
 * The input: a mode, the length of the program (2 bytes), program, document.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/codec.h"
#include "common/codec/jq/jq.h"
#include "common/codec/msgpack/pack.h"

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) {                                                       \
            fprintf(stderr, "fuzz: %s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                              \
        }                                                                         \
    } while (0)

#define MAX_STEPS  20000
#define MAX_MEMORY (4u << 20)
#define MAX_OUTPUT (256u << 10)

enum mode { MODE_FRAGMENTS = 1, MODE_SOUND = 2, MODE_CHANGES = 4, MODE_POOR = 8 };

static const char *const fragments[] = {".",
                                        ".a",
                                        ".b",
                                        ".[]",
                                        ".[0]",
                                        ".[-1]",
                                        ".[1:]",
                                        ".[:2]",
                                        "..",
                                        "[",
                                        "]",
                                        "(",
                                        ")",
                                        "{",
                                        "}",
                                        ":",
                                        ",",
                                        "|",
                                        "//",
                                        "+",
                                        "-",
                                        "*",
                                        "/",
                                        "%",
                                        "==",
                                        "!=",
                                        "<",
                                        "<=",
                                        ">",
                                        ">=",
                                        "=",
                                        "|=",
                                        "+=",
                                        "-=",
                                        "*=",
                                        "//=",
                                        " and ",
                                        " or ",
                                        "not",
                                        "?",
                                        "1",
                                        "2",
                                        "0",
                                        "-1",
                                        "1.5",
                                        "1e300",
                                        "9223372036854775807",
                                        "18446744073709551616",
                                        "\"a\"",
                                        "\"b\"",
                                        "\"\"",
                                        "\"\\(.)\"",
                                        "null",
                                        "true",
                                        "false",
                                        "if . then ",
                                        " else ",
                                        " end",
                                        " elif ",
                                        "try ",
                                        " catch ",
                                        "reduce .[] as $x (",
                                        "foreach .[] as $x (",
                                        ";",
                                        " as $x|",
                                        "$x",
                                        " as [$x,$y]|",
                                        " as {a:$x}|",
                                        "$y",
                                        " as {$a}|",
                                        "$a",
                                        "?//",
                                        "label $f|",
                                        "break $f",
                                        "def f:",
                                        "f",
                                        "def g(h):",
                                        "h",
                                        "g(.)",
                                        "length",
                                        "keys",
                                        "add",
                                        "map(",
                                        "select(",
                                        "sort",
                                        "sort_by(",
                                        "group_by(",
                                        "unique",
                                        "min",
                                        "max",
                                        "reverse",
                                        "first",
                                        "last",
                                        "range(3)",
                                        "range(",
                                        "limit(2;",
                                        "first(",
                                        "last(",
                                        "until(",
                                        "while(",
                                        "recurse",
                                        "recurse(",
                                        "to_entries",
                                        "from_entries",
                                        "with_entries(",
                                        "del(",
                                        "paths",
                                        "path(",
                                        "getpath(",
                                        "setpath(",
                                        "delpaths(",
                                        "tojson",
                                        "fromjson",
                                        "tostring",
                                        "tonumber",
                                        "type",
                                        "flatten",
                                        "has(",
                                        "contains(",
                                        "inside(",
                                        "startswith(\"a\")",
                                        "ltrimstr(\"a\")",
                                        "explode",
                                        "implode",
                                        "split(",
                                        "join(",
                                        "ascii_downcase",
                                        "indices(",
                                        "index(",
                                        "transpose",
                                        "any",
                                        "all",
                                        "isempty(",
                                        "empty",
                                        "error",
                                        "@base64",
                                        "@base64d",
                                        "@csv",
                                        "@html",
                                        "@uri",
                                        "@sh",
                                        "@json",
                                        "@tsv",
                                        "walk(",
                                        "map_values(",
                                        "tostream",
                                        "fromstream(",
                                        "todate",
                                        "fromdate",
                                        "gmtime",
                                        "mktime",
                                        "strftime(\"%c\")",
                                        "strptime(\"%Y\")",
                                        "floor",
                                        "sqrt",
                                        "pow(2;",
                                        "infinite",
                                        "nan",
                                        "combinations",
                                        "limit(3;repeat(",
                                        "ascii",
                                        "trim",
                                        "abs",
                                        "splits(",
                                        "pick(.a)",
                                        "skip(1;",
                                        "bsearch(1)",
                                        "getpath([\"a\",0])",
                                        "{a:1}",
                                        "[1,[2]]",
                                        "{(.a,.b):1}",
                                        "$d",
                                        " $__loc__",
                                        "#\n",
                                        "input",
                                        "IN(1,2)",
                                        "INDEX(.a)",
                                        "add(.[])",
                                        "..|="};

#define FRAGMENTS (sizeof fragments / sizeof fragments[0])

struct bytes {
    const uint8_t *at, *end;
};

static uint8_t next_byte(struct bytes *bytes)
{
    return bytes->at < bytes->end ? *bytes->at++ : 0;
}

/* ---- sound documents */

static uint8_t *put_text(uint8_t *to, const char *text)
{
    size_t len = strlen(text);

    return pack_bytes(pack_str(to, (uint32_t)len), (const uint8_t *)text, len);
}

static uint8_t *put_scalar(uint8_t *to, uint8_t choice, struct bytes *bytes)
{
    static const char *const texts[] = {"",    "a", "b",   "ab",        "é",
                                        "a,b", "1", "[1]", "\U0001f600"};

    switch (choice % 10) {
    case 0: *to = 0xc0; return to + 1;
    case 1: *to = 0xc2; return to + 1;
    case 2: *to = 0xc3; return to + 1;
    case 3: return pack_double(to, (next_byte(bytes) - 128) / 8.0);
    case 4: return pack_uint(to, UINT64_MAX - next_byte(bytes));
    case 5: return pack_negative(to, INT64_MIN + next_byte(bytes));
    case 6:
        to = pack_ext(to, CODEC_EXT_NUMBER, 20);
        return pack_bytes(to,
                          (const uint8_t *)"12345678901234567890"
                                           "1",
                          20);
    case 7: return pack_uint(to, next_byte(bytes));
    default: return put_text(to, texts[next_byte(bytes) % 9]);
    }
}

/* Names are never the same twice in one object. */
static uint8_t *put_value(uint8_t *to, struct bytes *bytes, int depth)
{
    static const char *const names[] = {"a", "b", "c", "key", "value", "é", "name", "x"};
    uint8_t choice = next_byte(bytes), count = choice >> 5;

    if (choice % 4 > 1 || depth == 5)
        return put_scalar(to, choice >> 2, bytes);
    to = pack_container(to, count, choice % 4 == 1);
    for (uint8_t i = 0; i < count; i++) {
        if (choice % 4 == 1)
            to = put_text(to, names[i]);
        to = put_value(to, bytes, depth + 1);
    }
    return to;
}

/* ---- runs */

struct results {
    struct codec *codec;
    struct buf json;
    bool sound;
};

static bool take(void *context, struct slice result)
{
    struct results *results = context;
    struct codec_call call = {.op = CODEC_OP_ENCODE,
                              .in = result,
                              .max_output = SIZE_MAX,
                              .max_memory = SIZE_MAX};
    struct codec_fault fault;
    enum codec_status status;

    CHECK(result.len > 0);
    status = codec_run(results->codec, &call, &results->json, &fault);
    if (results->sound)
        CHECK(status == CODEC_OK);
    buf_append_str(&results->json, "\n");
    return true;
}

static enum jq_status run(const struct jq_program *program, struct slice document,
                          struct slice argument, uint8_t mode, struct results *results)
{
    struct jq_call call = {.program = program,
                           .document = document,
                           .document_changes = mode & MODE_CHANGES,
                           .arguments = &argument,
                           .max_steps = MAX_STEPS,
                           .max_memory = mode & MODE_POOR ? 100000 : MAX_MEMORY,
                           .max_output = MAX_OUTPUT,
                           .take = take,
                           .context = results};
    struct jq_outcome outcome;
    enum jq_status status = jq_run(&call, &outcome);

    CHECK(status == outcome.status);
    CHECK(outcome.steps <= MAX_STEPS);
    CHECK(outcome.memory <= call.max_memory);
    CHECK(status == JQ_OK || outcome.reason[0] != 0);
    return status;
}

static struct jq_program *compile(const struct buf *text)
{
    struct slice name = {(const uint8_t *)"d", 1};
    struct jq_refusal refusal;
    struct jq_program *program = jq_compile(buf_slice(text), &name, 1, &refusal);

    CHECK(program != NULL || (refusal.reason[0] != 0 && refusal.offset <= text->len));
    return program;
}

/* The same document read as a whole: an oracle for what is read piece by piece. */
static void compare(const struct buf *text, struct slice document, uint8_t mode,
                    struct results *results, enum jq_status status)
{
    static const uint8_t nil[] = {0xc0};
    struct buf wrapped = BUF_INIT;
    struct results others = {.codec = results->codec, .sound = true};
    struct jq_program *program;
    enum jq_status other;

    buf_printf(&wrapped, "$d|(%.*s\n)", (int)text->len, (const char *)text->data);
    program = compile(&wrapped);
    if (program != NULL) {
        other = run(program, (struct slice){nil, 1}, document, mode, &others);
        if (status <= JQ_FAILED && other <= JQ_FAILED) {
            CHECK(status == other);
            CHECK(results->json.len == others.json.len);
            CHECK(results->json.len == 0 ||
                  memcmp(results->json.data, others.json.data, others.json.len) == 0);
        }
    }
    jq_destroy(&program);
    buf_free(&wrapped);
    buf_free(&others.json);
}

static void write_program(struct buf *text, const uint8_t *data, size_t len, uint8_t mode)
{
    if (!(mode & MODE_FRAGMENTS)) {
        buf_append(text, data, len);
        return;
    }
    for (size_t i = 0; i < len; i++)
        buf_append_str(text, fragments[data[i] % FRAGMENTS]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t sound[65536];
    struct results results = {0};
    struct buf text = BUF_INIT;
    struct slice document;
    struct jq_program *program;
    size_t len;
    uint8_t mode;

    if (size < 3 || size > 2000)
        return 0;
    mode = data[0];
    len = (size_t)data[1] | (size_t)(data[2] & 3) << 8;
    data += 3;
    size -= 3;
    if (len > size)
        len = size;
    write_program(&text, data, len, mode);
    document = (struct slice){data + len, size - len};
    if (mode & MODE_SOUND) {
        struct bytes bytes = {data + len, data + size};

        document = (struct slice){sound, (size_t)(put_value(sound, &bytes, 0) - sound)};
        CHECK(document.len <= sizeof sound);
    }
    program = compile(&text);
    if (program != NULL) {
        enum jq_status status;

        results.codec = codec_create("direct");
        results.sound = mode & MODE_SOUND;
        status = run(program, document, document, mode, &results);
        if (mode & MODE_SOUND && !(mode & MODE_POOR))
            compare(&text, document, mode, &results, status);
        codec_destroy(&results.codec);
    }
    jq_destroy(&program);
    buf_free(&text);
    buf_free(&results.json);
    return 0;
}
