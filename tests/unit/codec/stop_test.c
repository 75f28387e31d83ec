/*
 * Jobs with a budget: every operation of every engine asks the budget while it works.
 * Where the budget is used up, the job ends as STOPPED and leaves nothing. Else the
 * result is the same as without a budget. No clock: the budget here counts the questions.
 */
#include "common/codec/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/operations/fields.h"

/* The least number of questions for so much work: a unit may be a few bytes. */
#define BYTES_PER_QUESTION (16 * CODEC_BUDGET_WORK)

/* A budget that is spent when it has been asked `answers` times. */
struct counted {
    struct codec_budget base;
    unsigned asked, answers;
    size_t most_ahead;
};

static bool is_spent(struct codec_budget *budget, size_t ahead)
{
    struct counted *counted = (struct counted *)budget; /* its first member */

    assert_true(counted->asked < counted->answers); /* never again once it is spent */
    counted->asked++;
    if (ahead > counted->most_ahead)
        counted->most_ahead = ahead;
    return counted->asked == counted->answers;
}

static struct counted budget_of(unsigned answers)
{
    return (struct counted){.base = {.is_spent = is_spent}, .answers = answers};
}

/* ---- inputs ---- */

static struct buf json, stored, patch, names, lines, deep, many;

static void make_inputs(void)
{
    buf_append_str(&json, "{");
    buf_append_str(&patch, "{");
    for (unsigned i = 0; i < 2000; i++) {
        buf_printf(&json, "%s\"n%u\":[%u,-0.5,\"text\",null,1.%040u]", i ? "," : "", i, i,
                   i);
        buf_printf(&patch, "%s\"n%u\":%s", i ? "," : "", i * 2,
                   i % 3 ? "{\"a\":1}" : "null");
        buf_printf(&lines, "{\"id\":\"i%u\",\"document\":[%u]}\n", i, i);
        if (i < FIELDS_MAX_NAMES / 2)
            buf_printf(&names, "%sn%u.%u", i ? "," : "", i, i % 5);
    }
    buf_append_str(&json, "}");
    buf_append_str(&patch, "}");
    for (unsigned i = 0; i < CODEC_MAX_DEPTH - 1; i++)
        buf_append_str(&deep, "\x91");     /* an array of one */
    buf_append_str(&deep, "\xdc\x07\xd0"); /* of 2000 */
    for (unsigned i = 0; i < 2000; i++) {
        buf_append_str(&deep, "\x01");
        buf_append_str(&many, "\xa4text"); /* a string is several pieces to yajl */
    }
}

static struct codec_call call_of(enum codec_op op, struct slice in)
{
    return (struct codec_call){.op = op,
                               .in = in,
                               .separator = '\n',
                               .max_output = SIZE_MAX,
                               .max_memory = SIZE_MAX};
}

/* ---- what is checked of each ---- */

static void assert_same(const struct buf *out, const struct buf *expected)
{
    assert_int_equal(out->len, expected->len);
    assert_memory_equal(out->data, expected->data, expected->len);
}

/* Runs the call with a budget for `answers` questions, behind a byte of the caller's. */
static enum codec_status run(struct codec *codec, struct codec_call call,
                             struct counted *budget, struct buf *out)
{
    struct codec_fault fault;
    enum codec_status status;

    call.budget = &budget->base;
    buf_free(out); /* the capacity decides where questions come */
    buf_append(out, "x", 1);
    status = codec_run(codec, &call, out, &fault);
    assert_int_equal(fault.status, status);
    assert_int_equal(out->data[0], 'x');
    if (status == CODEC_STOPPED)
        assert_int_equal(out->len, 1);
    else
        buf_consume(out, 1);
    return status;
}

