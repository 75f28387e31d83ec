/* Transformations through codec_run(), with both engines and on both stored formats. */
#include "common/codec/operations/program.h"

#include "tests/unit/codec/codec_job.h"

static struct codec *codec; /* the engine of the round */

static struct slice text_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* A call's argument; `arguments` is JSON, ids NULL for none. */
static struct buf argument_of(const char *program, const char *arguments, const char *ids)
{
    struct buf map = packed(arguments), argument = BUF_INIT;

    program_argument_put(&argument, text_of(program), buf_slice(&map),
                         ids != NULL ? text_of(ids) : (struct slice){NULL, 0});
    buf_free(&map);
    return argument;
}

static struct codec_call call_of(enum codec_op op, const struct buf *in,
                                 const struct buf *argument)
{
    return (struct codec_call){.op = op,
                               .transform = true,
                               .separator = '\n',
                               .in = buf_slice(in),
                               .argument = buf_slice(argument),
                               .max_output = SIZE_MAX,
                               .max_memory = SIZE_MAX};
}

/* Runs the call and checks the text that it leaves. */
static void check_call(const struct codec_call *call, enum codec_status status,
                       const char *expected)
{
    struct buf out = BUF_INIT;
    struct codec_fault fault;

    buf_append_str(&out, "before ");
    assert_int_equal(codec_run(codec, call, &out, &fault), status);
    assert_int_equal(fault.status, status);
    buf_append(&out, "", 1);
    assert_memory_equal(out.data, "before ", 7);
    assert_string_equal((const char *)out.data + 7, expected);
    buf_free(&out);
}

/* A program on one stored document, as MessagePack and as JSON. */
static void check(enum codec_op op, const char *program, const char *document,
                  enum codec_status status, const char *expected)
{
    struct buf in = packed(document), argument = argument_of(program, "{\"x\":2}", "d\n");
    struct codec_call call = call_of(op, &in, &argument);
    struct buf text = BUF_INIT;

    if (op == CODEC_OP_ENCODE)
        check_call(&call, status, expected);
    buf_append_str(&text, document);
    call.in = buf_slice(&text);
    call.format = CODEC_FORMAT_JSON;
    check_call(&call, status, expected);
    buf_free(&in);
    buf_free(&text);
    buf_free(&argument);
}

static void test_encode(void **state)
{
    (void)state;
    check(CODEC_OP_ENCODE, ".a + $x", "{\"a\":1}", CODEC_OK, "3");
    check(CODEC_OP_ENCODE, "$id", "1", CODEC_OK, "\"d\"");
    check(CODEC_OP_ENCODE, ".[]", "[1,[2],\"x\"]", CODEC_OK, "1\n[2]\n\"x\"");
    check(CODEC_OP_ENCODE, "empty", "1", CODEC_OK, "");
}

static void test_patch(void **state)
{
    (void)state;
    check(CODEC_OP_PATCH, ".a += $x", "{\"a\":1,\"b\":null}", CODEC_OK,
          "{\"a\":3,\"b\":null}");
    check(CODEC_OP_PATCH, "empty", "1", CODEC_NONE,
          "the program gives no result where one is needed");
    check(CODEC_OP_PATCH, "1, 2", "1", CODEC_SEVERAL,
          "the program gives several results where one is needed");
}

static void test_faults(void **state)
{
    struct buf in = packed("1"), argument = argument_of("1 | oops", "{}", NULL),
               out = BUF_INIT;
    struct codec_call call = call_of(CODEC_OP_ENCODE, &in, &argument);
    struct codec_fault fault;

    (void)state;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_PROGRAM);
    assert_true(fault.offset == 4 && out.len > 0 && out.len <= CODEC_MAX_TEXT_BYTES);
    buf_free(&argument);
    check(CODEC_OP_ENCODE, "\"what\" | error", "1", CODEC_FAILED, "what");
    check(CODEC_OP_ENCODE, "last(range(1e12))", "1", CODEC_STEPS,
          "the program takes too many steps");
    check(CODEC_OP_ENCODE, "[range(1e9)]", "1", CODEC_MEMORY, "");
    check(CODEC_OP_ENCODE, ".", "1", CODEC_OK, "1"); /* it is usable still */
    call.argument = text_of("\x92\xa1.\x01");
    out.len = 0;
    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_ARGUMENT);
    buf_free(&in);
    buf_free(&out);
}

/* Documents back to back with their names. */
static void check_sequence(enum codec_op op, const char *program, bool ids,
                           const char *expected)
{
    struct buf in = packed("{\"n\":1}"), more = packed("{\"n\":2}"),
               argument = argument_of(program, "{}", "one\ntwo\n");
    struct codec_call call = call_of(op, &in, &argument);
    struct buf out = BUF_INIT;
    struct codec_fault fault;

    buf_append(&in, more.data, more.len);
    call.in = buf_slice(&in);
    call.ids = ids;
    if (op == CODEC_OP_SEQUENCE) {
        check_call(&call, CODEC_OK, expected);
    } else {
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        assert_packed(buf_slice(&out), expected);
    }
    buf_free(&in);
    buf_free(&more);
    buf_free(&argument);
    buf_free(&out);
}

