/* The cache of programs: what is kept, what goes, and what a key is. */
#include "common/codec/jq/jq_cache.h"

#include "tests/unit/jq/jq_job.h"

static const struct jq_program *get(struct jq_cache *cache, const char *text,
                                    const char *name)
{
    struct jq_refusal refusal;
    struct slice names = slice_of(name == NULL ? "" : name);
    const struct jq_program *program =
        jq_cache_get(cache, slice_of(text), &names, name != NULL, &refusal);

    assert_true((program == NULL) == (refusal.reason[0] != 0));
    return program;
}

static void test_kept(void **state)
{
    struct jq_cache *cache = jq_cache_create();
    const struct jq_program *first = get(cache, ".a", NULL);

    (void)state;
    assert_non_null(first);
    assert_ptr_equal(get(cache, ".a", NULL), first);
    assert_int_equal(jq_cache_compiled(cache), 1);
    assert_non_null(get(cache, ".b", NULL));
    assert_ptr_equal(get(cache, ".a", NULL), first);
    assert_int_equal(jq_cache_compiled(cache), 2);
    jq_cache_destroy(&cache);
    assert_null(cache);
}

/* The same text with other names is another program. */
static void test_names(void **state)
{
    struct jq_cache *cache = jq_cache_create();

    (void)state;
    assert_null(get(cache, "$x", NULL));
    assert_null(get(cache, "$x", NULL));
    assert_int_equal(jq_cache_compiled(cache), 1);
    assert_non_null(get(cache, "$x", "x"));
    assert_null(get(cache, "$x", "y"));
    assert_int_equal(jq_cache_compiled(cache), 3);
    jq_cache_destroy(&cache);
}

static void test_oldest_goes(void **state)
{
    struct jq_cache *cache = jq_cache_create();
    char text[20];

    (void)state;
    for (int i = 0; i < JQ_CACHE_PROGRAMS; i++) {
        snprintf(text, sizeof text, ". + %d", i);
        assert_non_null(get(cache, text, NULL));
    }
    assert_non_null(get(cache, ". + 0", NULL));
    assert_int_equal(jq_cache_compiled(cache), JQ_CACHE_PROGRAMS);
    assert_non_null(get(cache, ". + 1000", NULL)); /* takes the place of `. + 1` */
    assert_non_null(get(cache, ". + 0", NULL));
    assert_int_equal(jq_cache_compiled(cache), JQ_CACHE_PROGRAMS + 1);
    assert_non_null(get(cache, ". + 1", NULL));
    assert_int_equal(jq_cache_compiled(cache), JQ_CACHE_PROGRAMS + 2);
    jq_cache_destroy(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_oldest_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
