#include "tests/oracle/jq/differences.h"

#include <string.h>

#include "common/codec/jq/jq.h"
#include "tests/unit/codec/codec_run.h"

#define SAME NULL

/* A program's results as one array; "!" where it fails, "refused" where it does not
   compile. jq's by version; SAME is what ours gives. */
static const struct difference {
    const char *why;
    const char *program, *input;
    const char *ours;
    const char *jq[3]; /* of 1.6, 1.7, 1.8 */
} differences[] = {
    {"integers are exact within 64 bits",
     ". + 1",
     "9007199254740993",
     "[9007199254740994]",
     {"[9007199254740992]", "[9007199254740992]", "[9007199254740992]"}},
    {"what is beyond the largest double is an error",
     ". * 10",
     "1e308",
     "\"!\"",
     {"[1.7976931348623157e+308]", "[1.7976931348623157e+308]",
      "[1.7976931348623157e+308]"}},
    {"numbers are written as they stand",
     "tojson",
     "[1.0, 1.50]",
     "[\"[1.0,1.5]\"]",
     {"[\"[1,1.5]\"]", "[\"[1.0,1.50]\"]", "[\"[1.0,1.50]\"]"}},
    {"an object that is not changed keeps names that it has twice",
     "tojson",
     "{\"a\":1,\"a\":2}",
     "[\"{\\\"a\\\":1,\\\"a\\\":2}\"]",
     {"[\"{\\\"a\\\":2}\"]", "[\"{\\\"a\\\":2}\"]", "[\"{\\\"a\\\":2}\"]"}},
    {"positions in strings are of characters",
     "indices(\"b\")",
     "\"éb\"",
     "[[1]]",
     {"[[2]]", "[[2]]", SAME}},
    {"the Unicode replacement stands for half a surrogate pair",
     "\"\\ud800\" | explode",
     "null",
     "[[65533]]",
     {"refused", "refused", "refused"}},
    {"each start has a fold of its own",
     "reduce .[] as $i (10, 20; . + $i)",
     "[1,2]",
     "[13,23]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"each start has a fold of its own",
     "foreach .[] as $i (10, 20; . + $i)",
     "[1,2]",
     "[11,13,21,23]",
     {"\"!\"", "\"!\"", SAME}},
    {"none is the last of none", "last(empty)", "null", "[]", {"[null]", "[null]", SAME}},
    {"paths go through last",
     "(last(.a, .b)) = 1",
     "{\"a\":5}",
     "[{\"a\":5,\"b\":1}]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"no path goes through folds",
     "[path(foreach (1, 2) as $i (.; .a))]",
     "null",
     "\"!\"",
     {"[[[\"a\"],[\"a\"]]]", "[[[\"a\"],[\"a\"]]]", "[[[\"a\"],[\"a\"]]]"}},
    {"a break leaves alternatives of patterns",
     "limit(1; .[] as [$i] ?// $i | $i)",
     "[null]",
     "[null]",
     {"[null,null]", "[null,null]", "[null,null]"}},
    {"what two paths lead to is deleted once",
     "del(.[:2][0], .[0])",
     "[1,2,3]",
     "[[2,3]]",
     {"[[3]]", "[[3]]", "[[3]]"}},
    {"a minus binds more than a product",
     "8 / -2 * 2",
     "null",
     "[-8]",
     {"[-2]", "[-2]", SAME}},
    {"as binds what is left of it, no operator",
     "1 + 2 as $x | -$x",
     "null",
     "[-1]",
     {SAME, SAME, "[-3]"}},
    {"conditions and folds are terms",
     "if . then 1 else 2 end as $x | $x",
     "null",
     "[2]",
     {"refused", "refused", SAME}},
    {"a member's value may be any expression without comma",
     "{a: 1 + 2}",
     "null",
     "[{\"a\":3}]",
     {"refused", "refused", SAME}},
    {"strings can be reversed",
     "reverse",
     "\"abc\"",
     "[\"cba\"]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"objects cannot be transposed",
     "transpose",
     "{\"a\":[1]}",
     "\"!\"",
     {SAME, "[[[1]]]", "[[[1]]]"}},
    {"any scalar may become a name",
     "from_entries",
     "[{\"key\":-2},{\"k\":null}]",
     "[{\"-2\":null,\"null\":null}]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"both booleans are of one type",
     "contains(true)",
     "false",
     "[false]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"base32 is a format",
     "@base32",
     "\"a\"",
     "[\"ME======\"]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"any value becomes an array",
     "toarray",
     "1",
     "[[1]]",
     {"refused", "refused", "refused"}},
    {"this name is too old",
     "[leaf_paths]",
     "{\"a\":1}",
     "[[[\"a\"]]]",
     {SAME, "refused", "refused"}},
    {"one second before 1970 is a time",
     "gmtime | mktime",
     "-1",
     "[-1]",
     {"\"!\"", "\"!\"", "\"!\""}},
    {"space stands around a number", "tonumber", "\" 4\"", "[4]", {SAME, SAME, "\"!\""}},
    {"of a number is one sign", "tonumber", "\"+-5\"", "\"!\"", {SAME, SAME, SAME}},
    {"a remainder is of numbers within 64 bits",
     "1e20 % 7, 5 % -1e20",
     "null",
     "[0,5]",
     {"[-1,5]", SAME, SAME}},
    {"a time has six numbers",
     "mktime",
     "[2024,1,29]",
     "\"!\"",
     {SAME, SAME, "[1709164800]"}},
    {"a part of a repetition is none",
     "\"ab\" * 1.5, \"ab\" * 0.5, \"ab\" * 0",
     "null",
     "[\"ab\",\"\",\"\"]",
     {"[\"ab\",\"ab\",null]", SAME, SAME}},
    {"try catches nothing that comes behind it",
     "[.[] | tostring? | error(\"x\")]",
     "[1]",
     "\"!\"",
     {"[[]]", SAME, SAME}},
    {"null is an error, too", "null | error", "null", "\"!\"", {"[]", SAME, SAME}},
    {"nth has no result where there are too few",
     "nth(3; .[])",
     "[1,2]",
     "[]",
     {"[2]", SAME, SAME}},
    {"of none wanted, none is evaluated",
     "limit(0; 1, 2)",
     "null",
     "[]",
     {"[1]", SAME, SAME}},
    {"any ends with the first that decides",
     "any(true, error(\"x\"); .)",
     "null",
     "[true]",
     {"\"!\"", SAME, SAME}},
    {"an affix that is none changes nothing",
     "ltrimstr(1)",
     "\"a\"",
     "[\"a\"]",
     {SAME, SAME, "\"!\""}},
    {"less than none is all", "limit(-1; 1, 2)", "null", "[1,2]", {SAME, SAME, "\"!\""}},
    {"messages are those of 1.7",
     "try .a catch .",
     "5",
     "[\"Cannot index number with string \\\"a\\\"\"]",
     {SAME, SAME, "[\"Cannot index number with string (\\\"a\\\")\"]"}},
    {"regular expressions are left out",
     "test(\"a\")",
     "\"a\"",
     "refused",
     {"[true]", "[true]", "[true]"}},
    {"a program has one input", "input", "null", "refused", {"\"!\"", "\"!\"", "\"!\""}},
    {"programs see no environment",
     "env | type",
     "null",
     "refused",
     {"[\"object\"]", "[\"object\"]", "[\"object\"]"}},
    {"programs see no clock",
     "now | type",
     "null",
     "refused",
     {"[\"number\"]", "[\"number\"]", "[\"number\"]"}},
    {"programs do not know their place in a file",
     "input_line_number",
     "null",
     "refused",
     {"\"!\"", "\"!\"", "\"!\""}},
};

