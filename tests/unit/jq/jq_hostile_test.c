/*
 * Programs that want to run for ever, take all memory, or end the process: each ends at a
 * budget or with a refusal, under the budgets that any request has.
 */
#include <limits.h>
#include <pthread.h>

#include "tests/unit/jq/jq_job.h"

static struct buf document;

/* Runs it; whatever it is, it ends as one of those. */
static void check_end(const char *program, unsigned allowed)
{
    struct jq_job job = {.program = program, .document = buf_slice(&document)};
    const char *lines = run_job(&job);
    unsigned end = job.refusal.reason[0] != 0 ? JQ_STATUSES : job.outcome.status;

    if ((allowed & 1u << end) == 0)
        print_error("%.100s\nended with %u: %.200s\n", program, end, lines);
    assert_true((allowed & 1u << end) != 0);
    buf_free(&job.lines);
}

#define ENDS_BY(status) (1u << (status))
#define REFUSED         ENDS_BY(JQ_STATUSES)

/* NAME, program, how it may end. */
#define HOSTILE_MAP(X)                                                                   \
    X(endless_recursion, "def f: f; f", ENDS_BY(JQ_FAILED) | ENDS_BY(JQ_STEPS))          \
    X(endless_repeat, "repeat(.)",                                                       \
      ENDS_BY(JQ_FAILED) | ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_OUTPUT))                       \
    X(endless_recurse, "recurse(.) | empty", ENDS_BY(JQ_STEPS))                          \
    X(endless_until, "until(false; .)", ENDS_BY(JQ_STEPS))                               \
    X(endless_while, "[while(true; .)] | length",                                        \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_MEMORY))                                            \
    X(endless_range, "[range(0; infinite)] | length",                                    \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_MEMORY))                                            \
    X(step_too_small, "[range(0; 1; 1e-300)] | length",                                  \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_MEMORY))                                            \
    X(no_step, "[range(0; 1; 0)] | length", ENDS_BY(JQ_OK))                              \
    X(long_string, "\"x\" * 1e300", ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))              \
    X(doubling_string, "reduce range(100) as $i (\"x\"; . + .)",                         \
      ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))                                            \
    X(doubling_array, "reduce range(100) as $i ([1]; . + .)",                            \
      ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))                                            \
    X(shared_doubling, "reduce range(60) as $i (1; [., .]) | tojson",                    \
      ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))                                            \
    X(shared_compare, "reduce range(60) as $i (1; [., .]) | . == (.[0] | [., .])",       \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_OK))                                                \
    X(shared_walk, "reduce range(60) as $i (1; [., .]) | [..] | length",                 \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_MEMORY))                                            \
    X(far_index, ".[1e9] = 1", ENDS_BY(JQ_FAILED))                                       \
    X(large_index, "null | .[60000000] = 1", ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))     \
    X(deep_value, "reduce range(1e6) as $i (1; [.])", ENDS_BY(JQ_FAILED))                \
    X(deep_path, "setpath([range(1e5)]; 1)",                                             \
      ENDS_BY(JQ_FAILED) | ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))                       \
    X(deep_names, "null | setpath([range(3000) | tostring]; 1)", ENDS_BY(JQ_FAILED))     \
    X(deep_json, "\"[\" * 100000 | fromjson", ENDS_BY(JQ_FAILED))                        \
    X(many_combinations, "[range(50)] | [combinations(50)] | length",                    \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_FAILED))                       \
    X(many_interpolations, "[range(99)] | [\"\\(.[])\\(.[])\\(.[])\\(.[])\"] | length",  \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_MEMORY))                                            \
    X(caught_for_ever, "def f: try error catch f; f",                                    \
      ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_FAILED))                                            \
    X(output_flood, "range(1e9) | \"x\" * 1000", ENDS_BY(JQ_STEPS) | ENDS_BY(JQ_OUTPUT)) \
    X(mutual_recursion, "def f(g): f(g | g); f(.)",                                      \
      ENDS_BY(JQ_FAILED) | ENDS_BY(JQ_STEPS))                                            \
    X(quadratic_difference, "[range(30000)] | . - map(. + 0.5) | length",                \
      ENDS_BY(JQ_STEPS))                                                                 \
    X(quadratic_names, "reduce range(30000) as $i ({}; .[\"k\\($i)\"] = $i) | length",   \
      ENDS_BY(JQ_OK) | ENDS_BY(JQ_MEMORY) | ENDS_BY(JQ_STEPS))                           \
    X(reads_files, "import \"/etc/passwd\" as $x; $x", REFUSED)                          \
    X(reads_environment, "env", REFUSED)                                                 \
    X(reads_clock, "now", REFUSED)

#define X(name, program, ends)            \
    static void test_##name(void **state) \
    {                                     \
        (void)state;                      \
        check_end(program, ends);         \
    }
HOSTILE_MAP(X)
#undef X

/* The deepest programs, on a stack that is no larger than jq.h asks for, and a page
   table's worth for the thread itself. */
static void *run_deep_ones(void *unused)
{
    static const char *const programs[] = {
        "def f: f; f",
        "def f: try error catch f; f",
        "def f: [f]; f",
        "def f: {a: f}; f",
        "def f: (f, f) + 1; f",
        "def f(g): f(g | g); f(.)",
        "def f($n): f($n + 1); f(0)",
        "def f: reduce f as $x (0; 1); f",
        "def f: path(f); f",
        "def f: .a |= f; f",
        "def f: [limit(1; f)]; f",
        "def f: \"\\(f)\"; f",
        "def f: sort_by(f); [0] | f",
        "null | setpath([range(3000) | tostring]; 1)",
        "reduce range(500) as $i (1; [.]) | [., .] | tojson | fromjson | .[0] == .[1]",
        "reduce range(500) as $i (1; {a: .}) | contains(.), (. * .), flatten?, [..]",
        "reduce range(500) as $i (1; {a: .}) | [paths] | length",
        "reduce range(500) as $i (1; [.]) | flatten",
        "recurse([.])",
        "[recurse(., .)]",
    };

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        check_end(programs[i], UINT_MAX);
    return unused;
}

static void test_deep_on_a_small_stack(void **state)
{
    pthread_attr_t attr;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, JQ_STACK_BYTES + (64 << 10)), 0);
    assert_int_equal(pthread_create(&thread, &attr, run_deep_ones, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
}

static int make_document(void **state)
{
    (void)state;
    document = packed("[1,{\"a\":\"b\"}]");
    return 0;
}

static int free_document(void **state)
{
    (void)state;
    buf_free(&document);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define X(name, program, ends) cmocka_unit_test(test_##name),
        HOSTILE_MAP(X)
#undef X
            cmocka_unit_test(test_deep_on_a_small_stack),
    };

    return cmocka_run_group_tests(tests, make_document, free_document);
}