static void test_sequences(void **state)
{
    (void)state;
    check_sequence(CODEC_OP_SEQUENCE, "select(.n > 1)", false, "{\"n\":2}");
    check_sequence(CODEC_OP_SEQUENCE, "$id, .n", false, "\"one\"\n1\n\"two\"\n2");
    check_sequence(CODEC_OP_SEQUENCE, "select(.n > 1)", true,
                   "{\"id\":\"two\",\"document\":{\"n\":2}}");
    check_sequence(CODEC_OP_SEQUENCE, "select(.n > 1) | .n, .n", true,
                   "{\"id\":\"two\",\"document\":2}\n{\"id\":\"two\",\"document\":2}");
    check_sequence(CODEC_OP_SEQUENCE, "empty", true, "");
    check_sequence(CODEC_OP_PROJECT, "select(.n > 1)", false, "{\"n\":2}");
    check_sequence(CODEC_OP_PROJECT, "select(.n > 1)", true,
                   "{\"id\":\"two\",\"document\":{\"n\":2}}");
}

static void test_too_few_names(void **state)
{
    struct buf in = packed("1"), argument = argument_of(".", "{}", "");
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, &in, &argument);

    (void)state;
    check_call(&call, CODEC_NAME, "");
    buf_free(&in);
    buf_free(&argument);
}

static void test_one(void **state)
{
    struct buf in = packed("[1,2]"), argument = argument_of(".[]", "{}", NULL);
    struct codec_call call = call_of(CODEC_OP_ENCODE, &in, &argument);

    (void)state;
    call.one = true;
    check_call(&call, CODEC_SEVERAL,
               "the program gives several results where one is needed");
    buf_free(&in);
    buf_free(&argument);
}

struct count {
    struct codec_budget base;
    unsigned asked, most;
};

static bool count_is_spent(struct codec_budget *budget, size_t ahead)
{
    struct count *count = (struct count *)budget;

    (void)ahead;
    return ++count->asked > count->most;
}

/* On a loop a program takes few steps; elsewhere it is ended when its time is over. */
static void test_budgets(void **state)
{
    struct count plenty = {{.is_spent = count_is_spent}, 0, UINT32_MAX};
    struct count little = {{.is_spent = count_is_spent}, 0, 3};
    struct buf in = packed("1"), argument = argument_of("last(range(20000))", "{}", NULL);
    struct codec_call call = call_of(CODEC_OP_ENCODE, &in, &argument);

    (void)state;
    check_call(&call, CODEC_OK, "19999");
    call.budget = &plenty.base;
    check_call(&call, CODEC_STOPPED, "");
    call.budget = NULL;
    call.program_budget = &plenty.base;
    check_call(&call, CODEC_OK, "19999");
    assert_true(plenty.asked > 4);
    call.program_budget = &little.base;
    check_call(&call, CODEC_STOPPED, "");
    assert_int_equal(little.asked, 4);
    buf_free(&in);
    buf_free(&argument);
}

static void test_limits(void **state)
{
    struct buf in = packed("1"), argument = argument_of("[range(1000)]", "{}", NULL);
    struct codec_call call = call_of(CODEC_OP_ENCODE, &in, &argument);

    (void)state;
    call.max_output = 100;
    check_call(&call, CODEC_TOO_LARGE, "");
    call.max_output = SIZE_MAX;
    call.max_memory = 3000;
    check_call(&call, CODEC_MEMORY, "");
    buf_free(&in);
    buf_free(&argument);
}

/* Results can be short and names long: both are the step's memory. */
static void test_names_are_memory(void **state)
{
    const size_t most = (size_t)1 << 20;
    char id[] = "a-name-of-which-each-of-very-many-results-takes-a-copy-into-memory\n";
    struct buf in = packed("1"), argument = argument_of("range(100000)", "{}", id),
               made = BUF_INIT, names = BUF_INIT, reason = BUF_INIT;
    struct codec_call call = call_of(CODEC_OP_SEQUENCE, &in, &argument);
    struct jq_cache *programs = NULL;
    struct program_step step = {.call = &call,
                                .programs = &programs,
                                .max_output = SIZE_MAX,
                                .max_memory = most,
                                .names = &names,
                                .reason = &reason};

    (void)state;
    assert_int_equal(program_run(&step, call.in, &made), CODEC_MEMORY);
    assert_true(made.len + names.len <= most / 2);
    jq_cache_destroy(&programs);
    buf_free(&in);
    buf_free(&argument);
    buf_free(&made);
    buf_free(&names);
    buf_free(&reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode),
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_one),
        cmocka_unit_test(test_too_few_names),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_names_are_memory),
    };
    int failed = 0;

    for (const char *const *engine = codec_engine_names(); *engine != NULL; engine++) {
        codec = codec_create(*engine);
        failed += cmocka_run_group_tests_name(*engine, tests, NULL, NULL);
        codec_destroy(&codec);
    }
    return failed;
}
