/* When a document is refused, for how long, and which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/document_fingerprint.h"
#include "server/jobs/place/jobs_poison.h"

static struct jobs_poison poison;

static int setup(void **state)
{
    (void)state;
    jobs_poison_init(&poison);
    return 0;
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct wire_crash crash_on(const char *text)
{
    struct wire_crash crash = {.signal = 6};

    document_fingerprint_of(slice_of(text), (struct slice){NULL, 0}, &crash.document);
    return crash;
}

static bool has(const char *text, uint64_t now_ns)
{
    struct codec_call call = {.in = slice_of(text)};

    return jobs_poison_has(&poison, &call, now_ns);
}

/* A worker is lost that had these documents, NULL for none. */
static void lose(const char *one, const char *other, uint64_t now_ns)
{
    struct wire_id documents[2];
    unsigned count = 0;

    if (one != NULL)
        documents[count++] = crash_on(one).document;
    if (other != NULL)
        documents[count++] = crash_on(other).document;
    jobs_poison_note_loss(&poison, documents, count, now_ns);
}

static bool take(const char *one, const char *other, uint64_t now_ns)
{
    struct wire_crash crashes[2] = {crash_on(one), crash_on(other)};

    return jobs_poison_take(&poison, crashes, 2, now_ns);
}

static void two_crashes_make_poison(void **state)
{
    (void)state;
    lose("abc", "xyz", 0);
    lose("xyz", "abc", 1);
    assert_false(has("abc", 1));
    assert_false(take("abc", "xyz", 1)); /* one each */
    assert_false(has("abc", 1));
    assert_true(take("abc", "abc", 1));
    assert_true(has("abc", 2));
    assert_false(has("xyz", 2)); /* of the same length */
    assert_false(has("abcd", 2));
    assert_false(take("abc", "abc", 3)); /* known */
}

/* Anybody who reaches the gate can say hello. */
static void words_alone_condemn_nothing(void **state)
{
    (void)state;
    assert_false(take("abc", "abc", 1));
    lose("xyz", NULL, 2); /* a worker that did not have it */
    lose(NULL, NULL, 3);
    assert_false(take("abc", "abc", 4));
    lose("abc", "abc", 5); /* one worker, whatever it had of it */
    assert_false(take("abc", "abc", 6));
    lose("abc", NULL, 6 + POISON_NS); /* the other one is long ago */
    assert_false(take("abc", "abc", 6 + POISON_NS));
    assert_false(has("abc", 6 + POISON_NS));
    lose("abc", NULL, 7 + POISON_NS);
    assert_true(take("abc", "abc", 7 + POISON_NS));
}

/* Neither words nor workers that come and go make room for what has crashed some. */
static void a_suspect_is_not_pushed_out(void **state)
{
    char text[16];

    (void)state;
    lose("abc", NULL, 1);
    lose("abc", NULL, 2);
    for (unsigned i = 0; i < 2 * POISON_SUSPECTS; i++) {
        snprintf(text, sizeof text, "%05u", i);
        assert_false(take(text, text, 3 + i));
        lose(text, NULL, 3 + i);
    }
    assert_true(take("abc", "abc", 10000));
    lose(text, NULL, 10000);
    assert_true(take(text, text, 10001)); /* the latest is remembered, too */
}

static void an_argument_is_part_of_the_document(void **state)
{
    struct codec_call call = {.in = slice_of("ab"), .argument = slice_of("c")};

    (void)state;
    lose("abc", NULL, 0);
    lose("abc", NULL, 1);
    assert_true(take("abc", "abc", 1));
    assert_true(jobs_poison_has(&poison, &call, 2));
}

static void it_is_let_in_again_after_a_while(void **state)
{
    (void)state;
    lose("abc", NULL, 4);
    lose("abc", NULL, 5);
    assert_true(take("abc", "abc", 5));
    assert_false(take("abc", "abc", 100)); /* hearing of it again prolongs nothing */
    assert_true(has("abc", 4 + POISON_NS));
    assert_false(has("abc", 5 + POISON_NS));
    assert_int_equal(poison.count, 0);
}

static void the_oldest_goes_where_there_are_too_many(void **state)
{
    char text[16];

    (void)state;
    for (unsigned i = 0; i <= POISON_MAX; i++) {
        snprintf(text, sizeof text, "%05u", i);
        lose(text, NULL, i);
        lose(text, NULL, i + 1);
        assert_true(take(text, text, i + 1));
    }
    assert_int_equal(poison.count, POISON_MAX);
    assert_false(has("00000", 100));
    assert_true(has("00001", 100));
    assert_true(has(text, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(two_crashes_make_poison, setup),
        cmocka_unit_test_setup(words_alone_condemn_nothing, setup),
        cmocka_unit_test_setup(a_suspect_is_not_pushed_out, setup),
        cmocka_unit_test_setup(an_argument_is_part_of_the_document, setup),
        cmocka_unit_test_setup(it_is_let_in_again_after_a_while, setup),
        cmocka_unit_test_setup(the_oldest_goes_where_there_are_too_many, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