static void check(struct codec *codec, struct codec_call call, size_t work_bytes)
{
    struct buf expected = BUF_INIT, out = BUF_INIT;
    struct counted budget = budget_of(UINT32_MAX);
    struct codec_fault fault;
    unsigned questions;

    assert_int_equal(codec_run(codec, &call, &expected, &fault), CODEC_OK);
    assert_int_equal(run(codec, call, &budget, &out), CODEC_OK);
    assert_same(&out, &expected);
    questions = budget.asked;
    assert_true(questions >= work_bytes / BYTES_PER_QUESTION);
    for (unsigned answers = 1; answers <= questions; answers += 1 + questions / 50) {
        budget = budget_of(answers);
        assert_int_equal(run(codec, call, &budget, &out), CODEC_STOPPED);
        assert_int_equal(budget.asked, answers);
    }
    budget = budget_of(UINT32_MAX);
    assert_int_equal(run(codec, call, &budget, &out), CODEC_OK); /* it is still usable */
    assert_same(&out, &expected);
    buf_free(&out);
    buf_free(&expected);
}

/* ---- the operations ---- */

static void check_engine(struct codec *codec)
{
    struct slice msgpack = buf_slice(&stored), text = buf_slice(&json);
    struct codec_call call;

    check(codec, call_of(CODEC_OP_DECODE, text), text.len);
    check(codec, call_of(CODEC_OP_COMPACT, text), 2 * text.len);
    check(codec, call_of(CODEC_OP_ENCODE, msgpack), text.len / 2);
    check(codec, call_of(CODEC_OP_SEQUENCE, msgpack), text.len / 2);
    check(codec, call_of(CODEC_OP_SEQUENCE, buf_slice(&many)), many.len);
    check(codec, call_of(CODEC_OP_VALIDATE, msgpack), msgpack.len / 4);
    check(codec, call_of(CODEC_OP_BULK, buf_slice(&lines)), lines.len);
    call = call_of(CODEC_OP_ENCODE, msgpack);
    call.pretty = true;
    check(codec, call, 2 * text.len);
    call.fields = buf_slice(&names);
    check(codec, call, names.len);
    call.op = CODEC_OP_PROJECT;
    check(codec, call, names.len);
    call.fields =
        (struct slice){(const uint8_t *)"n7", 2}; /* a walk that writes nothing */
    check(codec, call, msgpack.len / 8);
    call = call_of(CODEC_OP_PATCH, msgpack);
    call.argument = buf_slice(&patch);
    check(codec, call, patch.len + msgpack.len / 4);
    call.format = CODEC_FORMAT_JSON;
    call.in = text;
    check(codec, call, patch.len + text.len);
}

static void test_every_operation(void **state)
{
    struct codec *codec = *state;

    check_engine(codec);
}

/* The question that stops a job may come when the output has just moved to a larger
   block. Then what is left of a string must not be written to the old one (a sanitizer
   sees it). It depends on the size, so there are all sizes of some KB. */
static void test_stopped_when_the_output_moves(void **state)
{
    struct buf text = BUF_INIT, out = BUF_INIT;

    for (size_t len = 1500; len < 4500; len++) {
        struct codec_call call;
        struct counted budget;
        unsigned answers = 0;

        text.len = 0;
        buf_printf(&text, "%c%.*s", (int)(0xa0 + len % 5), (int)(len % 5), "wide");
        while (text.len < len)
            buf_append_str(&text, "\xa4t\n\"\x01"); /* several pieces to yajl */
        call = call_of(CODEC_OP_SEQUENCE, buf_slice(&text));
        do {
            budget = budget_of(++answers);
        } while (run(*state, call, &budget, &out) == CODEC_STOPPED);
        assert_true(answers > 1);
    }
    buf_free(&text);
    buf_free(&out);
}

/* Little text that becomes a thousand times as much. */
static void test_indenting(void **state)
{
    struct codec_call call = call_of(CODEC_OP_ENCODE, buf_slice(&deep));

    call.pretty = true;
    check(*state, call, (size_t)2000 * 2 * CODEC_MAX_DEPTH);
}