static bool take_result(void *context, struct slice result)
{
    buf_append(context, result.data, result.len);
    return true;
}

static void ours_of(struct codec *codec, const char *program, const char *input,
                    struct buf *text)
{
    struct jq_refusal refusal;
    struct buf document = BUF_INIT, result = BUF_INIT;
    struct jq_program *compiled = jq_compile(
        (struct slice){(const uint8_t *)program, strlen(program)}, NULL, 0, &refusal);
    struct jq_call call = {.program = compiled,
                           .max_steps = 100000,
                           .max_memory = 1 << 20,
                           .max_output = 1 << 20,
                           .take = take_result,
                           .context = &result};
    struct jq_outcome outcome;

    if (compiled == NULL) {
        buf_append_str(text, "refused");
        return;
    }
    run_text(codec, CODEC_OP_DECODE, input, &document);
    call.document = buf_slice(&document);
    if (jq_run(&call, &outcome) == JQ_OK)
        run_buf(codec, CODEC_OP_ENCODE, &result, text);
    else
        buf_append_str(text, "ended");
    buf_free(&document);
    buf_free(&result);
    jq_destroy(&compiled);
}

static bool is_text(const struct buf *text, const char *expected)
{
    return text->len == strlen(expected) && memcmp(text->data, expected, text->len) == 0;
}

static const char *theirs_of(struct reference *reference, const char *program,
                             const char *input, struct buf *text)
{
    struct reference_item item = {.program = program, .results = text};

    reference_run(reference, &item, 1, &input, 1);
    switch (item.verdict) {
    case REFERENCE_REFUSES: return "refused";
    case REFERENCE_DIES: return "ended";
    default: return (const char *)text->data;
    }
}

static bool check(struct reference *reference, struct codec *codec,
                  const struct difference *row)
{
    struct buf program = BUF_INIT, ours = BUF_INIT, theirs = BUF_INIT;
    const char *expected = row->jq[reference->version - 6], *found;
    bool good;

    buf_printf(&program, "try [%s] catch \"!\"", row->program);
    buf_append(&program, "", 1);
    ours_of(codec, (const char *)program.data, row->input, &ours);
    found = theirs_of(reference, (const char *)program.data, row->input, &theirs);
    good = is_text(&ours, row->ours) &&
           strcmp(found, expected != SAME ? expected : row->ours) == 0;
    if (!good)
        printf("not as the table says (%s): %s on %s\n  ours %.*s\n  jq's %s\n", row->why,
               row->program, row->input, (int)ours.len, (const char *)ours.data, found);
    buf_free(&program);
    buf_free(&ours);
    buf_free(&theirs);
    return good;
}

unsigned differences_check(struct reference *reference, struct codec *codec)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < sizeof differences / sizeof differences[0]; i++)
        wrong += !check(reference, codec, &differences[i]);
    return wrong;
}
