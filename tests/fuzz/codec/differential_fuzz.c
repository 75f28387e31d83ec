/*
 * The two engines against each other. The first byte of the input says what the rest is:
 * JSON text (even) or MessagePack (odd), whether the output is indented, and whether
 * numbers keep their text. Both must give the same verdict, offset and bytes, and what
 * they accept must come back the same: JSON -> MessagePack -> JSON -> the same
 * MessagePack. Where numbers keep their text, no byte of any is lost on the way.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/codec.h"

#define MAX_BYTES ((size_t)64 << 20)

static const char *const names[] = {"yajl", "direct"};

struct result {
    enum codec_status status;
    uint64_t offset;
    struct buf out;
};

static void complain(const char *what, const struct result *results)
{
    fprintf(stderr, "difference: %s\n", what);
    for (size_t i = 0; i < 2; i++)
        fprintf(stderr, "%s: %s at %llu, %zu bytes: %.*s\n", names[i],
                codec_status_text(results[i].status),
                (unsigned long long)results[i].offset, results[i].out.len,
                (int)(results[i].out.len < 2000 ? results[i].out.len : 2000),
                results[i].out.data == NULL ? "" : (const char *)results[i].out.data);
    abort();
}

static struct codec *codec_of(size_t i)
{
    static struct codec *codecs[2];

    if (codecs[i] == NULL)
        codecs[i] = codec_create(names[i]);
    return codecs[i];
}

/* Runs one job with both engines and compares. results[].out are ended by the caller. */
static void run_both(const struct codec_call *call, struct result *results)
{
    for (size_t i = 0; i < 2; i++) {
        struct codec_fault fault;

        results[i].out = (struct buf)BUF_INIT;
        results[i].status = codec_run(codec_of(i), call, &results[i].out, &fault);
        results[i].offset = fault.offset;
        if (results[i].status != fault.status)
            complain("status and fault", results);
    }
    if (results[0].status != results[1].status)
        complain("verdict", results);
    if (results[0].offset != results[1].offset)
        complain("offset", results);
    if (results[0].out.len != results[1].out.len ||
        (results[0].out.len > 0 &&
         memcmp(results[0].out.data, results[1].out.data, results[0].out.len) != 0))
        complain("bytes", results);
}

static void free_both(struct result *results)
{
    buf_free(&results[0].out);
    buf_free(&results[1].out);
}

static bool keep_numbers;

static struct codec_call call_of(enum codec_op op, struct slice in, bool pretty)
{
    return (struct codec_call){.op = op,
                               .pretty = pretty,
                               .keep_numbers = keep_numbers,
                               .separator = ',',
                               .in = in,
                               .max_output = MAX_BYTES,
                               .max_memory = 4 * MAX_BYTES};
}

/* MessagePack that our decoder wrote: to JSON and back gives the same bytes. */
static void check_round_trip(struct slice msgpack, bool pretty)
{
    struct codec_call encode = call_of(CODEC_OP_ENCODE, msgpack, pretty), decode;
    struct result json[2], again[2];

    run_both(&encode, json);
    if (json[0].status != CODEC_OK)
        complain("own MessagePack refused", json);
    decode = call_of(CODEC_OP_DECODE, buf_slice(&json[0].out), false);
    run_both(&decode, again);
    if (again[0].status != CODEC_OK || again[0].out.len != msgpack.len ||
        memcmp(again[0].out.data, msgpack.data, msgpack.len) != 0)
        complain("round trip", again);
    free_both(json);
    free_both(again);
}

/* Numbers of compact text, between strings, are those of the text: in both the bytes that
   numbers are made of come in the same order. */
static size_t next_number_byte(struct slice text, size_t at, bool *in_string)
{
    for (; at < text.len; at++) {
        uint8_t c = text.data[at];

        if (*in_string && c == '\\')
            at++;
        else if (c == '"')
            *in_string = !*in_string;
        else if (!*in_string && memchr("0123456789+-.E", c, 14) != NULL)
            break;
    }
    return at;
}

/* JSON to JSON keeps every number, and is what MessagePack that keeps them is printed as.
 */
static void check_compact(struct slice text, struct slice msgpack)
{
    struct codec_call compact = call_of(CODEC_OP_COMPACT, text, false);
    struct codec_call encode = call_of(CODEC_OP_ENCODE, msgpack, false);
    struct result made[2], printed[2];
    bool in_one = false, in_other = false;
    size_t one, other;

    run_both(&compact, made);
    run_both(&encode, printed);
    if (made[0].status != CODEC_OK || made[0].out.len != printed[0].out.len ||
        memcmp(made[0].out.data, printed[0].out.data, made[0].out.len) != 0)
        complain("compact", made);
    one = next_number_byte(text, 0, &in_one);
    other = next_number_byte(buf_slice(&made[0].out), 0, &in_other);
    while (one < text.len && other < made[0].out.len) {
        if (text.data[one] != made[0].out.data[other])
            complain("a number's text", made);
        one = next_number_byte(text, one + 1, &in_one);
        other = next_number_byte(buf_slice(&made[0].out), other + 1, &in_other);
    }
    if (one < text.len || other < made[0].out.len)
        complain("a number's length", made);
    free_both(made);
    free_both(printed);
}

static void check_json(struct slice text, bool pretty)
{
    struct codec_call decode = call_of(CODEC_OP_DECODE, text, false);
    struct result results[2];

    run_both(&decode, results);
    if (results[0].status == CODEC_OK)
        check_round_trip(buf_slice(&results[0].out), pretty);
    if (results[0].status == CODEC_OK && keep_numbers)
        check_compact(text, buf_slice(&results[0].out));
    free_both(results);
}

/* Foreign MessagePack: the engines and the validation agree, and the text is JSON whose
   MessagePack is then stable. */
static void check_msgpack(struct slice bytes, bool pretty)
{
    struct codec_call encode = call_of(CODEC_OP_ENCODE, bytes, pretty);
    struct codec_call validate = call_of(CODEC_OP_VALIDATE, bytes, false);
    struct codec_call sequence = call_of(CODEC_OP_SEQUENCE, bytes, pretty);
    struct result results[2], valid[2];

    run_both(&encode, results);
    run_both(&validate, valid);
    if (results[0].status != valid[0].status || results[0].offset != valid[0].offset)
        complain("encode (shown) and validate", results);
    if (results[0].status == CODEC_OK)
        check_json(buf_slice(&results[0].out), pretty);
    free_both(results);
    free_both(valid);
    run_both(&sequence, results);
    free_both(results);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact;

    if (size == 0)
        return 0;
    /* A block of its own, so that reading beyond the input is seen. */
    exact = malloc(size - 1 > 0 ? size - 1 : 1);
    if (exact == NULL)
        return 0;
    memcpy(exact, data + 1, size - 1);
    keep_numbers = data[0] & 4;
    if (data[0] & 1)
        check_msgpack((struct slice){exact, size - 1}, data[0] & 2);
    else
        check_json((struct slice){exact, size - 1}, data[0] & 2);
    free(exact);
    return 0;
}
