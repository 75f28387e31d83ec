/* Templates of keys: which are accepted, and that a key is of one document only. */
#include "server/store/redis/keys/redis_template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "server/store/redis/place/redis_slot.h"

static struct redis_template parse(const char *text)
{
    struct redis_template template;
    const char *expected = redis_template_parse(text_slice(text), &template);

    if (expected != NULL)
        fail_msg("%s: expected %s", text, expected);
    return template;
}

static struct store_key name_of(const char *collection, const char *id)
{
    return (struct store_key){text_slice(collection), text_slice(id)};
}

static void check_key(const char *text, const char *collection, const char *id,
                      const char *wanted)
{
    struct redis_template template = parse(text);
    struct redis_key key;
    struct store_key back;

    assert_int_equal(redis_template_key(&template, name_of(collection, id), &key), 0);
    assert_int_equal(key.len, strlen(wanted));
    assert_memory_equal(key.bytes, wanted, key.len);
    assert_int_equal(redis_template_name(&template, redis_key_slice(&key), &back), 0);
    assert_true(slice_is(back.collection, collection) && slice_is(back.id, id));
    redis_template_free(&template);
}

static void keys(void **state)
{
    (void)state;
    check_key("doc:{collection}:{id}", "c", "i", "doc:c:i");
    check_key("doc:{collection}:{id}", "c", "a:b:", "doc:c:a:b:");
    check_key("{id}/{collection}", "c", "i", "i/c");
    check_key("{id}:{collection}", "a:b", "i", "i:a:b");
}

static void odd_keys(void **state)
{
    (void)state;
    check_key("a%25{collection}%26{id}%0az", "c", "i", "a%c&i\nz");
    check_key("d:{{collection}}:{id}", "c", "i", "d:{c}:i");
    check_key("{app}{collection}.{id}.json", "c", "i.json", "{app}c.i.json.json");
    check_key("{collection}::{id}", "a:b", "c", "a:b::c");
}

/* A name that would make the key that of another document has none. */
static void one_document_only(void **state)
{
    static const struct {
        const char *text, *collection, *id;
    } cases[] = {
        {"{collection}:{id}", "a:b", "c"},   {"{collection}::{id}", "a:", "b"},
        {"{collection}::{id}", "a::b", "c"}, {"{id}:{collection}", "c", "a:b"},
        {"{collection}aa{id}", "xa", "y"},   {"x{collection}.-.{id}", "a.-", "b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_template template = parse(cases[i].text);
        struct redis_key key;
        bool has = template.id_first;

        assert_int_equal(redis_template_key(
                             &template, name_of(cases[i].collection, cases[i].id), &key),
                         -1);
        assert_int_equal(redis_template_has(&template, text_slice(cases[i].collection)),
                         has);
        redis_template_free(&template);
    }
}

/* All short names over a few characters: different names have different keys, and a key
   gives its name back. */
static void no_two_documents(void **state)
{
    static const char *const texts[] = {"{collection}:{id}", "{collection}::{id}",
                                        "a{id}:a{collection}:", "{id}aa{collection}",
                                        ":{collection}:a:{id}a"};
    static const char letters[] = "a:.";
    char names[3 + 9 + 27][4];
    size_t count = 0;

    (void)state;
    for (size_t len = 1; len <= 3; len++)
        for (size_t n = 0; n < (len == 1 ? 3u : len == 2 ? 9u : 27u); n++, count++) {
            size_t rest = n;

            for (size_t i = 0; i < len; i++, rest /= 3)
                names[count][i] = letters[rest % 3];
            names[count][len] = '\0';
        }
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        struct redis_template template = parse(texts[t]);
        unsigned fit = 0;

        for (size_t c = 0; c < count; c++)
            for (size_t i = 0; i < count; i++) {
                struct redis_key key;
                struct store_key back;

                if (redis_template_key(&template, name_of(names[c], names[i]), &key) < 0)
                    continue;
                fit++;
                assert_int_equal(
                    redis_template_name(&template, redis_key_slice(&key), &back), 0);
                assert_true(slice_is(back.collection, names[c]));
                assert_true(slice_is(back.id, names[i]));
            }
        assert_true(fit > count);
        redis_template_free(&template);
    }
}

