/* How programs are run: arguments, exactness, budgets, who may end a run. */
#include "tests/unit/jq/jq_job.h"

static void test_arguments(void **state)
{
    struct jq_job job = {.program = "$id, $x.a, [$x]",
                         .document = {(const uint8_t *)"\xc0", 1},
                         .names = {"id", "x"},
                         .values = {"\"doc\"", "{\"a\":[1,18446744073709551615]}"}};

    (void)state;
    assert_string_equal(run_job(&job), "\"doc\"\n[1,18446744073709551615]\n"
                                       "[{\"a\":[1,18446744073709551615]}]\n");
    buf_free(&job.lines);
}

/* An argument is a value, whatever it looks like. */
static void test_arguments_are_not_text(void **state)
{
    struct jq_job job = {.program = "$x",
                         .document = {(const uint8_t *)"\xc0", 1},
                         .names = {"x"},
                         .values = {"\") | error(\""}};

    (void)state;
    assert_string_equal(run_job(&job), "\") | error(\"\n");
    buf_free(&job.lines);
}

static void test_bad_argument(void **state)
{
    struct slice name = slice_of("x"), bad = {(const uint8_t *)"\x92\x01", 2};
    struct jq_job job = {.document = {(const uint8_t *)"\xc0", 1}};
    struct jq_program *program = jq_compile(slice_of("$x"), &name, 1, &job.refusal);

    (void)state;
    assert_non_null(program);
    run_program(&job, program, &bad);
    assert_int_equal(job.outcome.status, JQ_ARGUMENT);
    bad = (struct slice){(const uint8_t *)"\x01\x02", 2};
    run_program(&job, program, &bad);
    assert_int_equal(job.outcome.status, JQ_ARGUMENT);
    jq_destroy(&program);
    buf_free(&job.lines);
}

/* What is not touched passes as the bytes that it is; a sum is exact or the nearest. */
static void test_exact(void **state)
{
    (void)state;
    check_jq(".", "[1.0,-0.0,1e400,123456789012345678901234567890,18446744073709551615]",
             "[1.0,-0.0,1e400,123456789012345678901234567890,18446744073709551615]\n");
    check_jq(". + 1", "9223372036854775807", "9223372036854775808\n");
    check_jq(". - 1", "-9223372036854775808", "-9223372036854776000.0\n");
    check_jq(". + 1", "18446744073709551615", "18446744073709552000.0\n");
    check_jq(". * .", "4294967295", "18446744065119617025\n");
    check_jq("-.", "9223372036854775808", "-9223372036854775808\n");
    check_jq(". / 3", "9223372036854775806", "3074457345618258602\n");
    check_jq(". == 9007199254740993", "9007199254740992.0", "false\n");
    check_jq(". < 9007199254740993", "9007199254740992.0", "true\n");
    check_jq(".[0] < .[1], .[0] == .[0]",
             "[123456789012345678901234567890,123456789012345678901234567891]",
             "true\ntrue\n");
    check_jq("sort", "[1e400,18446744073709551616,-1e400,18446744073709551615,1e-400,0]",
             "[-1e400,0,1e-400,18446744073709551615,18446744073709551616,1e400]\n");
    check_jq("try (. * .) catch .", "1e300",
             "\"The result is beyond the range of numbers\"\n");
}

/* Of members with one name the last is read; an untouched object keeps all, a changed one
   those of other names. */
static void test_duplicates(void **state)
{
    static const char twice[] = "{\"a\":1,\"b\":2,\"a\":3,\"b\":4}";

    (void)state;
    check_jq(".a, .b", twice, "3\n4\n");
    check_jq("., [.]", twice,
             "{\"a\":1,\"b\":2,\"a\":3,\"b\":4}\n[{\"a\":1,\"b\":2,\"a\":3,\"b\":4}]\n");
    check_jq(".a = 5", twice, "{\"b\":2,\"a\":5,\"b\":4}\n");
    check_jq("del(.b)", twice, "{\"a\":1,\"a\":3}\n");
    check_jq(".c = 5", twice, "{\"a\":1,\"b\":2,\"a\":3,\"b\":4,\"c\":5}\n");
    check_jq("length, keys, [.[]], to_entries[0]", twice,
             "2\n[\"a\",\"b\"]\n[3,4]\n{\"key\":\"a\",\"value\":3}\n");
    check_jq(". == {a:3, b:4}", twice, "true\n");
}

/* Names are found by the shape of the object before: one that differs in any way must not
   be taken for it. */