/* Sorting cannot be stopped: its cost is spent before it starts. */
static void test_sorting_is_announced(void **state)
{
    struct codec_call call = call_of(CODEC_OP_PATCH, buf_slice(&stored));
    struct counted budget = budget_of(UINT32_MAX);
    struct buf out = BUF_INIT;

    call.argument = buf_slice(&patch);
    assert_int_equal(run(*state, call, &budget, &out), CODEC_OK);
    assert_true(budget.most_ahead >= (size_t)2000 * 2 * 10); /* 10: log2 of 2000 */
    call = call_of(CODEC_OP_PROJECT, buf_slice(&stored));
    call.fields = buf_slice(&names);
    budget = budget_of(UINT32_MAX);
    assert_int_equal(run(*state, call, &budget, &out), CODEC_OK);
    assert_true(budget.most_ahead >= names.len);
    buf_free(&out);
}

static void test_digits_count(void **state)
{
    struct counted budget = budget_of(UINT32_MAX);
    struct buf text = BUF_INIT, out = BUF_INIT;
    struct codec_call call;

    buf_append_str(&text, "[");
    for (unsigned i = 0; i < 40; i++)
        buf_printf(&text, "%s0.%01000u", i ? "," : "", i + 1);
    buf_append_str(&text, "]");
    call = call_of(CODEC_OP_DECODE, buf_slice(&text));
    assert_int_equal(run(*state, call, &budget, &out), CODEC_OK);
    assert_true(budget.asked >= 40); /* although the result has only 400 bytes */
    buf_free(&text);
    buf_free(&out);
}

/* yajl cannot be stopped within a string. */
static void test_escapes_are_announced(void **state)
{
    struct counted budget = budget_of(UINT32_MAX);
    struct buf text = BUF_INIT, out = BUF_INIT;
    struct codec_call call;

    buf_append_str(&text, "\"");
    for (unsigned i = 0; i < 20000; i++)
        buf_append_str(&text, "\\n");
    buf_append_str(&text, "\"");
    call = call_of(CODEC_OP_DECODE, buf_slice(&text));
    assert_int_equal(run(*state, call, &budget, &out), CODEC_OK);
    assert_true(budget.most_ahead >= 20000);
    budget = budget_of(1);
    assert_int_equal(run(*state, call, &budget, &out), CODEC_STOPPED);
    buf_free(&text);
    buf_free(&out);
}

static int set_up(void **state, const char *engine)
{
    struct codec *codec = codec_create(engine);
    struct codec_fault fault;
    struct codec_call call;

    if (json.len == 0)
        make_inputs();
    call = call_of(CODEC_OP_DECODE, buf_slice(&json));
    stored.len = 0;
    assert_int_equal(codec_run(codec, &call, &stored, &fault), CODEC_OK);
    *state = codec;
    return 0;
}

static int set_up_yajl(void **state)
{
    return set_up(state, "yajl");
}

static int set_up_direct(void **state)
{
    return set_up(state, "direct");
}

static int tear_down(void **state)
{
    struct codec *codec = *state;

    codec_destroy(&codec);
    return 0;
}

static int free_inputs(void **state)
{
    (void)state;
    buf_free(&json);
    buf_free(&stored);
    buf_free(&patch);
    buf_free(&names);
    buf_free(&lines);
    buf_free(&deep);
    buf_free(&many);
    return 0;
}

#define BOTH(test)                                                 \
    cmocka_unit_test_setup_teardown(test, set_up_yajl, tear_down), \
        cmocka_unit_test_setup_teardown(test, set_up_direct, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_every_operation),
        BOTH(test_stopped_when_the_output_moves),
        BOTH(test_indenting),
        BOTH(test_sorting_is_announced),
        BOTH(test_digits_count),
        cmocka_unit_test_setup_teardown(test_escapes_are_announced, set_up_yajl,
                                        tear_down)};

    return cmocka_run_group_tests(tests, NULL, free_inputs);
}
