/* Built-in functions about strings. */
#include "common/codec/jq/functions/functions.h"
#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

int function_utf8bytelength(struct jq_run *run, const struct node *node, struct jv *args,
                            struct jv *out_r)
{
    if (!jv_is_string(args[0]))
        return flow_failf(run, node, "%s only strings have UTF-8 byte length",
                          flow_describe(run, args[0]));
    *out_r = jv_int(args[0].len);
    jv_drop(run, args[0]);
    return FLOW_OK;
}

static bool begins_with(struct jv text, struct jv part)
{
    return part.len <= text.len && memcmp(text.at, part.at, part.len) == 0;
}

static bool ends_with(struct jv text, struct jv part)
{
    return part.len <= text.len &&
           memcmp(text.at + text.len - part.len, part.at, part.len) == 0;
}

int function_startswith(struct jq_run *run, const struct node *node, struct jv *args,
                        struct jv *out_r)
{
    if (!jv_is_string(args[0]) || !jv_is_string(args[1]))
        return flow_failf(run, node, "startswith() requires string inputs");
    run_charge(run, args[1].len / 64);
    *out_r = jv_bool(begins_with(args[0], args[1]));
    jv_drop(run, args[0]);
    jv_drop(run, args[1]);
    return FLOW_OK;
}

int function_endswith(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    if (!jv_is_string(args[0]) || !jv_is_string(args[1]))
        return flow_failf(run, node, "endswith() requires string inputs");
    run_charge(run, args[1].len / 64);
    *out_r = jv_bool(ends_with(args[0], args[1]));
    jv_drop(run, args[0]);
    jv_drop(run, args[1]);
    return FLOW_OK;
}

/* The bytes [from, to) of the string. */
static struct jv part_of(struct jq_run *run, struct jv text, size_t from, size_t to)
{
    struct jv part;

    if (from == 0 && to == text.len)
        return text;
    part = jv_text(run, text.at + from, to - from);
    jv_drop(run, text);
    return part;
}

static int trim_text(struct jq_run *run, struct jv *args, bool left, bool right,
                     struct jv *out_r)
{
    struct jv text = args[0], part = args[1];
    size_t from = 0, to = text.len;

    if (jv_is_string(text) && jv_is_string(part)) {
        run_charge(run, part.len / 64);
        if (left && begins_with(text, part))
            from = part.len;
        if (right && ends_with(text, part) && to - part.len >= from)
            to -= part.len;
        text = part_of(run, text, from, to);
    }
    jv_drop(run, part);
    *out_r = text;
    return FLOW_OK;
}

int function_ltrimstr(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    (void)node;
    return trim_text(run, args, true, false, out_r);
}

int function_rtrimstr(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    (void)node;
    return trim_text(run, args, false, true, out_r);
}

int function_trimstr(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    (void)node;
    return trim_text(run, args, true, true, out_r);
}

static bool is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || code == ' ' || code == 0x85 || code == 0xa0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
           code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

static int trim(struct jq_run *run, const struct node *node, struct jv text, bool left,
                bool right, struct jv *out_r)
{
    size_t from = SIZE_MAX, to = 0;
    uint32_t code;

    if (!jv_is_string(text))
        return flow_failf(run, node, "trim input must be a string");
    run_charge(run, text.len / 16);
    for (size_t at = 0; at < text.len;) {
        size_t len = strings_step(text.at + at, text.at + text.len, &code);

        if (!is_space(code)) {
            if (from == SIZE_MAX)
                from = at;
            to = at + len;
        }
        at += len;
    }
    if (from == SIZE_MAX)
        from = to = 0;
    else if (!left)
        from = 0;
    if (!right && (to > 0 || !left))
        to = text.len;
    *out_r = part_of(run, text, from, to);
    return FLOW_OK;
}

int function_trim(struct jq_run *run, const struct node *node, struct jv *args,
                  struct jv *out_r)
{
    return trim(run, node, args[0], true, true, out_r);
}

int function_ltrim(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    return trim(run, node, args[0], true, false, out_r);
}

