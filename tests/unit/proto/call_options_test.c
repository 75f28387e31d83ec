/* What travels of a codec call, and what of it is refused. */
#include "proto/call_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t input[100];

static struct codec_call plain(void)
{
    return (struct codec_call){.op = CODEC_OP_PATCH, .in = {input, sizeof input}};
}

static void test_defaults_need_no_bytes(void **state)
{
    struct codec_call call = plain();
    struct buf out = BUF_INIT;

    (void)state;
    call_options_put(&out, &call);
    assert_int_equal(out.len, 0);
    assert_int_equal(call_options_read(buf_slice(&out), &call), 0);
    assert_false(call.coding || call.part || call.gunzip || call.argument.len ||
                 call.fields.len);
    buf_free(&out);
}

static void test_round_trip(void **state)
{
    struct codec_call call = plain(), back = plain();
    struct buf out = BUF_INIT;

    (void)state;
    call.coding = CODING_GZIP;
    call.part = call.gunzip = call.keep_numbers = true;
    call.format = CODEC_FORMAT_JSON;
    call.argument = (struct slice){input, 40};
    call.max_expanded = (size_t)1 << 40;
    call.fields = (struct slice){(const uint8_t *)"a,b.c", 5};
    call_options_put(&out, &call);
    assert_int_equal(call_options_read(buf_slice(&out), &back), 0);
    assert_int_equal(back.coding, CODING_GZIP);
    assert_true(back.part && back.gunzip && back.keep_numbers &&
                back.format == CODEC_FORMAT_JSON);
    assert_int_equal(back.in.len, sizeof input - 40);
    assert_ptr_equal(back.argument.data, input + sizeof input - 40);
    assert_int_equal(back.argument.len, 40);
    assert_true(back.max_expanded == (size_t)1 << 40);
    assert_int_equal(back.fields.len, 5);
    assert_memory_equal(back.fields.data, "a,b.c", 5);
    buf_free(&out);
}

static void test_each_flag_alone(void **state)
{
    (void)state;
    for (int flag = 0; flag < 11; flag++) {
        struct codec_call call = plain(), back = plain();
        struct buf out = BUF_INIT;

        call.coding = flag == 0 ? CODING_GZIP : flag == 3 ? CODING_ZSTD : CODING_NONE;
        call.part = flag == 4;
        call.ids = flag == 6;
        call.transform = flag == 7;
        call.one = flag == 8;
        call.digests = flag == 9 ? CODEC_DIGEST_IN : flag == 10 ? CODEC_DIGEST_OUT : 0;
        call.gunzip = flag == 1;
        call.keep_numbers = flag == 5;
        call.format = flag == 2 ? CODEC_FORMAT_JSON : CODEC_FORMAT_MSGPACK;
        call_options_put(&out, &call);
        assert_int_equal(call_options_read(buf_slice(&out), &back), 0);
        assert_true(back.coding == call.coding && back.part == call.part &&
                    back.keep_numbers == call.keep_numbers &&
                    back.gunzip == call.gunzip && back.format == call.format &&
                    back.ids == call.ids && back.transform == call.transform &&
                    back.one == call.one && back.digests == call.digests);
        buf_free(&out);
    }
}

static void test_bad_options(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x94\xcd\x08\x00\x00\x00\xc4\x00",
         8},                                 /* unknown flag, above all that are known */
        {"\x94\x09\x00\x00\xc4\x00", 6},     /* two codings */
        {"\x94\x00\x65\x00\xc4\x00", 6},     /* argument larger than the payload */
        {"\x93\x00\x00\x00", 4},             /* an item is missing */
        {"\x94\x00\x00\x00\xc4\x01", 6},     /* cut */
        {"\x94\x00\x00\x00\xc4\x00\x00", 7}, /* a byte is left over */
        {"\x94\x00\x00\x00\xa0", 5},         /* str for bin */
        {"\xc0", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct codec_call call = plain();

        assert_int_equal(
            call_options_read((struct slice){(const uint8_t *)rows[i].bytes, rows[i].len},
                              &call),
            -1);
    }
}

/* For one that passes options on: what it does not know is no fault. */
static void test_a_glance(void **state)
{
    struct codec_call call = plain();
    struct buf options = BUF_INIT;
    size_t len = call.in.len;

    (void)state;
    call_options_glance((struct slice){NULL, 0}, &call);
    call_options_glance((struct slice){(const uint8_t *)"\x93\x01", 2}, &call);
    assert_int_equal(call.coding, CODING_NONE);
    buf_append(&options, "\x94\xcd\x40\x0a\x05\xcd\x10\x00\xc4\x00", 10);
    call_options_glance(buf_slice(&options),
                        &call); /* 0x4000 is unknown; 8 and 2 are not */
    assert_int_equal(call.coding, CODING_ZSTD);
    assert_true(call.gunzip);
    assert_int_equal(call.max_expanded, 4096);
    assert_int_equal(call.in.len, len);
    assert_int_equal(call.argument.len, 0);
    buf_free(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_need_no_bytes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_each_flag_alone),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_a_glance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
