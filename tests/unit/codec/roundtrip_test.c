/*
 * Properties of random documents, with msgpack-c as the reference: texts become the bytes
 * that msgpack-c packs, and come back the same. For damaged ones, all engines and checks
 * return the same status.
 */
#include "common/codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/codec/yajl/yajl_scan.h"
#include "tests/unit/codec/codec_random.h"
#include "tests/unit/codec/codec_run.h"

#define DOCUMENTS   1500
#define DAMAGES     20
#define ENGINES_MAX 4

static struct codec *codecs[ENGINES_MAX];
static size_t engines;

static int make_engines(void **state)
{
    (void)state;
    for (const char *const *name = codec_engine_names(); *name != NULL; name++)
        codecs[engines++] = codec_create(*name);
    return 0;
}

static int end_engines(void **state)
{
    (void)state;
    while (engines > 0)
        codec_destroy(&codecs[--engines]);
    return 0;
}

static void assert_same(const struct buf *a, const struct buf *b)
{
    assert_int_equal(a->len, b->len);
    assert_true(same_bytes(a, b));
}

/* Text to MessagePack to text to MessagePack, by one engine. Returns the compact text. */
static void check_round(struct codec *codec, const struct buf *text,
                        const struct buf *packed, struct buf *compact)
{
    struct buf got = BUF_INIT;

    assert_int_equal(run_buf(codec, CODEC_OP_DECODE, text, &got).status, CODEC_OK);
    assert_same(&got, packed);
    assert_int_equal(run_buf(codec, CODEC_OP_VALIDATE, packed, &got).status, CODEC_OK);
    assert_same(&got, packed);
    assert_int_equal(run_buf(codec, CODEC_OP_ENCODE, packed, compact).status, CODEC_OK);
    assert_int_equal(run_buf(codec, CODEC_OP_DECODE, compact, &got).status, CODEC_OK);
    assert_same(&got, packed);
    buf_free(&got);
}

/* Indented text means the same. */
static void check_pretty(struct codec *codec, const struct buf *packed,
                         struct buf *pretty)
{
    struct codec_call call = {.op = CODEC_OP_ENCODE,
                              .pretty = true,
                              .in = buf_slice(packed),
                              .max_output = SIZE_MAX,
                              .max_memory = SIZE_MAX};
    struct buf got = BUF_INIT;
    struct codec_fault fault;

    assert_int_equal(codec_run(codec, &call, pretty, &fault), CODEC_OK);
    assert_int_equal(run_buf(codec, CODEC_OP_DECODE, pretty, &got).status, CODEC_OK);
    assert_same(&got, packed);
    buf_free(&got);
}

static void check_document(const struct buf *text, const struct buf *packed)
{
    struct buf first = BUF_INIT, first_pretty = BUF_INIT;

    check_round(codecs[0], text, packed, &first);
    check_pretty(codecs[0], packed, &first_pretty);
    for (size_t i = 1; i < engines; i++) {
        struct buf compact = BUF_INIT, pretty = BUF_INIT;

        check_round(codecs[i], text, packed, &compact);
        check_pretty(codecs[i], packed, &pretty);
        assert_same(&compact, &first);
        assert_same(&pretty, &first_pretty);
        buf_free(&compact);
        buf_free(&pretty);
    }
    buf_free(&first);
    buf_free(&first_pretty);
}

static void test_round_trips(void **state)
{
    struct random random = {2026};

    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        struct buf text = BUF_INIT, packed = BUF_INIT;

        document_make(&random, i % 8, &text, &packed);
        check_document(&text, &packed);
        buf_free(&text);
        buf_free(&packed);
    }
}