static void test_shapes(void **state)
{
    (void)state;
    check_jq("[.[].b]",
             "[{\"a\":1,\"b\":2},{\"a\":1,\"b\":3},{\"b\":4,\"a\":1},{\"a\":1},{},"
             "{\"a\":{\"b\":9},\"b\":5},{\"a\":1,\"c\":2},{\"a\":1,\"b\":6,\"b\":7}]",
             "[2,3,4,null,null,5,null,7]\n");
    check_jq("[.[] | .long_name_of_a_member_1 + .long_name_of_a_member_2]",
             "[{\"long_name_of_a_member_1\":1,\"long_name_of_a_member_2\":2},"
             "{\"long_name_of_a_member_1\":3,\"long_name_of_a_member_2\":4},"
             "{\"long_name_of_a_member_2\":5,\"long_name_of_a_member_1\":7},"
             "{\"long_name_of_a_member_1\":5,\"long_name_of_a_member_3\":7}]",
             "[3,7,12,5]\n");
    check_jq("[.[] | .a.x, .b.x, .a.y]",
             "[{\"a\":{\"x\":1,\"y\":2},\"b\":{\"x\":3}},{\"a\":{\"y\":4},\"b\":{}}]",
             "[1,3,2,null,null,4]\n");
    check_jq("map(.c = .a | .a = .b | del(.b))",
             "[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4},{\"b\":5,\"a\":6},{\"c\":7}]",
             "[{\"a\":2,\"c\":1},{\"a\":4,\"c\":3},{\"a\":5,\"c\":6},"
             "{\"c\":null,\"a\":null}]\n");
}

/* ---- budgets */

static enum jq_status end_of(const char *program, struct jq_job *job)
{
    job->program = program;
    if (job->document.len == 0)
        job->document = (struct slice){(const uint8_t *)"\xc0", 1};
    (void)run_job(job);
    buf_free(&job->lines);
    return job->outcome.status;
}

static void test_steps(void **state)
{
    struct jq_job job = {.max_steps = JQ_LOOP_STEPS};

    (void)state;
    assert_int_equal(end_of("[range(100)] | length", &job), JQ_OK);
    assert_true(job.outcome.steps >= 100 && job.outcome.steps < 2000);
    assert_int_equal(end_of("[range(100000)] | length", &job), JQ_STEPS);
    assert_int_equal(job.outcome.steps, JQ_LOOP_STEPS);
    job.max_steps = 0;
    assert_int_equal(end_of("[range(100000)] | length", &job), JQ_OK);
    assert_int_equal(end_of("range(10000000) | empty", &job), JQ_STEPS);
}

static void test_memory(void **state)
{
    struct jq_job job = {.max_memory = 100000};

    (void)state;
    assert_int_equal(end_of("[range(100)] | length", &job), JQ_OK);
    assert_int_equal(end_of("[range(10000)] | length", &job), JQ_MEMORY);
    job.max_memory = 0;
    assert_int_equal(end_of("[range(10000)] | length", &job), JQ_OK);
    assert_int_equal(end_of("\"x\" * 3e7", &job), JQ_MEMORY);
}

static void test_output(void **state)
{
    struct jq_job job = {.max_output = 100};

    (void)state;
    assert_int_equal(end_of("range(100)", &job), JQ_OK);
    assert_int_equal(job.outcome.results, 100);
    assert_int_equal(end_of("range(101)", &job), JQ_OUTPUT);
    assert_int_equal(job.outcome.results, 100);
    assert_int_equal(end_of("\"x\" * 200", &job), JQ_OUTPUT);
    assert_int_equal(end_of("\"x\" * 200 | length", &job), JQ_OK);
}

static bool refuse_to_go_on(void *context)
{
    (void)context;
    return false;
}

static void test_stopped(void **state)
{
    struct jq_job job = {.go_on = refuse_to_go_on};

    (void)state;
    assert_int_equal(end_of("1", &job), JQ_STOPPED);
}

static bool take_none(void *context, struct slice result)
{
    (void)context, (void)result;
    return false;
}

static void test_not_taken(void **state)
{
    struct jq_refusal refusal;
    struct jq_program *program = jq_compile(slice_of("1, 2"), NULL, 0, &refusal);
    struct jq_call call = {.program = program,
                           .document = {(const uint8_t *)"\xc0", 1},
                           .max_steps = 100,
                           .max_memory = JQ_MEMORY(1),
                           .max_output = 100,
                           .take = take_none};
    struct jq_outcome outcome;

    (void)state;
    assert_int_equal(jq_run(&call, &outcome), JQ_STOPPED);
    assert_int_equal(outcome.results, 1);
    jq_destroy(&program);
}

/* ---- documents that are none */

