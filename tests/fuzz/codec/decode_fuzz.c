/*
 * JSON text from outside: never a crash, and what is accepted is MessagePack that
 * validates and comes back the same through text. The verdict is the scanner's.
 */
#include "tests/fuzz/codec/fuzz_codec.h"

#include "common/codec/yajl/yajl_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf packed = BUF_INIT, text = BUF_INIT, again = BUF_INIT;
    struct codec_call decode = {.op = CODEC_OP_DECODE}, encode = {.op = CODEC_OP_ENCODE},
                      validate = {.op = CODEC_OP_VALIDATE};
    struct codec_fault fault = fuzz_run(decode, data, size, &packed);
    uint64_t offset;
    enum codec_status status =
        yajl_scan((struct slice){data, size}, CODEC_MAX_DEPTH, &offset);

    FUZZ_CHECK(status == fault.status);
    FUZZ_CHECK(status == CODEC_OK || offset == fault.offset);
    if (fault.status == CODEC_OK) {
        fault = fuzz_run(validate, packed.data, packed.len, &again);
        FUZZ_CHECK(fault.status == CODEC_OK);
        fuzz_check_same(&packed, &again);
        fault = fuzz_run(encode, packed.data, packed.len, &text);
        FUZZ_CHECK(fault.status == CODEC_OK);
        again.len = 0;
        fault = fuzz_run(decode, text.data, text.len, &again);
        FUZZ_CHECK(fault.status == CODEC_OK);
        fuzz_check_same(&packed, &again);
    }
    buf_free(&packed);
    buf_free(&text);
    buf_free(&again);
    return 0;
}