int function_rtrim(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    return trim(run, node, args[0], false, true, out_r);
}

/* ---- code points */

int function_explode(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    struct jv text = args[0], codes;
    uint32_t code;

    if (!jv_is_string(text))
        return flow_failf(run, node, "explode input must be a string");
    codes = jv_array(run, text.len);
    run_charge(run, text.len / 4);
    for (size_t at = 0; at < text.len;) {
        at += strings_step(text.at + at, text.at + text.len, &code);
        codes = jv_array_push(run, codes, jv_int(code));
    }
    jv_drop(run, text);
    *out_r = codes;
    return FLOW_OK;
}

int function_implode(struct jq_run *run, const struct node *node, struct jv *args,
                     struct jv *out_r)
{
    struct jv codes = args[0], text;
    uint8_t *to, *start;
    int64_t number;

    if (!jv_is_array(codes))
        return flow_failf(run, node, "implode input must be an array");
    codes = jv_array_built(run, codes);
    text = jv_text_alloc(run, (size_t)codes.array->count * 4, &start);
    to = start;
    run_charge(run, codes.array->count / 4);
    for (uint32_t i = 0; i < codes.array->count; i++) {
        struct jv code = raw_resolve(run, codes.array->items[i]);

        if (!jv_is_number(code))
            return flow_failf(
                run, node, "%s can't be imploded, unicode codepoint needs to be numeric",
                flow_describe(run, code));
        number = values_integer(code, -1, 0x110000);
        to += strings_put(to, number < 0 ? 0x110000 : (uint32_t)number);
    }
    text.len = (uint32_t)(to - start);
    jv_drop(run, codes);
    *out_r = text;
    return FLOW_OK;
}

/* ---- split, join, case */

int function_split(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    if (!jv_is_string(args[0]) || !jv_is_string(args[1]))
        return flow_failf(run, node, "split input and separator must be strings");
    *out_r = strings_split(run, args[0], args[1]);
    return FLOW_OK;
}

struct join_each {
    struct each each;
    struct jv text, separator;
    bool begun;
};

static int join_item(struct each *each, struct jq_run *run, struct jv key, struct jv item)
{
    struct join_each *own = (struct join_each *)each;
    int flow;

    (void)key;
    if (own->begun) {
        flow = values_operate(run, each->node, OPERATION_ADD, own->text,
                              jv_ref(own->separator), &own->text);
        if (flow != FLOW_OK)
            return flow;
    }
    own->begun = true;
    if (jv_is_number(item) || item.kind == JV_TRUE || item.kind == JV_FALSE)
        item = values_to_json(run, item);
    else if (item.kind == JV_NULL)
        item = jv_constant("");
    return values_operate(run, each->node, OPERATION_ADD, own->text, item, &own->text);
}

int function_join(struct jq_run *run, const struct node *node, struct jv *args,
                  struct jv *out_r)
{
    struct join_each own = {
        {node, false, join_item}, jv_text(run, "", 0), args[1], false};
    int flow = values_each(run, &own.each, args[0]);

    *out_r = own.text;
    return flow;
}

static int change_case(struct jq_run *run, const struct node *node, struct jv text,
                       uint8_t from, struct jv *out_r)
{
    uint8_t *to;

    if (!jv_is_string(text))
        return flow_failf(run, node, "explode input must be a string");
    *out_r = jv_text_alloc(run, text.len, &to);
    run_charge(run, text.len / 16);
    for (uint32_t i = 0; i < text.len; i++)
        to[i] =
            text.at[i] >= from && text.at[i] < from + 26 ? text.at[i] ^ 0x20 : text.at[i];
    jv_drop(run, text);
    return FLOW_OK;
}

int function_ascii_downcase(struct jq_run *run, const struct node *node, struct jv *args,
                            struct jv *out_r)
{
    return change_case(run, node, args[0], 'A', out_r);
}

int function_ascii_upcase(struct jq_run *run, const struct node *node, struct jv *args,
                          struct jv *out_r)
{
    return change_case(run, node, args[0], 'a', out_r);
}
