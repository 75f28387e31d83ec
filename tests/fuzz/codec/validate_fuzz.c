/*
 * MessagePack from outside: validation and encoding judge alike, what is accepted is kept
 * byte for byte, and msgpack-c finds it well-formed too (as deep as it can look).
 */
#include "tests/fuzz/codec/fuzz_codec.h"

#include <msgpack.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_oracle(const uint8_t *data, size_t size)
{
    msgpack_unpacked result;
    size_t off = 0;
    msgpack_unpack_return got;

    msgpack_unpacked_init(&result);
    got = msgpack_unpack_next(&result, (const char *)data, size, &off);
    msgpack_unpacked_destroy(&result);
    /* NOMEM is its word for too deep. */
    FUZZ_CHECK(got == MSGPACK_UNPACK_NOMEM_ERROR || off == size);
    FUZZ_CHECK(got != MSGPACK_UNPACK_PARSE_ERROR && got != MSGPACK_UNPACK_CONTINUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf copy = BUF_INIT, text = BUF_INIT;
    struct codec_call validate = {.op = CODEC_OP_VALIDATE};
    struct codec_call encode = {.op = CODEC_OP_ENCODE};
    struct codec_fault valid = fuzz_run(validate, data, size, &copy);
    struct codec_fault encoded = fuzz_run(encode, data, size, &text);

    FUZZ_CHECK(valid.status == encoded.status);
    FUZZ_CHECK(valid.offset == encoded.offset);
    if (valid.status == CODEC_OK) {
        FUZZ_CHECK(copy.len == size && memcmp(copy.data, data, size) == 0);
        check_oracle(data, size);
    }
    buf_free(&copy);
    buf_free(&text);
    return 0;
}
