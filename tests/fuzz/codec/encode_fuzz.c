/*
 * Bytes from the store: never a crash, and what is accepted becomes JSON text that is
 * valid, indented or not, with the same meaning. The first byte says whether a sequence.
 */
#include "tests/fuzz/codec/fuzz_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every value of a sequence is text; between them stand newlines. */
static void check_sequence(const uint8_t *data, size_t size)
{
    struct codec_call call = {.op = CODEC_OP_SEQUENCE, .separator = '\n'};
    struct buf lines = BUF_INIT, packed = BUF_INIT;
    struct codec_call decode = {.op = CODEC_OP_DECODE};

    if (fuzz_run(call, data, size, &lines).status == CODEC_OK) {
        size_t at = 0;

        while (at < lines.len) {
            uint8_t *end = memchr(lines.data + at, '\n', lines.len - at);
            size_t len = end == NULL ? lines.len - at : (size_t)(end - lines.data) - at;

            packed.len = 0;
            FUZZ_CHECK(fuzz_run(decode, lines.data + at, len, &packed).status ==
                       CODEC_OK);
            at += len + 1;
        }
    }
    buf_free(&lines);
    buf_free(&packed);
}

static void check_value(const uint8_t *data, size_t size, bool pretty)
{
    struct codec_call encode = {.op = CODEC_OP_ENCODE, .pretty = pretty};
    struct codec_call compact = {.op = CODEC_OP_ENCODE};
    struct codec_call decode = {.op = CODEC_OP_DECODE};
    struct buf text = BUF_INIT, packed = BUF_INIT, again = BUF_INIT;

    if (fuzz_run(encode, data, size, &text).status == CODEC_OK) {
        FUZZ_CHECK(fuzz_run(decode, text.data, text.len, &packed).status == CODEC_OK);
        /* Once decoded (shortest forms, numbers in one spelling) nothing changes more. */
        FUZZ_CHECK(fuzz_run(compact, packed.data, packed.len, &again).status == CODEC_OK);
        text.len = 0;
        FUZZ_CHECK(fuzz_run(decode, again.data, again.len, &text).status == CODEC_OK);
        fuzz_check_same(&packed, &text);
    }
    buf_free(&text);
    buf_free(&packed);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 2)
        check_sequence(data + 1, size - 1);
    else
        check_value(data + 1, size - 1, data[0] % 3 == 1);
    return 0;
}
