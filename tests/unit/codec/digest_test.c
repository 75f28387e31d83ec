/* Digests: known values of SHA-1, and where they stand behind a job's result. */
#include "common/codec/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/codec/codec_run.h"

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* The first 16 digits of what sha1sum prints. */
static void known_values(void **state)
{
    uint8_t bytes[200];

    (void)state;
    assert_true(digest_of(slice_of("")) == UINT64_C(0xda39a3ee5e6b4b0d));
    assert_true(digest_of((struct slice){NULL, 0}) == UINT64_C(0xda39a3ee5e6b4b0d));
    assert_true(digest_of(slice_of("abc")) == UINT64_C(0xa9993e364706816a));
    assert_true(
        digest_of(slice_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        UINT64_C(0x84983e441c3bd26e));
    memset(bytes, 'a', sizeof bytes);
    assert_true(digest_of((struct slice){bytes, 55}) == UINT64_C(0xc1c8bbdc22796e28));
    assert_true(digest_of((struct slice){bytes, 64}) == UINT64_C(0x0098ba824b5c1642));
    assert_true(digest_of((struct slice){bytes, 119}) == UINT64_C(0xee971065aaa017e0));
    assert_true(digest_of((struct slice){bytes, 120}) == UINT64_C(0xf34c1488385346a5));
    assert_true(digest_of((struct slice){bytes, 200}) == UINT64_C(0xe61cfffe0d9195a5));
}

static void put_and_take(void **state)
{
    struct buf out = BUF_INIT;
    struct slice bytes;

    (void)state;
    buf_append_str(&out, "x");
    digest_put(&out, UINT64_C(0x0102030405060708));
    assert_int_equal(out.len, 1 + DIGEST_BYTES);
    assert_memory_equal(out.data + 1, "\1\2\3\4\5\6\7\10", DIGEST_BYTES);
    bytes = buf_slice(&out);
    assert_true(digest_take(&bytes) == UINT64_C(0x0102030405060708));
    assert_int_equal(bytes.len, 1);
    buf_free(&out);
}

static struct codec_call call_of(enum codec_op op, unsigned digests, const char *in)
{
    return (struct codec_call){.op = op,
                               .digests = digests,
                               .format = CODEC_FORMAT_JSON,
                               .separator = ',',
                               .in = slice_of(in),
                               .max_output = SIZE_MAX,
                               .max_memory = SIZE_MAX};
}

/* The result, with its digests behind it, in order. */
static void check(const struct codec_call *call, const char *result)
{
    for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
        struct codec *codec = codec_create(*name);
        struct buf out = BUF_INIT;
        struct codec_fault fault;
        struct slice bytes;

        buf_append_str(&out, "before");
        assert_int_equal(codec_run(codec, call, &out, &fault), CODEC_OK);
        bytes = (struct slice){out.data + 6, out.len - 6};
        assert_int_equal(bytes.len, strlen(result) + codec_digest_bytes(call->digests));
        if (call->digests & CODEC_DIGEST_OUT)
            assert_true(digest_take(&bytes) == digest_of(slice_of(result)));
        if (call->digests & CODEC_DIGEST_IN)
            assert_true(digest_take(&bytes) == digest_of(call->in));
        assert_memory_equal(bytes.data, result, bytes.len);
        buf_free(&out);
        codec_destroy(&codec);
    }
}

static void behind_results(void **state)
{
    static const char text[] = "{ \"a\":\n1.50 }";
    struct codec_call call;

    (void)state;
    for (unsigned digests = 0; digests <= CODEC_DIGESTS; digests++) {
        call = call_of(CODEC_OP_COMPACT, digests, text);
        check(&call, "{\"a\":1.50}");
        call = call_of(CODEC_OP_ENCODE, digests, text);
        check(&call, "{\"a\":1.50}");
        call = call_of(CODEC_OP_PATCH, digests, text);
        call.argument = slice_of("{\"b\":[]}");
        check(&call, "{\"a\":1.50,\"b\":[]}");
    }
    /* any bytes have a digest */
    call = call_of(CODEC_OP_PROJECT, CODEC_DIGEST_IN, "no JSON");
    call.format = CODEC_FORMAT_MSGPACK;
    check(&call, "no JSON");
}

/* A document with a digest is one, whatever it holds; without, newlines divide. */
static void one_document(void **state)
{
    struct codec_call call = call_of(CODEC_OP_PROJECT, CODEC_DIGEST_IN, "{\"a\":\n1}");

    (void)state;
    call.fields = slice_of("a");
    check(&call, "\x81\xa1\x61\x01");
    call = call_of(CODEC_OP_SEQUENCE, 0, "1\n2");
    check(&call, "1,2");
}

static void check_fails(const struct codec_call *call, enum codec_status status,
                        uint64_t offset)
{
    struct codec *codec = codec_create("direct");
    struct codec_fault fault;
    struct buf out = BUF_INIT;

    assert_int_equal(codec_run(codec, call, &out, &fault), status);
    assert_int_equal(fault.status, status);
    assert_true(fault.offset == offset);
    assert_int_equal(out.len, 0);
    buf_free(&out);
    codec_destroy(&codec);
}

/* Digests count in what the result may have; an empty document is no JSON. */
static void limits(void **state)
{
    struct codec_call call = call_of(CODEC_OP_ENCODE, CODEC_DIGESTS, "[1]");

    (void)state;
    call.max_output = 3 + 2 * DIGEST_BYTES;
    check(&call, "[1]");
    call.max_output--;
    check_fails(&call, CODEC_TOO_LARGE, 0);
    call.max_output = 1;
    check_fails(&call, CODEC_TOO_LARGE, 0);
    call = call_of(CODEC_OP_ENCODE, CODEC_DIGEST_IN, "");
    check_fails(&call, CODEC_TRUNCATED, 0);
    call = call_of(CODEC_OP_PROJECT, CODEC_DIGEST_IN, "");
    check_fails(&call, CODEC_TRUNCATED, 0);
}

static bool refuse_much(struct codec_budget *budget, size_t ahead)
{
    (void)budget;
    return ahead > 10;
}

/* A budget is asked before the work, which cannot be interrupted. */
static void budgets(void **state)
{
    struct codec_budget budget = {.is_spent = refuse_much};
    struct codec_call call = call_of(CODEC_OP_PROJECT, CODEC_DIGEST_IN,
                                     "0123456789012345678901234567890123456789");

    (void)state;
    call.format = CODEC_FORMAT_MSGPACK;
    call.budget = &budget;
    check(&call, "0123456789012345678901234567890123456789");
    call.in = slice_of("01234567890123456789012345678901234567890123");
    check_fails(&call, CODEC_STOPPED, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),   cmocka_unit_test(put_and_take),
        cmocka_unit_test(behind_results), cmocka_unit_test(one_document),
        cmocka_unit_test(limits),         cmocka_unit_test(budgets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