static void test_bad_documents(void **state)
{
    static const struct {
        const char *program, *bytes;
        size_t len;
    } cases[] = {
        {".[0]", "\x91", 1},
        {".a", "\x81\xa1", 2},
        {".a",
         "\x81\xa1"
         "a",
         3},
        {".a", "\x81\x01\x02", 3},
        {".[]", "\xdd\xff\xff\xff\xff\x01", 6},
        {"length", "\xdf\xff\xff\xff\xff\x01", 6},
        {". + 1", "\xcf\x01", 2},
        {".", "\xc1", 1},
        {". + 1", "\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", 9},
        {". + \"\"",
         "\xd9\xff"
         "a",
         3},
        {"..",
         "\xc7\x01\x02"
         "1",
         4},
        {"tojson",
         "\xd4\x01"
         "x",
         3},
        {"1", "", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jq_job job = {.program = cases[i].program,
                             .document = {(const uint8_t *)cases[i].bytes, cases[i].len},
                             .document_changes = i % 2 == 1};

        (void)run_job(&job);
        assert_int_equal(job.outcome.status, JQ_DOCUMENT);
        buf_free(&job.lines);
    }
}

/* Others write to the document while the program runs, which works on a copy. The first
   question comes before anything is done. */
static struct buf changing;
static int questions;

static bool change_document(void *context)
{
    (void)context;
    if (++questions > 1)
        memset(changing.data, 0xdd, changing.len);
    return true;
}

static void test_document_changes(void **state)
{
    struct jq_job job = {.program = "[range(5000)] as $wait | map(.a) | add",
                         .document_changes = true,
                         .go_on = change_document};

    (void)state;
    changing = packed("[{\"a\":1},{\"a\":2}]");
    job.document = buf_slice(&changing);
    assert_string_equal(run_job(&job), "3\n");
    assert_true(questions > 1);
    assert_int_equal(changing.data[0], 0xdd);
    buf_free(&job.lines);
    buf_free(&changing);
}

static void test_depth(void **state)
{
    struct jq_job job = {.program = NULL};
    struct buf deep = BUF_INIT;

    (void)state;
    for (int i = 0; i < 511; i++)
        buf_append(&deep, "\x91", 1);
    buf_append(&deep, "\x90", 1);
    job.document = buf_slice(&deep);
    assert_int_equal(end_of("[.]", &job), JQ_FAILED);
    assert_int_equal(end_of(".[0] | [.]", &job), JQ_OK);
    assert_int_equal(end_of("reduce range(600) as $i (0; [.])", &job), JQ_FAILED);
    buf_free(&deep);
}

/* Only the two values themselves must be of one type, not what is in them. */
static void test_contains(void **state)
{
    (void)state;
    check_jq("contains([{a: 1}]), contains([{b: 2}]), contains([\"x\", 3])",
             "[{\"a\":{}},{\"b\":2},\"x\"]", "false\ntrue\nfalse\n");
    check_jq("contains(\"a\")", "1",
             "! 0 number (1) and string (\"a\") cannot have their containment checked\n");
}

/* A function that calls itself last needs no stack for it. */
static void test_last_calls(void **state)
{
    (void)state;
    check_jq("def f: if . > 50000 then . else (. + 1 | f) end; f", "0", "50001\n");
    check_jq("def f(g): if . > 20000 then . else (g | .) end; f(21000)", "0", "21000\n");
    check_jq("[limit(50000; repeat(1))] | length", "0", "50000\n");
    check_jq("def f: if . > 20000 then . else null // (. + 1 | f) end; f", "0",
             "20001\n");
}

static void test_refusals(void **state)
{
    struct buf long_text = BUF_INIT;
    struct jq_refusal refusal;

    (void)state;
    check_jq(".a | now", "1", "! 5 programs see no clock and no time zone\n");
    check_jq(". |", "1", "! 3 the program ends where a value is missing\n");
    check_jq("$y", "1", "! 0 there is no variable $y\n");
    check_jq("foo(1)", "1", "! 0 there is no function foo/1\n");
    check_jq("\"abc", "1", "! 1 a string does not end\n");
    check_jq("1 )", "1", "! 2 the program could end here, but more follows\n");
    check_jq("import \"a\" as a; 1", "1", "! 0 modules are not part of this language\n");
    append_times(&long_text, "1+", JQ_MAX_TEXT_BYTES / 2);
    buf_append_str(&long_text, "1");
    assert_null(jq_compile(buf_slice(&long_text), NULL, 0, &refusal));
    assert_int_equal(refusal.offset, JQ_MAX_TEXT_BYTES);
    buf_free(&long_text);
    append_times(&long_text, "[", 20000);
    assert_null(jq_compile(buf_slice(&long_text), NULL, 0, &refusal));
    buf_free(&long_text);
    append_times(&long_text, ".|", 20000);
    buf_append_str(&long_text, ".");
    assert_null(jq_compile(buf_slice(&long_text), NULL, 0, &refusal));
    buf_free(&long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_arguments_are_not_text),
        cmocka_unit_test(test_bad_argument),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_not_taken),
        cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_document_changes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_last_calls),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