/* Chains of containers of every depth that is allowed, each with a sibling behind. */
static void test_depths(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth <= CODEC_MAX_DEPTH; depth += 1 + depth / 50) {
        struct buf text = BUF_INIT, packed = BUF_INIT;

        for (unsigned i = 0; i < depth; i++) {
            buf_append_str(&text, i % 2 ? "{\"k\":" : "[");
            buf_append_str(&packed, i % 2 ? "\x82\xa1k" : "\x92");
        }
        buf_append_str(&text, "true");
        buf_append_str(&packed, "\xc3");
        for (unsigned i = depth; i-- > 0;) {
            buf_append_str(&text, i % 2 ? ",\"m\":1}" : ",1]");
            buf_append_str(&packed, i % 2 ? "\xa1m\x01" : "\x01");
        }
        check_document(&text, &packed);
        buf_free(&text);
        buf_free(&packed);
    }
}

static void check_same_fault(const struct codec_fault *a, const struct codec_fault *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->offset, b->offset);
}

/* Damaged text: all engines and the scanner agree. */
static void check_damaged_text(const struct buf *text)
{
    struct buf out = BUF_INIT;
    uint64_t offset;
    enum codec_status status = yajl_scan(buf_slice(text), CODEC_MAX_DEPTH, &offset);
    struct codec_fault scanned = {status, status == CODEC_OK ? 0 : offset};

    for (size_t i = 0; i < engines; i++) {
        struct codec_fault fault = run_buf(codecs[i], CODEC_OP_DECODE, text, &out);

        check_same_fault(&fault, &scanned);
    }
    buf_free(&out);
}

static void test_damaged_texts(void **state)
{
    struct random random = {7};

    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        struct buf text = BUF_INIT, packed = BUF_INIT, copy = BUF_INIT;

        document_make(&random, 3, &text, &packed);
        for (int n = 0; n < DAMAGES; n++) {
            copy.len = 0;
            buf_append(&copy, text.data, text.len);
            document_damage(&random, &copy);
            check_damaged_text(&copy);
        }
        buf_free(&text);
        buf_free(&packed);
        buf_free(&copy);
    }
}

/* True where msgpack-c finds exactly one well-formed value. */
static bool oracle_accepts(const struct buf *packed)
{
    msgpack_unpacked result;
    size_t off = 0;
    msgpack_unpack_return got;

    msgpack_unpacked_init(&result);
    got = msgpack_unpack_next(&result, (const char *)packed->data, packed->len, &off);
    msgpack_unpacked_destroy(&result);
    return (got == MSGPACK_UNPACK_SUCCESS || got == MSGPACK_UNPACK_EXTRA_BYTES) &&
           off == packed->len;
}

/* Damaged MessagePack: validation and all encoders agree; what they accept msgpack-c
   accepts too. */
static void check_damaged_value(const struct buf *packed)
{
    struct buf out = BUF_INIT;
    struct codec_fault valid = run_buf(codecs[0], CODEC_OP_VALIDATE, packed, &out);

    if (valid.status == CODEC_OK)
        assert_true(oracle_accepts(packed));
    for (size_t i = 0; i < engines; i++) {
        struct codec_fault fault = run_buf(codecs[i], CODEC_OP_ENCODE, packed, &out);

        check_same_fault(&fault, &valid);
    }
    buf_free(&out);
}

static void test_damaged_values(void **state)
{
    struct random random = {11};

    (void)state;
    for (int i = 0; i < DOCUMENTS; i++) {
        struct buf text = BUF_INIT, packed = BUF_INIT, copy = BUF_INIT;

        document_make(&random, 3, &text, &packed);
        assert_true(oracle_accepts(&packed));
        for (int n = 0; n < DAMAGES; n++) {
            copy.len = 0;
            buf_append(&copy, packed.data, packed.len);
            document_damage(&random, &copy);
            check_damaged_value(&copy);
        }
        buf_free(&text);
        buf_free(&packed);
        buf_free(&copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_depths),
        cmocka_unit_test(test_damaged_texts),
        cmocka_unit_test(test_damaged_values),
    };

    return cmocka_run_group_tests(tests, make_engines, end_engines);
}
