/* Keys, values and records in the form on the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "server/store/little_endian.h"
#include "server/store/lmdb/lmdb_layout.h"

static struct slice text(const char *t)
{
    return (struct slice){(const uint8_t *)t, strlen(t)};
}

static void key_goes_both_ways(void **state)
{
    uint8_t key[LAYOUT_KEY_MAX];
    struct store_key name;
    size_t len = layout_put_key(key, (struct store_key){text("coll"), text("id.1")});

    (void)state;
    assert_int_equal(len, 9);
    assert_memory_equal(key, "coll\0id.1", 9);
    assert_int_equal(layout_read_key((struct slice){key, len}, &name), 0);
    assert_int_equal(name.collection.len, 4);
    assert_memory_equal(name.collection.data, "coll", 4);
    assert_int_equal(name.id.len, 4);
    assert_memory_equal(name.id.data, "id.1", 4);
}

static void longest_key_fits_lmdb(void **state)
{
    char name[STORE_NAME_MAX + 1];
    uint8_t key[LAYOUT_KEY_MAX];
    struct store_key out;
    size_t len;

    (void)state;
    memset(name, 'x', STORE_NAME_MAX);
    name[STORE_NAME_MAX] = 0;
    len = layout_put_key(key, (struct store_key){text(name), text(name)});
    assert_int_equal(len, 511);
    assert_int_equal(layout_read_key((struct slice){key, len}, &out), 0);
    assert_int_equal(out.id.len, STORE_NAME_MAX);
}

static void bad_keys_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 0}, {"x", 1}, {"x\0", 2}, {"\0x", 2}, {"a\0b\0c", 5}, {"a\0\0", 3}};
    uint8_t long_name[LAYOUT_KEY_MAX + 1];
    struct store_key name;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            layout_read_key((struct slice){(const uint8_t *)bad[i].bytes, bad[i].len},
                            &name),
            -1);
    memset(long_name, 'x', sizeof long_name);
    long_name[256] = 0; /* 256 + 1 + 255 */
    assert_int_equal(layout_read_key((struct slice){long_name, 512}, &name), -1);
    long_name[256] = 'x';
    long_name[1] = 0; /* 1 + 1 + 256 */
    assert_int_equal(layout_read_key((struct slice){long_name, 258}, &name), -1);
    assert_int_equal(layout_read_key((struct slice){long_name, 257}, &name), 0);
}

static int compare_keys(const char *c1, const char *i1, const char *c2, const char *i2)
{
    uint8_t a[LAYOUT_KEY_MAX], b[LAYOUT_KEY_MAX];
    size_t a_len = layout_put_key(a, (struct store_key){text(c1), text(i1)});
    size_t b_len = layout_put_key(b, (struct store_key){text(c2), text(i2)});
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static void keys_sort_by_collection_then_id(void **state)
{
    (void)state;
    assert_true(compare_keys("a", "9", "b", "1") < 0);
    assert_true(compare_keys("a", "zzz", "a-", "0") < 0);
    assert_true(compare_keys("a", "1", "a", "10") < 0);
    assert_true(compare_keys("a", "10", "a", "2") < 0);
    assert_true(compare_keys("a", "", "a", "-") < 0);
    assert_true(compare_keys("ab", "", "a", "~") > 0);
}

static void key_is_in_its_collection_only(void **state)
{
    uint8_t key[LAYOUT_KEY_MAX];
    struct slice slice = {key,
                          layout_put_key(key, (struct store_key){text("ab"), text("c")})};

    (void)state;
    assert_true(layout_key_is_in(slice, text("ab")));
    assert_false(layout_key_is_in(slice, text("a")));
    assert_false(layout_key_is_in(slice, text("abc")));
    assert_false(layout_key_is_in(slice, text("b")));
    assert_false(layout_key_is_in(slice, text("abcdef")));
}

static void value_goes_both_ways(void **state)
{
    uint8_t bytes[LAYOUT_HEAD_BYTES + 3] = {0};
    struct layout_value value;

    (void)state;
    layout_put_head(bytes, STORE_JSON, UINT64_C(0x0102030405060708));
    memcpy(bytes + LAYOUT_HEAD_BYTES, "doc", 3);
    assert_memory_equal(bytes, "\2\1\0\0\0\0\0\0\10\7\6\5\4\3\2\1doc", sizeof bytes);
    assert_int_equal(layout_read_value((struct slice){bytes, sizeof bytes}, &value), 0);
    assert_int_equal(value.format, STORE_JSON);
    assert_true(value.version == UINT64_C(0x0102030405060708));
    assert_int_equal(value.bytes.len, 3);
    assert_memory_equal(value.bytes.data, "doc", 3);
}

static void every_flip_in_a_head_is_seen(void **state)
{
    uint8_t bytes[LAYOUT_HEAD_BYTES];
    struct layout_value value;

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        layout_put_head(bytes, STORE_MSGPACK, 7);
        bytes[i] ^= 0x40;
        assert_int_equal(layout_read_value((struct slice){bytes, sizeof bytes}, &value),
                         -1);
    }
    for (size_t len = 0; len < LAYOUT_HEAD_BYTES; len++) {
        layout_put_head(bytes, STORE_MSGPACK, 7);
        assert_int_equal(layout_read_value((struct slice){bytes, len}, &value), -1);
    }
    memset(bytes, 0, sizeof bytes); /* a page that was never written */
    assert_int_equal(layout_read_value((struct slice){bytes, sizeof bytes}, &value), -1);
}

static void meta_record(void **state)
{
    uint8_t meta[LAYOUT_META_BYTES];

    (void)state;
    layout_put_meta(meta);
    assert_int_equal(layout_read_meta((struct slice){meta, sizeof meta}), LAYOUT_VERSION);
    meta[8] = 9;
    assert_int_equal(layout_read_meta((struct slice){meta, sizeof meta}), 9);
    assert_int_equal(layout_read_meta((struct slice){meta, sizeof meta - 1}), -1);
    meta[0] ^= 1;
    assert_int_equal(layout_read_meta((struct slice){meta, sizeof meta}), -1);
}

static void numbers(void **state)
{
    static const uint64_t values[] = {0, 1, 255, 256, UINT64_C(1) << 32, UINT64_MAX};
    uint8_t bytes[8];
    uint64_t number;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        le_put(bytes, 8, values[i]);
        assert_true(le_get(bytes, 8) == values[i]);
        assert_int_equal(layout_read_number((struct slice){bytes, 8}, &number), 0);
        assert_true(number == values[i]);
    }
    assert_int_equal(layout_read_number((struct slice){bytes, 7}, &number), -1);
    le_put(bytes, 2, 0x1234);
    assert_int_equal(bytes[0], 0x34);
    assert_int_equal(bytes[1], 0x12);
    assert_int_equal(le_get(bytes, 2), 0x1234);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_goes_both_ways),
        cmocka_unit_test(longest_key_fits_lmdb),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(keys_sort_by_collection_then_id),
        cmocka_unit_test(key_is_in_its_collection_only),
        cmocka_unit_test(value_goes_both_ways),
        cmocka_unit_test(every_flip_in_a_head_is_seen),
        cmocka_unit_test(meta_record),
        cmocka_unit_test(numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
