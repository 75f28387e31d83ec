#include "server/api/listing/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct slice text(const char *bytes)
{
    return (struct slice){(const uint8_t *)bytes, strlen(bytes)};
}

static void check(uint64_t offset, struct slice documents, const char *ids,
                  const char *named)
{
    struct job job = {.status = JOB_REFUSED,
                      .fault = {.status = CODEC_SYNTAX, .offset = offset}};
    char detail[SCAN_DETAIL_MAX], expected[SCAN_DETAIL_MAX];

    snprintf(expected, sizeof expected, "the value of document %s is not JSON: %s", named,
             codec_status_text(CODEC_SYNTAX));
    assert_true(scan_explain(&job, documents, text(ids), detail));
    assert_string_equal(detail, expected);
}

static void names_the_document(void **state)
{
    const struct slice documents = text("[1]\n{bad\n2\n");

    (void)state;
    check(0, documents, "one\ntwo\nthree\n", "one");
    check(3, documents, "one\ntwo\nthree\n", "one"); /* its end */
    check(4, documents, "one\ntwo\nthree\n", "two");
    check(8, documents, "one\ntwo\nthree\n", "two");
    check(9, documents, "one\ntwo\nthree\n", "three");
    check(99, documents, "one\ntwo\nthree\n", "three");
}

/* It may have 64 MiB, and this runs on the loop: memory that cannot be read is enough. */
static void does_not_look_through_a_document_that_is_alone(void **state)
{
    size_t len = (size_t)1 << 20;
    void *hidden = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_true(hidden != MAP_FAILED);
    check(len - 1, (struct slice){hidden, len}, "alone\n", "alone");
    munmap(hidden, len);
}

static void other_faults_are_not_explained(void **state)
{
    struct job job = {.status = JOB_DEADLINE, .fault = {.status = CODEC_SYNTAX}};
    char detail[SCAN_DETAIL_MAX];

    (void)state;
    assert_false(scan_explain(&job, text("1\n"), text("a\n"), detail));
    job = (struct job){.status = JOB_REFUSED, .fault = {.status = CODEC_FIELDS}};
    assert_false(scan_explain(&job, text("1\n"), text("a\n"), detail));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_document),
        cmocka_unit_test(does_not_look_through_a_document_that_is_alone),
        cmocka_unit_test(other_faults_are_not_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