static void keys_of_no_document(void **state)
{
    static const char *const texts[] = {
        "",        "doc:",       "doc:c",      "doc:c:",   "doc::i", "Doc:c:i",
        "doc:c:i", "doc:c:i;x",  "doc:c:a b;", "doc:c:i/", "doc:;",  "doc:c\xc3\xa9:i;",
        "doc;:i;", "xdoc:c:i;x", "doc:{c}:i;"};
    struct redis_template template = parse("doc:{collection}:{id};");
    struct store_key name;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (redis_template_name(&template, text_slice(texts[i]), &name) == 0)
            fail_msg("a document: %s", texts[i]);
    redis_template_free(&template);
}

static void check_pattern(const char *text, const char *collection, const char *wanted)
{
    struct redis_template template = parse(text);
    struct buf out = BUF_INIT;

    redis_template_pattern(&template, text_slice(collection), &out);
    buf_append(&out, "", 1);
    assert_string_equal((const char *)out.data, wanted);
    buf_free(&out);
    redis_template_free(&template);
}

static void patterns(void **state)
{
    (void)state;
    check_pattern("doc:{collection}:{id}", "c", "doc:c:*");
    check_pattern("doc:{collection}:{id}", "a-b", "doc:a\\-b:*");
    check_pattern("doc:{collection}:{id}", "", "doc:*:*");
    check_pattern("*?{id}[^a]%5c{collection}.", "c", "\\*\\?*\\[\\^a\\]\\\\c.");
}

/* An upload lies in the slot of its document. */
static void uploads(void **state)
{
    static const char *const texts[] = {"doc:{collection}:{id}", "a:{{collection}}:{id}",
                                        "{app}{collection}/{id}", "x{y{collection}/{id}"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct redis_template template = parse(texts[i]);
        struct redis_key key, upload;

        assert_int_equal(redis_template_key(&template, name_of("c", "id"), &key), 0);
        redis_key_upload(&upload, redis_slot_tag(redis_key_slice(&key)), 1);
        assert_int_equal(redis_slot_of(redis_key_slice(&upload)),
                         redis_slot_of(redis_key_slice(&key)));
        redis_template_free(&template);
    }
}

/* The longest names and texts fit. */
static void longest(void **state)
{
    char text[REDIS_TEMPLATE_MAX + 64], name[STORE_NAME_MAX + 1];
    struct redis_template template;
    struct redis_key key, upload;

    (void)state;
    memset(text, 't', sizeof text);
    memcpy(text + REDIS_TEMPLATE_MAX - 1, "{collection}/{id}", 18);
    memset(name, 'n', STORE_NAME_MAX);
    name[STORE_NAME_MAX] = '\0';
    template = parse(text);
    assert_int_equal(redis_template_key(&template, name_of(name, name), &key), 0);
    assert_int_equal(key.len, REDIS_TEMPLATE_MAX + 2 * STORE_NAME_MAX);
    redis_key_upload(&upload, redis_slot_tag(redis_key_slice(&key)), UINT64_MAX);
    assert_int_equal(upload.len, REDIS_KEY_MAX);
    redis_template_free(&template);
    memcpy(text + REDIS_TEMPLATE_MAX, "{collection}/{id}", 18);
    assert_non_null(redis_template_parse(text_slice(text), &template));
}

static void bad_ones(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "each once"},
        {"{id}", "each once"},
        {"{collection}", "each once"},
        {"{Collection}:{id}", "each once"},
        {"{collection}:{id}:{id}", "each once"},
        {"{id}{collection}:{id}", "each once"},
        {"{collection}{collection}:{id}", "each once"},
        {"{collection}{id}", "something between"},
        {"{id}{collection}", "something between"},
        {"offloop:{collection}:{id}", "offloop:"},
        {"}{collection}:{id}", "hash tag"},
        {"{}{collection}:{id}", "hash tag"},
        {"%{collection}:{id}", "%XX"},
        {"{collection}:{id}%4", "%XX"},
        {"{collection}:{id}%00", "%XX"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_template template;
        const char *why = redis_template_parse(text_slice(cases[i].text), &template);

        if (why == NULL || strstr(why, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, why == NULL ? "accepted" : why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(odd_keys),
        cmocka_unit_test(one_document_only),
        cmocka_unit_test(no_two_documents),
        cmocka_unit_test(keys_of_no_document),
        cmocka_unit_test(patterns),
        cmocka_unit_test(uploads),
        cmocka_unit_test(longest),
        cmocka_unit_test(bad_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
