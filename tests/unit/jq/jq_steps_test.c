/*
 * Work that grows with a program's data is counted in steps: else a program of a few
 * steps runs for seconds, and whoever runs it is not asked in the meantime. Each program
 * here takes few steps but for the work that it is about, so it ends at the budget only
 * where that is counted.
 */
#include "tests/unit/jq/jq_job.h"

#define BUDGET 1000000

static void check_counted(const char *program, const char *input)
{
    struct buf document = packed(input);
    struct jq_job job = {.program = program,
                         .document = buf_slice(&document),
                         .max_steps = BUDGET,
                         .max_memory = 100u << 20};
    const char *lines = run_job(&job);

    if (job.outcome.status != JQ_STEPS)
        print_error("%.200s\nended after %llu steps: %.200s\n", program,
                    (unsigned long long)job.outcome.steps, lines);
    assert_int_equal(job.outcome.status, JQ_STEPS);
    buf_free(&job.lines);
    buf_free(&document);
}

#define TIMES(times, expression) \
    "reduce range(" #times ") as $i (0; [" expression "] | length)"
#define LONG   "(\"x\" * 1000000) as $a | (\"x\" * 1000000) as $b | "
#define DIGITS "(\"1\" * 100000 | tonumber) as $n | "

/* NAME, program; the input is null. */
#define COUNTED_MAP(X)                                                                   \
    X(joined_slices, "[[1]] | delpaths([[limit(60000; repeat({start:0,end:1}))]])")      \
    X(found_items, "[range(20000) | \"a\"] | indices(.[:10000]) | length")               \
    X(equal_strings, LONG TIMES(1000, "$a == $b"))                                       \
    X(equal_names, LONG "{($a): 1} | " TIMES(1000, "{($a): 1} | .[$b]"))                 \
    X(beginnings, LONG TIMES(1000, "$a | startswith($b)"))                               \
    X(ends, LONG TIMES(1000, "$a | endswith($b)"))                                       \
    X(trimmed, LONG "($b[1:] + \"y\") as $c | " TIMES(1000, "$a | ltrimstr($c)"))        \
    X(digits_added, DIGITS TIMES(1000, "$n + 1"))                                        \
    X(digits_compared, DIGITS TIMES(1000, "$n < 1"))                                     \
    X(digits_in_functions, DIGITS TIMES(1000, "$n | sqrt"))                              \
    X(digits_as_index, DIGITS "[1] as $x | " TIMES(1000, "$x[$n]"))                      \
    X(digits_as_end, DIGITS "[1] as $x | " TIMES(1000, "$x[:$n]"))                       \
    X(digits_as_count, DIGITS TIMES(1000, "limit($n; 1)"))                               \
    X(digits_as_bound, DIGITS TIMES(1000, "range($n; 1)"))                               \
    X(index_of_names, "reduce range(30) as $i ({}; .[\"\\($i)\" + \"x\" * 10000] = 1) |" \
                      " reduce range(1000) as $i (.; .a = 1 | del(.a))")                 \
    X(given_path, "[limit(60000; repeat(\"a\"))] as $p | null | " TIMES(                 \
                      1000, "null | path(getpath($p) | empty)"))                         \
    X(zone_names, LONG TIMES(1000, "$a | strptime(\"%Z\")"))                             \
    X(reversed_text, LONG TIMES(20, "$a | reverse"))                                     \
    X(empty_rows, "[limit(60000; repeat([]))] as $x | " TIMES(20, "$x | transpose"))     \
    X(decoded, LONG TIMES(10, "$a | @base64d"))

#define X(name, program)                  \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        check_counted(program, "null");   \
    }
COUNTED_MAP(X)
#undef X

/* What is passed on the way to something else in the document. */
static void test_passed_items(void **state)
{
    struct buf input = BUF_INIT;

    (void)state;
    buf_append_str(&input, "[[0");
    for (int i = 0; i < 100000; i++)
        buf_append_str(&input, ",0");
    buf_append_str(&input, "],1]");
    buf_append(&input, "", 1);
    check_counted(". as $d | " TIMES(1000, "$d[1]"), (const char *)input.data);
    buf_free(&input);
}

/* Setting a name looks for others of that name where the document has any twice. */
static void test_repeated_names(void **state)
{
    struct buf input = BUF_INIT;

    (void)state;
    buf_append_str(&input, "{\"a\":1,\"a\":2");
    for (int i = 0; i < 20000; i++)
        buf_printf(&input, ",\"k%d\":0", i);
    buf_append_str(&input, "}");
    buf_append(&input, "", 1);
    check_counted("reduce range(1000) as $i (.; .k19999 = $i) | length",
                  (const char *)input.data);
    buf_free(&input);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name, program) cmocka_unit_test(test_##name),
        COUNTED_MAP(X)
#undef X
            cmocka_unit_test(test_passed_items),
        cmocka_unit_test(test_repeated_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
